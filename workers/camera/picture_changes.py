"""Whether a live camera's picture still changes: one that hangs sends what it sent before, for ever."""

import zlib
from typing import Final

from models.faces.jpeg_passthrough import Jpeg
from workers.camera.video_picture import Shot, VideoPicture

REMEMBERED: Final = 512
"""Pictures that a new one is compared with: a stream of one picture repeats itself from key picture to key
picture, and a recording in place of a camera from its beginning."""

EVERY_ROW: Final = 8
"""Only each eighth row is looked at. A sensor's noise is in every row, and no two pictures have the same."""

_SCAN = b"\xff\xda"


class PictureChanges:
    """For how long nothing new came. A picture is new if it is not, to the bit, one of the last ones."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}  # in their order
        self._new_at_s: float | None = None

    def see(self, picture: Shot, now_s: float) -> None:
        """Notes a picture."""
        mark = fingerprint(picture)
        if mark in self._seen:
            return
        self._seen[mark] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._new_at_s = now_s

    def unchanged_s(self, now_s: float) -> float:
        """Seconds since a picture came that was new; 0 before the first."""
        return 0.0 if self._new_at_s is None else now_s - self._new_at_s


def fingerprint(picture: Shot) -> int:
    """A number that is the same for the same pixels.

    Of a JPEG, the data behind its headers, where some cameras write the time.
    """
    if isinstance(picture, Jpeg):
        return zlib.crc32(picture.data[picture.data.rfind(_SCAN) :])
    pixels = picture.first_plane() if isinstance(picture, VideoPicture) else picture
    return zlib.crc32(pixels[::EVERY_ROW].tobytes())
