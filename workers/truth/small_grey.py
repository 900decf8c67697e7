"""A small grey picture, on which everything else looks: whole pictures would cost too much."""

from typing import Final

import cv2
import numpy as np

from models.faces.pictures import Plane

WIDTH_PX: Final = 320
LEAST_PX: Final = (64, 36)
"""Of width and height: a camera may send pictures of any size, and the grid of cells has 16 by 9."""


def small_grey(luma: Plane) -> Plane:
    """Luma of any size as uint8 ``[H, W]``, 320 px wide at most, at its aspect."""
    height, width = luma.shape
    wide = min(width, WIDTH_PX)
    size = (max(wide, LEAST_PX[0]), max(round(height * wide / width), LEAST_PX[1]))
    if size == (width, height):
        return luma
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
