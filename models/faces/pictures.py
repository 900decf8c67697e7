"""Pictures in and out: bytes or files to RGB arrays, refused before they can cost memory.

A JPEG's header says how large the picture is, so every limit is checked before a pixel is decoded
(a 48 KB file can ask for gigabytes). Nothing here uses ``cv2.imdecode``, which checks too late.

All arrays are uint8 ``[H, W, 3]``, RGB.
"""

import io
import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.arrays import Picture

Plane: TypeAlias = NDArray[np.uint8]
"""One of a picture's components, uint8 ``[H, W]``."""

RefusedReason: TypeAlias = Literal["not-a-jpeg", "not-a-picture", "corrupt", "too-large"]

MAX_SIDE_PX = 32_766
"""OpenCV warps no picture with a longer side (its coordinates are signed 16-bit)."""

# What Pillow's decoders raise on broken files, apart from UnidentifiedImageError.
_PILLOW_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    RuntimeError,
    struct.error,
    zlib.error,
)


MAX_SCANS = 20
"""Of a JPEG. Cameras send one, libjpeg's progressive ones have 10; each costs a walk over all pixels, so that
80 KB with a thousand of them would take half a minute."""
_START_OF_SCAN = b"\xff\xda"


class PictureRefused(ValueError):
    """The bytes are no picture we accept; ``reason`` is short, fixed and fit for a metric label.

    ``not-a-jpeg``: a frame's bytes do not start like a JPEG. ``not-a-picture``: no format Pillow knows.
    ``corrupt``: it starts like one but is broken or cut off. ``too-large``: over the limits.
    """

    def __init__(self, reason: RefusedReason, message: str) -> None:
        super().__init__(message)
        self.reason: RefusedReason = reason


def jpeg_size_px(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        PictureRefused: ``not-a-jpeg`` or ``corrupt``.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        raise PictureRefused("not-a-jpeg", f"not a JPEG: {len(data)} bytes starting with {data[:8]!r}")
    try:
        height, width, _colorspace, _subsampling = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise PictureRefused("corrupt", f"JPEG of {len(data)} bytes has a broken header: {error}") from error
    return width, height


def decode_jpeg(data: bytes, *, max_bytes: int, max_pixels: int, shrink: int = 1) -> Picture:
    """Decodes a JPEG. Limits are checked first; a truncated picture is refused, not filled with grey.

    `shrink` 2, 4 or 8 gives one pixel for each square of so many, for less than decoding all and resizing.

    Raises:
        PictureRefused: ``too-large``, ``not-a-jpeg`` or ``corrupt``.
    """
    if len(data) > max_bytes:
        raise PictureRefused("too-large", f"JPEG has {len(data)} bytes; the limit is {max_bytes}")
    width, height = jpeg_size_px(data)
    _check_pixels(width, height, max_pixels)
    _check_scans(data)
    small_w, small_h = math.ceil(width / shrink), math.ceil(height / shrink)
    picture: Picture = np.empty((small_h, small_w, 3), dtype=np.uint8)
    try:
        simplejpeg.decode_jpeg(
            data, colorspace="RGB", strict=True, min_width=small_w, min_height=small_h, buffer=picture
        )
    except ValueError as error:
        raise PictureRefused("corrupt", f"JPEG of {len(data)} bytes is broken: {error}") from error
    return picture


def decode_small_grey(data: bytes, min_width_px: int) -> Plane:
    """The luma of a JPEG whose limits were checked, at an eighth, a quarter or half of its size if that is
    still at least so wide; damage is filled up.

    Raises:
        PictureRefused: ``corrupt``.
    """
    width, height = jpeg_size_px(data)
    least_width = min(width, min_width_px)
    try:
        grey = simplejpeg.decode_jpeg(
            data,
            colorspace="GRAY",
            fastdct=True,
            min_width=least_width,
            min_height=height * least_width // width,
            strict=False,
        )
    except ValueError as error:
        raise PictureRefused("corrupt", f"JPEG of {len(data)} bytes is broken: {error}") from error
    return np.asarray(grey[:, :, 0], np.uint8)


def encode_jpeg(picture_rgb: Picture, quality: int = 85) -> bytes:
    """Encodes as a baseline JPEG with 4:2:0 chroma, as cameras do."""
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture_rgb), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return data


