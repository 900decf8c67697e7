"""Which JPEG files a camera sends as they are."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.faces.jpeg_passthrough import Jpeg, JpegLimits, ready_jpeg
from models.faces.pictures import decode_jpeg, encode_jpeg

LIMITS = JpegLimits(max_bytes=100_000, max_pixels=64 * 48, max_width_px=64)
PICTURE = np.full((48, 64, 3), 90, np.uint8)


def saved(mode: str = "RGB", kind: str = "JPEG", **options: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(PICTURE).convert(mode).save(data, kind, **options)
    return data.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(exif=exif)


BROKEN_EXIF = saved(exif=b"Exif\0\0broken")
"""As everywhere, that counts as upright."""


@pytest.mark.parametrize(
    "data",
    [
        encode_jpeg(PICTURE),
        saved(),
        saved("L"),
        saved(progressive=True),
        saved(keep_rgb=True),
        turned(1),
        BROKEN_EXIF,
    ],
    ids=["ours", "pillow", "grey", "progressive", "rgb", "exif says upright", "broken exif"],
)
def test_a_jpeg_within_the_limits_is_ready_and_can_be_decoded_downstream(data: bytes) -> None:
    ready = ready_jpeg(data, LIMITS)

    assert ready == Jpeg(data, (64, 48))
    assert decode_jpeg(data, max_bytes=LIMITS.max_bytes, max_pixels=LIMITS.max_pixels).shape == (48, 64, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        saved(kind="PNG"),
        saved("CMYK"),
        turned(6),
        saved()[:-2],
        saved() + b"tail",
        b"\xff\xd8\xff\xd9",
    ],
    ids=["empty", "text", "png", "cmyk", "turned", "cut off", "tail", "no header"],
)
def test_what_must_be_converted_or_refused_is_not_ready(data: bytes) -> None:
    assert ready_jpeg(data, LIMITS) is None


@pytest.mark.parametrize(
    "limits",
    [
        LIMITS._replace(max_bytes=len(saved()) - 1),
        LIMITS._replace(max_pixels=64 * 48 - 1),
        LIMITS._replace(max_width_px=63),
    ],
    ids=["bytes", "pixels", "width"],
)
def test_each_limit_counts(limits: JpegLimits) -> None:
    assert ready_jpeg(saved(), limits) is None


def test_an_orientation_behind_64_kb_of_other_segments_is_seen() -> None:
    data = turned(6)
    segment = b"\xff\xe2\xff\xff" + b"\0" * 0xFFFD
    late = data[:2] + segment * 2 + data[2:]

    assert ready_jpeg(late, LIMITS._replace(max_bytes=1_000_000)) is None
