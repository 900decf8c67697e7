"""Hands a camera's tracks to its next worker through Redis, so that subject ids survive a rebalance.

Redis is asked once for each camera that comes into view, or comes back after a rebalance or a while in which
another worker may have had it. It is written to a few times a second, beside the stream, when partitions go,
and at the end. So ids go on from the last frame, and after a SIGKILL from at most `WRITE_EVERY_S` before it.

While it does not answer, the stage goes on (``write_behind``).
"""

import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import numpy as np

from models.faces.engine import Roi
from models.faces.tracking import Track
from streams import metrics
from streams.store.camera_track_store import CameraTracks, CameraTracksStore, TrackRecord
from workers.stages.write_behind import WriteBehind

WRITE_EVERY_S = 0.4
IDLE_S = 2.0
"""A camera unseen for so long may have been another worker's meanwhile."""
FORGET_S = 60.0


@dataclass(slots=True)
class _Camera:
    seen_at_s: float  # monotonic
    run: int = -1
    seq: int = -1
    anybody: bool = False  # whether it has tracks
    settled: bool = False  # whether its partition has gone since; perhaps it came back


class HandOver:
    """Where each camera's faces are, for the worker that gets the camera next.

    Use from one event loop, within :meth:`writing`.
    """

    def __init__(self, store: CameraTracksStore) -> None:
        self._store = store
        self._cameras: dict[str, _Camera] = {}
        self._behind = WriteBehind(
            store,
            metrics.hand_over_failures_total,
            away="ids will not survive a rebalance until redis answers",
            back="redis answers again: ids are handed over",
        )

    async def take_up(self, camera_id: str, run: int) -> tuple[Track, ...]:
        """Before each frame: the tracks that another worker left of this run, of a later frame than ours.

        None most of the time.
        """
        now_s = time.monotonic()
        camera = self._cameras.get(camera_id)
        if camera is not None and not camera.settled and now_s - camera.seen_at_s < IDLE_S:
            camera.seen_at_s = now_s
            return ()
        camera = self._cameras.setdefault(camera_id, _Camera(now_s))
        camera.seen_at_s, camera.settled = now_s, False
        record = await self._behind.ask(self._store.read, camera_id)
        if record is None or record.run != run or (run == camera.run and record.seq <= camera.seq):
            return ()
        metrics.resumed_tracks_total.labels(camera_id).inc(len(record.tracks))
        return tuple(map(_track_of, record.tracks))

    def note(self, camera_id: str, run: int, seq: int, captured_at_us: int, tracks: Sequence[Track]) -> None:
        """After each frame: what is known now."""
        camera = self._cameras.setdefault(camera_id, _Camera(time.monotonic()))
        if tracks or camera.anybody or camera_id in self._behind.unwritten:
            record = CameraTracks(captured_at_us, tuple(map(_record_of, tracks)), run, seq)
            self._behind.put(camera_id, record)
        camera.run, camera.seq, camera.anybody = run, seq, bool(tracks)

    def writing(self) -> AbstractAsyncContextManager[None]:
        """Writes what is new a few times a second, until the block ends."""
        return self._behind.writing(WRITE_EVERY_S, self.forget_quiet)

    async def settle(self) -> None:
        """When partitions go: writes what is new, and asks again before each camera's next frame."""
        await self.write()
        for camera in self._cameras.values():
            camera.settled = True

    async def write(self) -> None:
        """Writes what Redis does not have yet, if it answers."""
        await self._behind.write()

    def forget_quiet(self) -> None:
        """Forgets the cameras that no frame came from for long."""
        oldest_s = time.monotonic() - FORGET_S
        for camera_id in [id_ for id_, camera in self._cameras.items() if camera.seen_at_s < oldest_s]:
            del self._cameras[camera_id]
            self._behind.unwritten.pop(camera_id, None)


def _record_of(track: Track) -> TrackRecord:
    x0, y0, x1, y1 = track.box_xyxy_px.tolist()
    roi = track.roi
    return TrackRecord(
        track.subject_id,
        (roi.center_x_px, roi.center_y_px, roi.size_px, roi.rotation_rad),
        (x0, y0, x1, y1),
        track.velocity,
        track.seen_us,
    )


def _track_of(record: TrackRecord) -> Track:
    box = np.array(record.box_xyxy_px, np.float32)
    return Track(record.subject_id, Roi(*record.roi), box, record.seen_us, record.velocity)
