"""Hands a camera's tracks to its next worker, so that subject ids survive a rebalance, in two ways.

Redis is asked once for each camera that comes into view, or comes back after a rebalance or a while in which
another worker may have had it. It is written to a few times a second, beside the stream, when partitions go,
and at the end. So ids go on from the last frame, and after a SIGKILL from at most `WRITE_EVERY_S` before it.
While it does not answer, the stage goes on (``write_behind``).

A note is committed with each partition's offset (``streams.store.track_note``): it tells of fewer cameras and
of a little earlier, but is there without Redis. Of files first, as their frames are worked on again however
old they are. Whichever way tells of the later frame is taken.
"""

import time
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import numpy as np

from models.faces.engine import Roi
from models.faces.tracking import Track
from streams import metrics
from streams.messages.frame_message import Frame
from streams.store import track_note
from streams.store.camera_track_store import CameraTracks, CameraTracksStore, TrackRecord
from workers.stages.handler import Note
from workers.stages.write_behind import WriteBehind

WRITE_EVERY_S = 0.4
IDLE_S = 2.0
"""A camera unseen for so long may have been another worker's meanwhile."""
FORGET_S = 60.0


@dataclass(slots=True)
class _Camera:
    seen_at_s: float  # monotonic
    partition: int
    run: int = -1
    seq: int = -1
    is_file: bool = False
    record: CameraTracks | None = None  # as of its last frame, if it has tracks
    settled: bool = False  # whether its partition has gone since; perhaps it came back


class HandOver:
    """Where each camera's faces are, for the worker that gets the camera next.

    Use from one event loop, within :meth:`writing`.
    """

    def __init__(self, store: CameraTracksStore) -> None:
        self._store = store
        self._cameras: dict[str, _Camera] = {}
        self._noted: dict[str, CameraTracks] = {}  # by who had our partitions before us
        self._behind = WriteBehind(
            store,
            metrics.hand_over_failures_total,
            away="ids will not survive a rebalance until redis answers",
            back="redis answers again: ids are handed over",
        )

    async def take_up(self, frame: Frame, partition: int) -> tuple[Track, ...]:
        """Before each frame: the tracks that another worker left of its run, of a later frame than ours.

        None most of the time.
        """
        camera_id, run, now_s = frame.camera_id, frame.run, time.monotonic()
        camera = self._cameras.get(camera_id)
        if camera is not None and not camera.settled and now_s - camera.seen_at_s < IDLE_S:
            camera.seen_at_s = now_s
            return ()
        camera = self._cameras.setdefault(camera_id, _Camera(now_s, partition))
        camera.seen_at_s, camera.partition, camera.settled = now_s, partition, False
        left = (await self._behind.ask(self._store.read, camera_id), self._noted.pop(camera_id, None))
        newer = [
            record
            for record in left
            if record and record.run == run and (run != camera.run or record.seq > camera.seq)
        ]
        if not newer:
            return ()
        record = max(newer, key=lambda one: one.seq)
        metrics.resumed_tracks_total.labels(camera_id).inc(len(record.tracks))
        return tuple(map(_track_of, record.tracks))

    def saw(
        self, frame: Frame, partition: int, seq: int, captured_at_us: int, tracks: Sequence[Track]
    ) -> None:
        """After each frame: what is known now, as of the newest frame of its run."""
        camera_id = frame.camera_id
        camera = self._cameras.setdefault(camera_id, _Camera(time.monotonic(), partition))
        record = CameraTracks(captured_at_us, tuple(map(_record_of, tracks)), frame.run, seq)
        if tracks or camera.record or camera_id in self._behind.unwritten:
            self._behind.put(camera_id, record)
        camera.run, camera.seq, camera.is_file = frame.run, seq, frame.source == "file"
        camera.record = record if tracks else None

    def note_of(self, partition: int) -> Note:
        """After each batch: what a partition's next worker is to know that goes on behind it."""
        cameras = {
            camera_id: camera.record
            for camera_id, camera in sorted(self._cameras.items(), key=lambda item: not item[1].is_file)
            if camera.partition == partition and camera.record and not camera.settled
        }
        return lambda: track_note.write(cameras)

    def take_notes(self, notes: Collection[str]) -> None:
        """Before the first batch of a share: what was committed with the offsets of its partitions."""
        self._noted = {
            camera_id: record for note in notes for camera_id, record in track_note.read(note).items()
        }

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
        max(track.moved_us, 0),
    )


def _track_of(record: TrackRecord) -> Track:
    box = np.array(record.box_xyxy_px, np.float32)
    return Track(
        record.subject_id,
        Roi(*record.roi),
        box,
        record.seen_us,
        record.velocity,
        moved_us=record.moved_us,
    )
