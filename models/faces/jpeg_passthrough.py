"""JPEG files that a camera may send as they are: looked at, but neither decoded nor encoded again."""

import io
import struct
import warnings
from typing import NamedTuple

import simplejpeg
from PIL import Image

from models.faces.pictures import MAX_SIDE_PX, PictureRefused, jpeg_size_px

_ORIENTATION = 0x0112
_UPRIGHT = (None, 1)


class Jpeg(NamedTuple):
    """A whole, upright JPEG within the limits."""

    data: bytes
    size_px: tuple[int, int]
    """Width, height."""


class JpegLimits(NamedTuple):
    """How large a JPEG may be and still go as it is."""

    max_bytes: int
    max_pixels: int
    max_width_px: int


def ready_jpeg(data: bytes, limits: JpegLimits) -> Jpeg | None:
    """The file's bytes as a JPEG that needs no change; None if it must be converted or refused.

    Only the header and the end are looked at: damage in between is found by whoever decodes it.
    """
    if len(data) > limits.max_bytes or not data.endswith(b"\xff\xd9"):  # else it is cut off, or has a tail
        return None
    try:
        width, height = jpeg_size_px(data)
    except PictureRefused:
        return None
    fits = width <= limits.max_width_px and width * height <= limits.max_pixels
    if not fits or max(width, height) > MAX_SIDE_PX:
        return None
    if simplejpeg.decode_jpeg_header(data)[2] not in ("YCbCr", "RGB", "Gray") or not _is_upright(data):
        return None
    return Jpeg(data, (width, height))


def _is_upright(data: bytes) -> bool:
    """Whether no EXIF tag says that the picture is to be turned."""
    if b"Exif\0\0" not in data:  # wherever it is: large segments may stand before it
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about odd EXIF: for each frame of a camera that writes it
        try:
            with Image.open(io.BytesIO(data)) as image:
                return image.getexif().get(_ORIENTATION) in _UPRIGHT
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, RuntimeError, struct.error):
            return False  # broken EXIF
