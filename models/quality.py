"""How usable a face is for the classifier: large enough, sharp enough."""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.faces import EYE_CORNERS, DetectedFace, Landmarks, Picture

SHARPNESS_SIZE_PX = 128
"""Every face is brought to this size first, so that sharpness does not depend on how large the face is."""

_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))

_LAPLACIAN_SHARE = 8 / 3
"""Variance of the Laplacian over that of the second derivative in one direction, for isotropic detail."""


class Quality(NamedTuple):
    """Both larger is better."""

    inter_ocular_px: float
    sharpness: float


def quality(picture_rgb: Picture, face: DetectedFace, shrink: int = 1) -> Quality:
    """The quality of one face of a picture (uint8 ``[H, W, 3]``).

    ``shrink`` is how many px of the face's frame are one px of the picture (`models.views`). A face read from
    a picture at half its size measures about a quarter less sharp.
    """
    return Quality(inter_ocular_px(face.landmarks_px), sharpness(picture_rgb, face.box_xyxy_px / shrink))


def inter_ocular_px(landmarks_px: Landmarks) -> float:
    """Distance of the outer eye corners in px, z included, so that turning the head does not shrink the face.

    ``landmarks_px`` is float32 ``[468, 3]``.
    """
    right, left = landmarks_px[EYE_CORNERS[0]], landmarks_px[EYE_CORNERS[1]]
    return math.dist(left.tolist(), right.tolist())


def sharpness(picture_rgb: Picture, box_xyxy_px: NDArray[np.float32]) -> float:
    """How much detail the face has in the direction in which it has least; 0 for a plain area.

    The variance of the second derivative across, down and along both diagonals, and of these the least: a
    face smeared by motion must not pass for sharp because of the detail beside its path. Scaled to be the
    variance of the Laplacian if detail had no direction (Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", ICPR 2000); on a real face it is about half of that.

    The grey face is resized to `SHARPNESS_SIZE_PX` square and its contrast normalised, so neither size nor
    light decide. A face that was smaller than that is enlarged and so measures less sharp, as it should: it
    has less detail. Sensor noise counts as detail. A box that lies outside the picture gives 0.
    """
    height, width = picture_rgb.shape[:2]
    left, top, right, bottom = (round(edge) for edge in box_xyxy_px.tolist())
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x1 <= x0 or y1 <= y0:
        return 0.0
    grey = cv2.cvtColor(picture_rgb[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    shrinks = max(grey.shape) > SHARPNESS_SIZE_PX
    fixed = cv2.resize(
        grey,
        (SHARPNESS_SIZE_PX, SHARPNESS_SIZE_PX),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    contrast = cv2.meanStdDev(fixed)[1].item()
    if contrast < 1.0:  # under one grey level: nothing there to be sharp
        return 0.0
    return _LAPLACIAN_SHARE * min(_bend_variance(fixed, *way) for way in _DIRECTIONS) / contrast**2


def _bend_variance(grey: NDArray[Any], right: int, down: int) -> float:
    """Variance of the second derivative of uint8 ``[H, W]`` along (right, down), each -1, 0 or 1."""
    kernel = np.zeros((3, 3), dtype=np.float32)
    kernel[1 - down, 1 - right] = kernel[1 + down, 1 + right] = 1
    kernel[1, 1] = -2
    bend = cv2.filter2D(grey, cv2.CV_16S, kernel)[1:-1, 1:-1]
    mean = cv2.sumElems(bend)[0] / bend.size
    step_px = math.hypot(right, down)
    return (cv2.norm(bend, cv2.NORM_L2SQR) / bend.size - mean**2) / step_px**4
