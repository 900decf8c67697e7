"""Pictures made worse by a known amount: what poor cameras, networks and light do to them.

All pictures are uint8 ``[H, W, 3]``, RGB; the result has the same size unless it says otherwise.
Each function is pure and raises ValueError for an amount that means nothing.
"""

import math

import cv2
import numpy as np

from models.arrays import Picture
from models.faces.pictures import decode_jpeg, encode_jpeg

_MID_GREY = 128


def shrunk(picture_rgb: Picture, scale: float) -> Picture:
    """The picture at ``scale`` (0 to 1] of its size, each pixel the mean of those it stands for."""
    if not 0 < scale <= 1:
        raise ValueError(f"scale must lie in (0, 1], not {scale}")
    height, width = picture_rgb.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def enlarged_from(picture_rgb: Picture, scale: float) -> Picture:
    """The picture as it looks after it was shrunk to ``scale`` and brought back: large, without detail."""
    height, width = picture_rgb.shape[:2]
    small = shrunk(picture_rgb, scale)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def out_of_focus(picture_rgb: Picture, sigma_px: float) -> Picture:
    """Gaussian blur of standard deviation ``sigma_px``; 0 leaves the picture as it is."""
    if not sigma_px >= 0:
        raise ValueError(f"sigma_px must be 0 or more, not {sigma_px}")
    if sigma_px == 0:
        return picture_rgb.copy()
    return np.asarray(cv2.GaussianBlur(picture_rgb, (0, 0), sigma_px), np.uint8)


def moved(picture_rgb: Picture, length_px: float, angle_deg: float) -> Picture:
    """Motion blur: every point smeared evenly along a line of ``length_px``, 0° to the right, 90° down."""
    if not length_px >= 0:
        raise ValueError(f"length_px must be 0 or more, not {length_px}")
    reach = math.ceil(length_px / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    # The line is sampled finely and each sample shared among its four nearest kernel cells.
    along = (np.arange(64) + 0.5) / 64 - 0.5
    for x, y in np.outer(
        along * length_px, [math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))]
    ):
        x0, y0 = math.floor(x), math.floor(y)
        for cell_x, cell_y in ((x0, y0), (x0 + 1, y0), (x0, y0 + 1), (x0 + 1, y0 + 1)):
            share = (1 - abs(x - cell_x)) * (1 - abs(y - cell_y))
            if share > 0:
                kernel[cell_y + reach, cell_x + reach] += share
    return np.asarray(cv2.filter2D(picture_rgb, -1, kernel / kernel.sum()), np.uint8)


def compressed(picture_rgb: Picture, jpeg_quality: int) -> Picture:
    """Encoded as JPEG (4:2:0 chroma, as cameras do) of quality 1 to 100, and decoded again."""
    if not 1 <= jpeg_quality <= 100:
        raise ValueError(f"jpeg_quality must lie in 1 to 100, not {jpeg_quality}")
    data = encode_jpeg(picture_rgb, jpeg_quality)
    height, width = picture_rgb.shape[:2]
    return decode_jpeg(data, max_bytes=len(data), max_pixels=height * width)


def lit(picture_rgb: Picture, *, gain: float = 1.0, contrast: float = 1.0) -> Picture:
    """Contrast about mid-grey times ``contrast``, then brightness times ``gain``; clipped to 0 to 255."""
    if not (gain >= 0 and contrast >= 0):
        raise ValueError(f"gain and contrast must be 0 or more, not {gain} and {contrast}")
    levels = gain * (_MID_GREY + contrast * (picture_rgb.astype(np.float32) - _MID_GREY))
    return levels.round().clip(0, 255).astype(np.uint8)


def noisy(picture_rgb: Picture, std_levels: float, seed: int) -> Picture:
    """Sensor noise: independent and Gaussian in each pixel and channel, ``std_levels`` in grey levels."""
    if not std_levels >= 0:
        raise ValueError(f"std_levels must be 0 or more, not {std_levels}")
    noise = np.random.default_rng(seed).standard_normal(picture_rgb.shape, np.float32) * np.float32(
        std_levels
    )
    return (picture_rgb + noise).round().clip(0, 255).astype(np.uint8)
