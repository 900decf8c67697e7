"""A head turned out of the picture's plane: the picture re-projected over its own face mesh.

The 468 points of the mesh have a depth, so the face can be turned as a textured surface and drawn again,
nearer parts over farther ones. Around it lies a rim that goes back with the head, and around that a ring that
stays where it is.

What it cannot do: the depth is the mesh network's own estimate; light and shadows do not move; what the
camera did not see (the far side of the nose, the ear) is stretched from what it saw. It is fair up to about
40° from a face that looks into the camera, and no substitute for photographs of turned heads.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from models.arrays import Picture
from models.faces.engine import EYE_CORNERS, Landmarks
from models.staged.head_warp import pixels, sample

EARS: Final = (234, 454)
"""The mesh's outermost points before the ears, right and left; the head turns about their middle."""

_RIM: Final = 1.35  # size over that of the face's outline
_RIM_BACK: Final = 0.3  # how far it lies behind the outline, in inter-ocular distances
_STILL: Final = 2.2  # size of the ring that stays over that of the outline
_SUBPIXEL_BITS: Final = 4


def turned(
    picture_rgb: Picture, landmarks_px: Landmarks, *, yaw_deg: float = 0.0, pitch_deg: float = 0.0
) -> Picture:
    """The picture (uint8 ``[H, W, 3]``) with the head of ``landmarks_px`` ``[468, 3]`` turned further.

    The angles are those of `head_pose.pose_deg`: yaw > 0 towards the picture's right edge, pitch > 0 up.
    Raises ValueError beyond ±90°, where no face is left to see.
    """
    if not max(abs(yaw_deg), abs(pitch_deg)) < 90:
        raise ValueError(f"yaw_deg and pitch_deg must lie within ±90, not {yaw_deg} and {pitch_deg}")
    before, moves = _surface(landmarks_px.astype(np.float64))
    centre = landmarks_px[list(EARS)].mean(0)
    after = np.where(moves[:, None], (before - centre) @ _rotation(yaw_deg, pitch_deg).T + centre, before)
    triangles = Delaunay(before[:, :2]).simplices
    height, width = picture_rgb.shape[:2]
    drawn = _nearest_triangle(after, before, triangles, (height, width))
    still = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)  # the last: where no triangle is drawn, at -1
    affine = np.concatenate([_back(before[triangles][..., :2], after[triangles][..., :2]), still])[drawn]
    at_px = pixels(width, height)
    at_px = affine[..., 0] * at_px[..., :1] + affine[..., 1] * at_px[..., 1:] + affine[..., 2]
    return np.asarray(sample(picture_rgb, at_px), np.uint8)


def _surface(landmarks_px: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points [N, 3] of the face, its rim and the ring around, and whether each turns with the head, [N]."""
    hull = cv2.convexHull(landmarks_px[:, :2].astype(np.float32), returnPoints=False).ravel()
    outline = landmarks_px[hull]
    middle = outline.mean(0)
    right, left = landmarks_px[list(EYE_CORNERS)]
    rim, ring = outline.copy(), outline.copy()
    rim[:, :2] = middle[:2] + _RIM * (outline - middle)[:, :2]
    rim[:, 2] += _RIM_BACK * np.linalg.norm(left - right)
    ring[:, :2] = middle[:2] + _STILL * (outline - middle)[:, :2]
    ring[:, 2] = rim[:, 2].max() + np.ptp(landmarks_px[:, 2])
    points = np.concatenate([landmarks_px, rim, ring])
    return points, np.arange(len(points)) < len(landmarks_px) + len(rim)


def _rotation(yaw_deg: float, pitch_deg: float) -> NDArray[np.float64]:
    """R_y(-yaw) @ R_x(-pitch), as `models.faces.head_pose.pose_deg` reads it."""
    yaw, pitch = math.radians(-yaw_deg), math.radians(-pitch_deg)
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    )
    return np.asarray(about_y @ about_x)


def _nearest_triangle(
    after: NDArray[np.float64],
    before: NDArray[np.float64],
    triangles: NDArray[np.int32],
    shape: tuple[int, int],
) -> NDArray[np.int32]:
    """[H, W]: which triangle each pixel shows, -1 where none; painted from far to near."""
    seen = np.sign(_area(after[triangles])) == np.sign(_area(before[triangles]))  # else it shows its back
    order = np.argsort(-after[triangles][..., 2].mean(1))
    corners = np.round(after[:, :2] * 2**_SUBPIXEL_BITS).astype(np.int32)
    drawn = np.full(shape, -1, np.int32)
    for i in order[seen[order]].tolist():
        cv2.fillConvexPoly(drawn, corners[triangles[i]], i, shift=_SUBPIXEL_BITS)
    return drawn


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the signed area [N] of triangles [N, 3, 2 or 3], seen from the camera."""
    a, b = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _back(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float32]:
    """Affine maps [N, 2, 3] that take each triangle of ``after`` [N, 3, 2] to that of ``before``."""
    ones = np.ones((*after.shape[:2], 1))
    system = np.concatenate([after, ones], axis=2)
    flat = np.abs(np.linalg.det(system)) < 1e-9  # seen edge-on: it covers no pixel
    system[flat] = np.eye(3)
    return np.linalg.solve(system, before).transpose(0, 2, 1).astype(np.float32)
