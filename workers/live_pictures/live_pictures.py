"""The newest picture of a camera as JPEG, with its faces hidden unless they are asked for.

book (which frame, which faces) → decode no larger than shown → hide → encode; once for all who look.
"""

import asyncio
import time
from typing import Final, Literal, NamedTuple

from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.live_pictures.frame_reader import FrameReader
from workers.live_pictures.picture_book import Chosen, Hide, PictureBook

MADE_AT_ONCE: Final = 2
FIRST_S: Final = 1.0
"""So long whoever looks first waits for a picture."""
LOOK_AGAIN_S: Final = 0.05

FacesShown = Literal["hidden", "whole", "shown"]
"""What became of the faces: hidden each, hidden with the whole picture, or shown."""


class LivePicture(NamedTuple):
    """A picture to be sent."""

    jpeg: bytes
    frame: Frame
    faces: FacesShown


class LivePictures:
    """The pictures of all cameras. What is made of a frame is made once, and kept until the next one."""

    def __init__(self, settings: Settings, book: PictureBook, reader: FrameReader) -> None:
        self._settings = settings
        self._book = book
        self._reader = reader
        self._making = asyncio.Semaphore(MADE_AT_ONCE)
        self._made: dict[tuple[str, bool], tuple[Chosen, asyncio.Future[bytes | None]]] = {}

    @property
    def kept(self) -> int:
        """How many pictures it keeps."""
        return len(self._made)

    async def keep_reading(self) -> None:
        """For ever, while somebody looks; then nothing of the pictures is left here."""
        await self._reader.keep_reading(ended=self._made.clear)

    def take_face(self, face: Landmarks) -> None:
        """A face that the chain has found."""
        self._book.take_face(face, time.monotonic())

    async def newest(self, camera_id: str, *, shown: bool) -> LivePicture | None:
        """The newest picture, waited for a moment where nobody looked before; None if there is none yet."""
        self._reader.look(camera_id)
        until_s = time.monotonic() + FIRST_S
        while (chosen := self._choose(camera_id, shown)) is None:
            if time.monotonic() >= until_s:
                return None
            await asyncio.sleep(LOOK_AGAIN_S)
        jpeg = await self._jpeg(camera_id, shown, chosen)
        return None if jpeg is None else LivePicture(jpeg, chosen.frame, faces_of(chosen.hide))

    def _choose(self, camera_id: str, shown: bool) -> Chosen | None:
        chosen = self._book.newest(camera_id, shown=shown, now_s=time.monotonic())
        if chosen and not shown and self._settings.live_frames_hide == "everything":
            return chosen._replace(hide="everything")
        return chosen

    async def _jpeg(self, camera_id: str, shown: bool, chosen: Chosen) -> bytes | None:
        made = self._made.get((camera_id, shown))
        if made is None or made[0] != chosen:
            here = set(self._book.looked_at(time.monotonic()))
            for of in [of for of in self._made if of[0] not in here]:
                del self._made[of]
            made = self._made[camera_id, shown] = chosen, asyncio.ensure_future(self._make(chosen))
        return await asyncio.shield(made[1])  # others wait for it too

    async def _make(self, chosen: Chosen) -> bytes | None:
        from workers.live_pictures import picture_making  # its libraries, only where pictures are shown

        settings = self._settings
        async with self._making:
            return await asyncio.to_thread(
                picture_making.picture, chosen, settings.max_frame_bytes, settings.max_frame_pixels
            )


def faces_of(hide: Hide) -> FacesShown:
    """The word for what was hidden."""
    return "whole" if hide == "everything" else "shown" if hide == "nothing" else "hidden"
