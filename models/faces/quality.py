"""How usable a face is for the classifier: large enough, sharp enough, inside the picture."""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arrays import Picture
from models.faces.engine import EYE_CORNERS, Landmarks

_LAPLACIAN_SHARE: Final = 8 / 3
"""Variance of the Laplacian over that of the second derivative in one direction, for isotropic detail."""


def inter_ocular_px(landmarks_px: Landmarks) -> float:
    """Distance of the outer eye corners in px, z included, so that turning the head does not shrink the face.

    ``landmarks_px`` is float32 ``[468, 3]``.
    """
    right, left = landmarks_px[EYE_CORNERS[0]], landmarks_px[EYE_CORNERS[1]]
    return math.dist(left.tolist(), right.tolist())


def visible(landmarks_px: Landmarks, size_px: tuple[int, int]) -> float:
    """The share of a face's points that lie in its picture, 0 to 1. The mesh makes up what it cannot see.

    ``landmarks_px`` is float32 ``[468, 3]``, ``size_px`` the picture's width and height.
    """
    x, y = np.ascontiguousarray(landmarks_px[:, :2].T)
    width, height = size_px
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return int(np.count_nonzero(inside)) / len(landmarks_px)


def sharpness(crop_rgb: Picture, box_xyxy_px: NDArray[np.float32]) -> float:
    """How much detail a face has in the direction in which it has least; 0 for a plain area.

    ``crop_rgb`` is what the landmark network saw, uint8 ``[192, 192, 3]``, and the box float32 ``[4]`` is the
    face's in it, about 128 px long: so the size of the face does not matter, and it is measured level.

    The variance of the second derivative across, down and along both diagonals, and of these the least: a
    face smeared by motion must not pass for sharp because of the detail beside its path. Scaled to be the
    variance of the Laplacian if detail had no direction (Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", ICPR 2000); on a real face it is about half of that.

    The contrast is normalised, so the light does not decide. A face that was enlarged for the crop measures
    less sharp, as it should: it has less detail. Sensor noise counts as detail. A box without an area in the
    crop gives 0.
    """
    height, width = crop_rgb.shape[:2]
    left, top, right, bottom = (round(edge) for edge in box_xyxy_px.tolist())
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return 0.0
    grey = cv2.cvtColor(crop_rgb[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    contrast = cv2.meanStdDev(grey)[1].item()
    if contrast < 1.0:  # under one grey level: nothing there to be sharp
        return 0.0
    return _LAPLACIAN_SHARE * min(_bend_variance(grey, *bend) for bend in _BENDS) / contrast**2


def _bend(right: int, down: int) -> tuple[NDArray[np.float32], float]:
    """Kernel of the second derivative along (right, down), each -1, 0 or 1, and its step in px."""
    kernel = np.zeros((3, 3), dtype=np.float32)
    kernel[1 - down, 1 - right] = kernel[1 + down, 1 + right] = 1
    kernel[1, 1] = -2
    return kernel, math.hypot(right, down)


_BENDS: Final = tuple(_bend(*way) for way in ((1, 0), (0, 1), (1, 1), (1, -1)))


def _bend_variance(grey: NDArray[Any], kernel: NDArray[np.float32], step_px: float) -> float:
    """Variance of a second derivative of uint8 ``[H, W]``."""
    bend = cv2.filter2D(grey, cv2.CV_16S, kernel)[1:-1, 1:-1]
    mean = cv2.sumElems(bend)[0] / bend.size
    return (cv2.norm(bend, cv2.NORM_L2SQR) / bend.size - mean**2) / step_px**4
