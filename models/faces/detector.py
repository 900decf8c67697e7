"""Around the full-range face detector: a picture into its input, and boxes and eyes out of its output.

The network is a BlazeFace (Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection on mobile
GPUs", 2019, arXiv 1907.05047) with one anchor in each cell of a 48x48 grid. All constants are those of
MediaPipe's FaceDetectionFullRange graph. The picture is sampled by cv2.resize, not as there by a warp: on
half the pixels' places, so single boxes differ a little, and at a third of the cost.
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, Picture
from models.faces.engine import ROI_MARGIN, Detection, Roi, Tile

INPUT_PX: Final = 192
"""Side of the network's input."""
CELLS: Final = 48
SUPPRESSION_IOU: Final = 0.3
"""Candidates whose boxes overlap more than this are one face."""

_MIDDLES: Final = ((np.stack(np.meshgrid(*[np.arange(CELLS)] * 2), -1) + 0.5) * (INPUT_PX / CELLS)).reshape(
    -1, 2
)
_ANCHORS: Final = np.tile(_MIDDLES, 8).astype(np.float32)
_ANCHORS[:, 2:4] = 0
"""``[2304, 16]``: added to the output's middle of the box and to its six key points; width, height stay."""


class Placing(NamedTuple):
    """Where the network's input lies in the picture: px of the picture = scale * px of the input + shift."""

    scale_xy: tuple[float, float]
    shift_xy_px: tuple[float, float]


def letterbox(picture_rgb: Picture, tile_xyxy_px: Tile | None, network_input: F32) -> Placing:
    """Draws the picture, or one rectangle of it, as large as it fits into ``network_input``.

    ``network_input`` is float32 ``[192, 192, 3]``, filled in place with -1 to 1; beside the picture it is
    black. Raises ValueError if the rectangle has no pixel in the picture.
    """
    height, width = picture_rgb.shape[:2]
    x0, y0, x1, y1 = tile_xyxy_px or (0, 0, width, height)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"the tile {tile_xyxy_px} has no pixel in a picture of {width}x{height} px")
    width, height = x1 - x0, y1 - y0
    fit = INPUT_PX / max(width, height)
    fit_w, fit_h = max(1, round(width * fit)), max(1, round(height * fit))
    left, top = (INPUT_PX - fit_w) // 2, (INPUT_PX - fit_h) // 2
    small = cv2.resize(picture_rgb[y0:y1, x0:x1], (fit_w, fit_h), interpolation=cv2.INTER_LINEAR)
    network_input[:] = -1
    inside = network_input[top : top + fit_h, left : left + fit_w]
    np.multiply(small, np.float32(2 / 255), out=inside)
    inside -= 1
    scale_x, scale_y = width / fit_w, height / fit_h
    # cv2.resize reads pixel i at (i + 1/2) * scale - 1/2.
    return Placing(
        (scale_x, scale_y),
        (x0 - left * scale_x + (scale_x - 1) / 2, y0 - top * scale_y + (scale_y - 1) / 2),
    )


def detections(raw: F32, logits: F32, placing: Placing, min_score: float) -> list[Detection]:
    """The faces in the network's output, ``[2304, 16]`` and ``[2304]``, best score first."""
    likely = np.flatnonzero(logits > math.log(min_score / (1 - min_score)))
    if not len(likely):
        return []
    scores = 1 / (1 + np.exp(-logits[likely].clip(-100, 100).astype(np.float64)))
    candidates = (raw[likely] + _ANCHORS[likely]).astype(np.float64)
    scale, shift = np.array(placing.scale_xy), np.array(placing.shift_xy_px)
    return [_detection(values, score, scale, shift) for values, score in merge(candidates, scores)]


def merge(
    candidates: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], float]]:
    """MediaPipe's weighted non-maximum suppression: a face is the mean of its candidates, by their scores.

    ``candidates`` is ``[N, 4 + 2K]``: the box's middle x, y, width, height, then points. A face has the best
    of its scores; best first.
    """
    order = np.argsort(-scores, kind="stable")
    low, high = (candidates[:, :2] + sign * candidates[:, 2:4] / 2 for sign in (-1, 1))
    area = candidates[:, 2:4].clip(0).prod(axis=1)
    merged = []
    while len(order):
        best = order[0]
        overlap = (
            (np.minimum(high[order], high[best]) - np.maximum(low[order], low[best])).clip(0).prod(axis=1)
        )
        same = overlap > SUPPRESSION_IOU * (area[order] + area[best] - overlap)
        same[0] = True
        weights = scores[order[same]]
        merged.append((weights @ candidates[order[same]] / weights.sum(), float(scores[best])))
        order = order[~same]
    return merged


def _detection(
    values: NDArray[np.float64], score: float, scale: NDArray[np.float64], shift: NDArray[np.float64]
) -> Detection:
    """The crop as in MediaPipe's FaceDetectionFrontDetectionToRoi: the box, squared, × 1.5, eyes level."""
    middle, (right_eye, left_eye) = values[:2] * scale + shift, values[4:8].reshape(2, 2) * scale
    side = values[2:4] * scale
    box_xyxy_px = np.concatenate([middle - side / 2, middle + side / 2]).astype(np.float32)
    eye_x, eye_y = left_eye - right_eye
    roi = Roi(float(middle[0]), float(middle[1]), ROI_MARGIN * float(side.max()), math.atan2(eye_y, eye_x))
    return Detection(roi, box_xyxy_px, score)
