"""Makes faces in pictures unrecognisable, for good: what is shown holds no more than a few mean colours.

Pure functions; a picture is uint8 ``[H, W, 3]``, RGB.
"""

import math
from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np

from models.arrays import Picture
from streams.messages.landmarks_message import FaceBox

MARGIN: Final = 0.35
"""Of a box, added on each side: it ends at chin and forehead, and hair and ears tell too."""
CELLS: Final = 5
"""So many mean colours are left along the longer side of a face with its margin: three of the face."""
CELLS_OF_ALL: Final = 12
"""The same along the longer side of a whole picture, whose faces are not known."""


def hide_faces(picture_rgb: Picture, boxes: Iterable[FaceBox]) -> Picture:
    """A copy in which each box (fractions of the picture), with its margin, is a few mean colours.

    They run into one another, which looks less like a face to a detector than sharp squares do.
    """
    height, width = picture_rgb.shape[:2]
    hidden = picture_rgb.copy()
    for box in boxes:
        margin_x, margin_y = MARGIN * box.w, MARGIN * box.h
        x0 = max(0, math.floor((box.x - margin_x) * width))
        y0 = max(0, math.floor((box.y - margin_y) * height))
        x1 = min(width, math.ceil((box.x + box.w + margin_x) * width))
        y1 = min(height, math.ceil((box.y + box.h + margin_y) * height))
        if x0 < x1 and y0 < y1:
            hidden[y0:y1, x0:x1] = _coarse(hidden[y0:y1, x0:x1], CELLS)
    return hidden


def hide_everything(picture_rgb: Picture) -> Picture:
    """The whole picture as a few mean colours: where nobody knows where its faces are."""
    return _coarse(picture_rgb, CELLS_OF_ALL)


def _coarse(part_rgb: Picture, cells: int) -> Picture:
    height, width = part_rgb.shape[:2]
    share = min(1.0, cells / max(height, width))
    few = (max(1, round(width * share)), max(1, round(height * share)))
    means = cv2.resize(part_rgb, few, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
