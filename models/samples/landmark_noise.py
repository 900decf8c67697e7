"""How landmarks are wrong: the covariance of their noise in the canonical face frame.

Two kinds. *White* noise is independent for each coordinate; it stands for rounding and for whatever makes
neighbours differ. *Smooth* noise moves neighbours together, as another JPEG quality of the same picture does.
Its shape was measured on 334 pairs of face pictures at JPEG quality 60 and 95: correlation falls with the
distance as a Gaussian of `REACH`, y is noisier than x, z less so, and shift, turn and scale are missing,
because the alignment takes them out.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from models.arrays import F64
from models.faces.canonical import CANONICAL, POINTS
from models.faces.landmark_set import LandmarkSet

REACH: Final = 0.30  # in inter-ocular distances
_AXIS: Final = ((0.97, 0.02), (1.24, 0.07), (0.72, 0.04))  # of x, y, z: size, and the share that is white


def covariance(landmark_set: LandmarkSet, white: float, smooth: float) -> F64:
    """[3K, 3K] of noise with these standard deviations a coordinate, in inter-ocular distances."""
    rows = (3 * landmark_set.indices[:, None] + np.arange(3)).ravel()
    both: F64 = white**2 * np.eye(len(rows)) + smooth**2 * _smooth()[np.ix_(rows, rows)]
    return both


@lru_cache(maxsize=1)
def _smooth() -> F64:
    """[1404, 1404], of smooth noise of about one a coordinate."""
    at = CANONICAL.astype(np.float64)
    distance = np.linalg.norm(at[:, None] - at, axis=2)
    kernel = np.exp(-(distance**2) / (2 * REACH**2))
    by_axis = np.zeros((POINTS, 3, POINTS, 3))
    for axis, (size, white) in enumerate(_AXIS):
        by_axis[:, axis, :, axis] = size**2 * ((1 - white) * kernel + white * np.eye(POINTS))
    keep = _without_alignment(at - at.mean(axis=0))
    smooth: F64 = keep @ by_axis.reshape(3 * POINTS, -1) @ keep
    return smooth


def _without_alignment(at: F64) -> F64:
    """[1404, 1404]: the projection that takes out shift, small turns and scale of points `at` [468, 3]."""
    moves = [np.broadcast_to(axis, at.shape) for axis in np.eye(3)]
    moves += [np.cross(axis, at) for axis in np.eye(3)]
    moves.append(at)
    q, _ = np.linalg.qr(np.stack([move.ravel() for move in moves], axis=1))
    projection: F64 = np.eye(at.size) - q @ q.T
    return projection
