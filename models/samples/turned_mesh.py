"""What a turn of the head does to an aligned mesh.

Alignment takes out the turn itself; what is left is what the mesh network sees differently from the side. It
is read off photos of people at rest, whose heads are turned a little this way or that: on average over
people, who differ.
"""

from typing import Final

import numpy as np

from models.arrays import F32, F64
from models.faces.landmark_set import LandmarkSet

_UNIT_DEG: Final = 20.0
_RIDGE: Final = 2.0  # as much as eight faces turned by half a unit


def mesh_of_turns(points: F32, yaw_pitch_deg: F32, landmark_set: LandmarkSet) -> F32:
    """What turns of the head do to aligned faces [N, K, 3]: [5, K, 3], the factors of `turn_terms`.

    Ridge regression over the faces and their mirror twins, whose yaw is the opposite; the constant is
    dropped. Where few photos are turned, little is claimed.
    """
    twins = points[:, landmark_set.mirror] * np.array([-1, 1, 1], np.float32)
    terms = np.concatenate([turn_terms(yaw_pitch_deg), turn_terms(yaw_pitch_deg * [-1, 1])])
    both = np.concatenate([points, twins]).reshape(len(terms), -1).astype(np.float64)
    terms, both = terms - terms.mean(axis=0), both - both.mean(axis=0)
    factors = np.linalg.solve(terms.T @ terms + _RIDGE * np.eye(terms.shape[1]), terms.T @ both)
    return np.asarray(factors.reshape(-1, *points.shape[1:]), np.float32)


def turn_terms(yaw_pitch_deg: F32 | F64) -> F64:
    """[N, 5]: yaw, pitch, yaw², pitch², yaw · pitch, in units of 20°."""
    yaw, pitch = (np.asarray(yaw_pitch_deg, np.float64) / _UNIT_DEG).T
    return np.stack([yaw, pitch, yaw**2, pitch**2, yaw * pitch], axis=1)


def turn_covariance(factors: F32, turn_deg: float) -> F64:
    """[3K, 3K] of what turns do whose yaw and pitch are independent and normal with this standard deviation;
    `factors` [5, K, 3] are those of `mesh_of_turns`."""
    square = (turn_deg / _UNIT_DEG) ** 2
    variance = np.array([square, square, 2 * square**2, 2 * square**2, square**2])
    flat = factors.reshape(len(variance), -1).astype(np.float64)
    covariance: F64 = (flat.T * variance) @ flat
    return covariance
