"""Ids survive a rebalance: where each camera's faces were is kept in Redis for its next worker.

Redis is asked once for each camera that comes into view, or comes back after a while in which another worker
may have had it. It is written to a few times a second, beside the stream, and at the end. So after a SIGTERM
ids go on from the last frame, after a SIGKILL from at most `WRITE_EVERY_S` before it.

While it does not answer, the stage goes on: the stream waits for Redis once, half a second at most, and from
then on it is only asked in the background whether it is back.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.faces.engine import Roi
from models.faces.tracking import Track
from streams import logs, metrics
from streams.errors import ServiceUnavailable
from streams.store.camera_track_store import CameraTracks, CameraTracksStore, TrackRecord

WRITE_EVERY_S = 0.4
IDLE_S = 2.0
"""A camera unseen for so long may have been another worker's meanwhile."""
FORGET_S = 60.0

log = logs.get("mien.stage")


@dataclass(slots=True)
class _Camera:
    seen_at_s: float  # monotonic
    captured_at_us: int = -1
    tracks: tuple[Track, ...] = ()
    in_redis: bool = True  # whether Redis has just these tracks


class HandOver:
    """Use from one event loop; run :meth:`keep` beside the stream and :meth:`write` at its end."""

    def __init__(self, store: CameraTracksStore) -> None:
        self._store = store
        self._cameras: dict[str, _Camera] = {}
        self._answers = True  # whether Redis did, the last time

    async def meet(self, camera_id: str) -> tuple[Track, ...]:
        """Before each frame: the tracks that another worker left, newer than ours; none most of the time."""
        now_s = time.monotonic()
        camera = self._cameras.get(camera_id)
        if camera is not None and now_s - camera.seen_at_s < IDLE_S:
            camera.seen_at_s = now_s
            return ()
        camera = self._cameras.setdefault(camera_id, _Camera(now_s))
        camera.seen_at_s = now_s
        if not self._answers:
            return ()
        try:
            record = await self._store.read(camera_id)
        except ServiceUnavailable as exc:
            self._failed("read", exc)
            return ()
        if record is None or record.captured_at_us <= camera.captured_at_us:
            return ()
        metrics.resumed_tracks_total.labels(camera_id).inc(len(record.tracks))
        return tuple(map(_track_of, record.tracks))

    def note(self, camera_id: str, captured_at_us: int, tracks: Sequence[Track]) -> None:
        """After each frame: what is known now."""
        camera = self._cameras.setdefault(camera_id, _Camera(time.monotonic()))
        if tracks or camera.tracks:
            camera.in_redis = False
        camera.captured_at_us, camera.tracks = captured_at_us, tuple(tracks)

    async def keep(self) -> None:
        """Writes what is new, a few times a second."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()
            self.forget_quiet()

    async def write(self) -> None:
        """Writes what Redis does not have yet, if it answers."""
        writing = {
            camera_id: (camera, CameraTracks(camera.captured_at_us, tuple(map(_record_of, camera.tracks))))
            for camera_id, camera in self._cameras.items()
            if not camera.in_redis
        }
        try:
            if writing:
                await self._store.write({camera_id: record for camera_id, (_, record) in writing.items()})
            elif not self._answers:
                await self._store.ping()
        except ServiceUnavailable as exc:
            self._failed("write", exc)
            return
        self._answered()
        for camera, record in writing.values():
            camera.in_redis = camera.captured_at_us == record.captured_at_us

    def forget_quiet(self) -> None:
        """Cameras that no frame came from for long."""
        oldest_s = time.monotonic() - FORGET_S
        self._cameras = {id_: c for id_, c in self._cameras.items() if c.seen_at_s >= oldest_s}

    def _failed(self, operation: str, exc: ServiceUnavailable) -> None:
        metrics.hand_over_failures_total.labels(operation).inc()
        if self._answers:
            log.warning("ids will not survive a rebalance until redis answers", error=str(exc))
        self._answers = False

    def _answered(self) -> None:
        if not self._answers:
            log.info("redis answers again: ids are handed over")
        self._answers = True


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