def encode_jpeg_planes(planes: Sequence[Plane], quality: int = 85) -> bytes:
    """The same from luma and two chroma planes of half its width and height, over the full range."""
    luma, blue, red = (np.ascontiguousarray(plane) for plane in planes)
    data: bytes = simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality=quality)
    return data


def read_picture(path: Path, *, max_pixels: int) -> Picture:
    """Reads a picture file of any format Pillow knows: upright (EXIF), its first frame, without transparency.

    Raises:
        OSError: the file is missing, a directory, or not readable.
        PictureRefused: ``not-a-picture``, ``corrupt`` or ``too-large`` (checked before decoding).
    """
    if path.is_fifo() or path.is_char_device() or path.is_socket():
        raise PictureRefused("not-a-picture", f"{path} is no regular file")
    with path.open("rb") as file, warnings.catch_warnings():
        # Pillow warns about sizes, odd EXIF and the like; our own limit decides, and it raises.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file)
            _check_pixels(*image.size, max_pixels, where=f"{path}: ")
            if image.format in ("JPEG", "MPO"):
                _check_scans(path.read_bytes(), where=f"{path}: ")
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode[0] in "IF":  # Pillow would clip them to white, or to black
                upright = Image.fromarray(_grey_levels(np.asarray(upright), path))
            return np.array(upright.convert("RGB"))
        except PictureRefused:
            raise
        except UnidentifiedImageError as error:
            raise PictureRefused("not-a-picture", f"{path} is not a picture in a known format") from error
        except Image.DecompressionBombError as error:
            raise PictureRefused("too-large", f"{path} is far over the limit of {max_pixels} px") from error
        except _PILLOW_ERRORS as error:
            raise PictureRefused("corrupt", f"{path} is a broken picture: {error}") from error


def _grey_levels(values: NDArray[Any], path: Path) -> Plane:
    """Grey of 16 or 32 bits, or of floats, as grey of 8 bits.

    No format says what its white is. It is taken for the smallest usual one that no value exceeds: 1 (of
    floats), 255, 4095 (12 bits of 16) or 65535.

    Raises:
        PictureRefused: ``not-a-picture``, if there is none: these are no grey levels.
    """
    darkest, lightest = float(values.min()), float(values.max())
    whites = (255, 4095, 65535) if values.dtype.kind in "iu" else (1, 255, 65535)
    white = next((white for white in whites if lightest <= white), None)
    if white is None or not darkest >= 0:  # NaN neither
        raise PictureRefused(
            "not-a-picture",
            f"{path} has values from {darkest:g} to {lightest:g}, and no scale to grey levels is known for "
            "them. Save it with 8 bits",
        )
    return np.asarray(np.round(values * (255 / white)), np.uint8)


def fit_width(picture_rgb: Picture, width_px: int) -> Picture:
    """Scales down to ``width_px`` keeping the aspect; a picture that is narrow enough stays as it is."""
    height, width = picture_rgb.shape[:2]
    if width <= width_px:
        return picture_rgb
    size = (width_px, max(1, round(height * width_px / width)))
    return np.asarray(cv2.resize(picture_rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _check_pixels(width: int, height: int, max_pixels: int, *, where: str = "") -> None:
    if max(width, height) > MAX_SIDE_PX:
        raise PictureRefused(
            "too-large", f"{where}picture is {width}x{height} px; no side may be longer than {MAX_SIDE_PX} px"
        )
    if width * height > max_pixels:
        raise PictureRefused(
            "too-large", f"{where}picture is {width}x{height} px; the limit is {max_pixels} px in all"
        )


def _check_scans(jpeg: bytes, *, where: str = "") -> None:
    if (scans := jpeg.count(_START_OF_SCAN)) > MAX_SCANS:
        raise PictureRefused("too-large", f"{where}JPEG has {scans} scans; the limit is {MAX_SCANS}")


def encode_picture(picture_rgb: Picture, suffix: str) -> bytes:
    """Encodes for a file of that suffix (``.png``, ``.jpg`` …).

    Raises:
        ValueError: Pillow writes no such format.
        OSError: the format takes no colour picture.
    """
    kind = Image.registered_extensions().get(suffix.lower())
    if kind not in Image.SAVE:
        raise ValueError(f"no picture format is known for the suffix {suffix!r}")
    data = io.BytesIO()
    Image.fromarray(picture_rgb).save(data, format=kind)
    return data.getvalue()
