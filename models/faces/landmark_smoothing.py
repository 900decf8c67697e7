"""Less jitter of landmarks from frame to frame, without lag on movement.

The One Euro filter: G. Casiez, N. Roussel, D. Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for
Noisy Input in Interactive Systems", CHI 2012. A low-pass filter whose cutoff grows with the speed: a point
at rest is smoothed much, a moving one hardly at all. Each point has a speed of its own, in inter-ocular
distances per second, so near and far faces are smoothed alike.
"""

import math
from typing import NamedTuple

import numpy as np

from models.faces.engine import Landmarks
from models.faces.quality import inter_ocular_px

MIN_CUTOFF_HZ = 1.0
"""Of a point at rest. Lower: less jitter."""
BETA = 10.0
"""Hz by which the cutoff grows, for each inter-ocular distance per second. Higher: less lag."""
SPEED_CUTOFF_HZ = 1.0
"""Of the filter on the speed itself; the paper's own choice."""


class Smoothed(NamedTuple):
    """A track's filter after a frame: 11 KB."""

    landmarks_px: Landmarks
    """float32 ``[468, 3]``, smoothed."""
    velocity: Landmarks
    """float32 ``[468, 3]``, px/s, smoothed."""
    at_us: int


def smooth(before: Smoothed | None, landmarks_px: Landmarks, at_us: int) -> Smoothed:
    """One step. The first frame, and one that is not newer than the last, passes unchanged.

    ``landmarks_px`` is float32 ``[468, 3]``.
    """
    if before is None or at_us <= before.at_us:
        return Smoothed(landmarks_px, np.zeros_like(landmarks_px), at_us)
    gap_s = (at_us - before.at_us) / 1e6
    measured = (landmarks_px - before.landmarks_px) / np.float32(gap_s)
    share = np.float32(_share(SPEED_CUTOFF_HZ, gap_s))
    velocity = before.velocity + share * (measured - before.velocity)
    face_px = max(inter_ocular_px(landmarks_px), 1e-3)
    speed = np.linalg.norm(velocity, axis=1, keepdims=True) / face_px
    tau_s = 1 / (2 * math.pi * (MIN_CUTOFF_HZ + BETA * speed))
    shares = 1 / (1 + tau_s / gap_s)
    smoothed = before.landmarks_px + shares * (landmarks_px - before.landmarks_px)
    return Smoothed(smoothed.astype(np.float32), velocity.astype(np.float32), at_us)


def _share(cutoff_hz: float, gap_s: float) -> float:
    """Of the newest value in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * gap_s))
