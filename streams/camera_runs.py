"""Notices that two producers send under one camera id: two runs of a camera at once.

A run that was started again ends the last one for good. So a new frame of a run that another one has already
followed means that both go on. Neither loses anything, since each has its own numbers, tracks and subjects;
but whoever looks at the camera sees two places in turn, and should know.
"""

import time
from dataclasses import dataclass, field

from streams import logs, metrics

FORGET_S = 60.0
"""A camera that nothing came from for so long is forgotten."""
WARN_EVERY_S = 60.0
RUNS_KEPT = 4
"""Of each camera: those that sent something new last."""

log = logs.get("mien.stage")


@dataclass(slots=True)
class _Camera:
    noted_at_s: float  # monotonic, as the next
    current: int
    """The run whose new frame came last."""
    warned_at_s: float = float("-inf")
    last_seq: dict[int, int] = field(default_factory=dict)  # by run


class CameraRuns:
    """Which run of each camera is current. It counts the frames of runs at once, and warns of them."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._swept_at_s = 0.0

    def note(self, camera_id: str, run: int, seq: int) -> None:
        """Before each frame. One that comes again says nothing about who sends now."""
        now_s = time.monotonic()
        self._forget_quiet(now_s)
        camera = self._cameras.setdefault(camera_id, _Camera(now_s, run))
        camera.noted_at_s = now_s
        last_seq = camera.last_seq.get(run)
        if last_seq is not None and seq <= last_seq:
            return
        if last_seq is not None and run != camera.current:
            self._overlap(camera_id, camera, run, now_s)
        camera.current = run
        camera.last_seq.pop(run, None)
        camera.last_seq[run] = seq  # as the last one
        if len(camera.last_seq) > RUNS_KEPT:
            del camera.last_seq[next(iter(camera.last_seq))]

    def _overlap(self, camera_id: str, camera: _Camera, run: int, now_s: float) -> None:
        metrics.overlapping_frames_total.labels(camera_id).inc()
        if now_s - camera.warned_at_s >= WARN_EVERY_S:
            camera.warned_at_s = now_s
            log.warning(
                "two producers send under one camera id: give each its own with --id",
                camera=camera_id,
                runs=sorted({camera.current, run}),
            )

    def _forget_quiet(self, now_s: float) -> None:
        if now_s - self._swept_at_s < 1.0:
            return
        self._swept_at_s = now_s
        oldest_s = now_s - FORGET_S
        self._cameras = {id_: c for id_, c in self._cameras.items() if c.noted_at_s > oldest_s}
