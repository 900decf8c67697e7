"""Alignment of face meshes to the canonical face, and the way back.

Rigid motion plus one scale, fitted by least squares over all 468 points: S. Umeyama, "Least-squares
estimation of transformation parameters between two point patterns", IEEE TPAMI 13 (4), 1991.
"""

from typing import NamedTuple

import numpy as np

from models.arrays import F32
from models.faces.canonical import CANONICAL

_TARGET = CANONICAL.astype(np.float64)  # centred on the mean of its points
_MEAN = np.full((1, len(CANONICAL)), 1 / len(CANONICAL))  # as a product it is faster than `mean`
_MIN_SPREAD_PX = 1e-6  # below this root mean square radius the points carry no shape


class Alignment(NamedTuple):
    """Meshes in the canonical face frame, with the transform back to the picture.

    landmarks_px ≈ scale * points @ rotation.T + translation_px
    """

    points: F32  # [N, 468, 3], unit: inter-ocular distance of the canonical face
    scale: F32  # [N], px per unit
    rotation: F32  # [N, 3, 3], canonical frame → picture; identity for a frontal face
    translation_px: F32  # [N, 3]: where the canonical face's centre lies in the picture


def align(landmarks_px: F32) -> Alignment:
    """Bring meshes into the canonical face frame.

    `landmarks_px` is [N, 468, 3]: x right, y down, z away from the camera and scaled like x, in px.
    Raises ValueError for another shape, for values that are not finite and for points that coincide.
    """
    shape = np.shape(landmarks_px)
    if len(shape) != 3 or shape[1:] != CANONICAL.shape:
        raise ValueError(f"landmarks_px must have shape [N, 468, 3], not {list(shape)}")
    landmarks = np.asarray(landmarks_px, dtype=np.float64)
    centre = _MEAN @ landmarks
    if not np.isfinite(centre).all():  # one such value makes the mean one
        raise ValueError("landmarks_px holds values that are not finite")
    centred = landmarks - centre
    flat = centred.reshape(len(centred), 1, CANONICAL.size)
    variance = (flat @ flat.transpose(0, 2, 1)).reshape(-1) / len(CANONICAL)
    if (variance < _MIN_SPREAD_PX**2).any():
        raise ValueError("landmarks_px holds a face whose points all coincide")

    # Umeyama (1991), for the fit centred ≈ scale * target @ rotation.T. The canonical face is the
    # regressor, but the scale is the one that minimises the error in the canonical frame: there the
    # points are compared, and a face far from the canonical one must not shrink because it fits badly.
    covariance = centred.transpose(0, 2, 1) @ _TARGET / len(CANONICAL)
    u, singular, vt = np.linalg.svd(covariance)
    rotation = u @ vt
    mirrored = np.linalg.det(rotation) < 0
    if mirrored.any():  # a rotation, never a reflection
        u[mirrored, :, 2] *= -1
        singular[mirrored, 2] *= -1
        rotation = u @ vt
    fit = singular.sum(axis=1)
    if (fit < _MIN_SPREAD_PX * np.sqrt(variance)).any():
        raise ValueError("landmarks_px holds a face that has nothing in common with the canonical one")
    scale = variance / fit
    points = centred @ (rotation / scale[:, None, None])
    return Alignment(
        points.astype(np.float32),
        scale.astype(np.float32),
        rotation.astype(np.float32),
        centre[:, 0].astype(np.float32),
    )


def unalign(alignment: Alignment) -> F32:
    """Back from the canonical face frame to the picture: landmarks_px [N, 468, 3], float32."""
    points, scale, rotation, translation_px = alignment
    rotated = points @ rotation.transpose(0, 2, 1)
    landmarks_px: F32 = (scale[:, None, None] * rotated + translation_px[:, None, :]).astype(np.float32)
    return landmarks_px
