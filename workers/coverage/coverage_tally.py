"""Counts where in each camera's picture faces were seen and what came of them, for the state stage.

Counts gather in memory and are added to Redis every `WRITE_EVERY_S`, so that an event costs no round trip. A
write that fails is not tried again, as Redis may have done it: so no face counts twice, and at most that
span of faces is missing after a failure, or when the process is killed.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from streams import logs, metrics
from streams.errors import MienError
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.landmarks_message import PictureSize
from streams.store import coverage_store
from streams.store.coverage_store import Counts, CoverageStore, Seen

WRITE_EVERY_S: Final = 5.0
LAST_WRITE_S: Final = 2.0
"""The stage's end waits no longer for it."""

log = logs.get("mien.state")


class CoverageTally:
    """What is not in Redis yet. Use from one event loop."""

    def __init__(self, store: CoverageStore) -> None:
        self._store = store
        self._faces: defaultdict[str, Counter[Seen]] = defaultdict(Counter)
        self._pictures: dict[str, PictureSize | None] = {}
        self._missing = 0
        """Faces that Redis did not take since it last took some."""

    def count(self, event: EmotionEvent) -> None:
        """Counts a face once; never the probe's, a still one, which is a picture of one and would be all that
        its cell shows, nor those of cameras beyond the most that have metrics.
        """
        camera_id = event.camera_id
        if event.still or camera_id == PROBE_CAMERA or metrics.camera_label(camera_id) != camera_id:
            return
        self._faces[camera_id][coverage_store.seen(event)] += 1
        self._pictures[camera_id] = event.picture

    async def write(self) -> None:
        """Adds to Redis what was counted since the last time."""
        counted = {
            camera_id: Counts(faces, self._pictures[camera_id]) for camera_id, faces in self._faces.items()
        }
        self._faces.clear()
        self._pictures.clear()
        try:
            refusals = await self._store.add(counted)
        except MienError as exc:
            if not self._missing:  # once, however long it takes
                log.warning("faces will be missing in the coverage", error=str(exc))
            self._missing += sum(sum(counts.faces.values()) for counts in counted.values())
            return
        if self._missing:
            log.info("faces are counted in the coverage again", n_missing=self._missing)
            self._missing = 0
        if refusals:
            log.warning("coverage not counted", error=str(refusals[0]))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Writes now and then until the block ends; and once more at its end."""
        keeping = asyncio.ensure_future(self._keep_writing())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITE_S):
                    await self.write()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()
