"""A small grey picture, on which everything else looks: whole pictures would cost too much."""

from typing import Final

import cv2
import numpy as np

from models.faces.pictures import Plane

WIDTH_PX: Final = 320
LEAST_PX: Final = (64, 36)
"""Of width and height: a camera may send pictures of any size, and the grid of cells has 16 by 9."""


def small_grey(luma: Plane, *, black_is_16: bool) -> Plane:
    """Luma of any size as uint8 ``[H, W]``, 320 px wide at most, from 0 to 255, at its aspect."""
    height, width = luma.shape
    wide = min(width, WIDTH_PX)
    size = (max(wide, LEAST_PX[0]), max(round(height * wide / width), LEAST_PX[1]))
    small = luma
    if size != (width, height):
        small = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    if not black_is_16:
        return small
    return np.clip((small.astype(np.float32) - 16) * (255 / 219), 0, 255).astype(np.uint8)
