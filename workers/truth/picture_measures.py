"""What one small grey picture shows of its camera, as a few numbers."""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.arrays import F32
from models.faces.pictures import Plane

EDGE_LEVELS: Final = 3.0
"""Grey levels a pixel by which a smoothed picture must rise for an edge; a sensor's noise stays below."""
CELL_PX: Final = 11
"""Edges are looked for in squares of so many pixels."""
ONE_IN: Final = 25
"""Of so many pixels, the one with the strongest edge is looked at for sharpness: elsewhere is noise."""
FAINTEST_LEVELS: Final = 1.5


class PictureMeasures(NamedTuple):
    """Of one picture."""

    brightness: float
    """Mean grey level, 0 to 255."""
    contrast: float
    """Standard deviation of the grey levels."""
    structure: float
    """Share of the picture's squares that have an edge in them."""
    sharpness: float
    """Of the strongest edges, detail of 1 px, less the noise, against that of 3 px; 0 without any edge."""


def measure(grey: Plane) -> PictureMeasures:
    """Measures a picture of `small_grey`."""
    mean, deviation = cv2.meanStdDev(grey)
    pixels = grey.astype(np.float32)
    fine = blurred(pixels, 1.0)
    edges = np.asarray(cv2.magnitude(*gradients(fine)), np.float32)
    strongest_near = cv2.dilate(edges, np.ones((CELL_PX, CELL_PX), np.uint8))
    squares = strongest_near[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
    return PictureMeasures(
        brightness=float(mean.item()),
        contrast=float(deviation.item()),
        structure=float((squares > EDGE_LEVELS).mean()),
        sharpness=_sharpness(pixels, fine, edges),
    )


def gradients(smoothed: F32) -> tuple[F32, F32]:
    """Rise in grey levels a pixel, to the right and downwards."""
    across = cv2.Sobel(smoothed, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smoothed, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def blurred(pixels: F32, sigma_px: float) -> F32:
    """Smoothed with a Gaussian, cut off at two standard deviations."""
    side_px = 2 * round(2 * sigma_px) + 1
    return np.asarray(cv2.GaussianBlur(pixels, (side_px, side_px), sigma_px), np.float32)


def _sharpness(pixels: F32, fine: F32, edges: F32) -> float:
    some = edges[::2, ::2].ravel()  # a quarter of them is enough to find the limits
    few, tenth = max(1, some.size // ONE_IN), some.size // 10
    ordered = np.partition(some, [tenth, some.size - few])
    strongest = edges >= max(float(ordered[some.size - few]), FAINTEST_LEVELS)
    if not strongest.any():
        return 0.0
    flattest = edges <= ordered[tenth]
    noise = float(np.abs(pixels[flattest] - fine[flattest]).mean())
    smoothed = fine[strongest]
    of_1_px = float(np.abs(pixels[strongest] - smoothed).mean())
    of_3_px = float(np.abs(smoothed - blurred(fine, 3.0)[strongest]).mean())
    return math.sqrt(max(0.0, of_1_px**2 - noise**2)) / of_3_px if of_3_px else 0.0
