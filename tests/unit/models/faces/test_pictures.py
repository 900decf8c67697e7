"""Pictures: what is refused, and before what it could cost."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from models.faces import pictures
from models.faces.pictures import (
    PictureRefused,
    decode_jpeg,
    encode_jpeg,
    fit_width,
    jpeg_size_px,
    read_picture,
)

MANY = 10**9


def gradient(height: int = 40, width: int = 64) -> np.ndarray:
    """Red grows to the right, green downwards, blue is 60: shows swapped axes and swapped channels."""
    picture = np.full((height, width, 3), 60, dtype=np.uint8)
    picture[..., 0] = np.linspace(0, 255, width).round()[None, :]
    picture[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return picture


JPEG = encode_jpeg(gradient(), quality=95)


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    """The same JPEG, its header claiming another size."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def test_a_jpeg_keeps_its_size_orientation_and_channels() -> None:
    assert jpeg_size_px(JPEG) == (64, 40)
    decoded = decode_jpeg(JPEG, max_bytes=MANY, max_pixels=MANY)
    assert decoded.dtype == np.uint8
    assert decoded.shape == (40, 64, 3)
    assert np.abs(decoded.astype(int) - gradient()).mean() < 4


def test_lower_quality_makes_fewer_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert len(encode_jpeg(noise, quality=30)) < len(encode_jpeg(noise)) < len(encode_jpeg(noise, quality=98))


def test_grey_jpegs_become_rgb() -> None:
    buffer = io.BytesIO()
    Image.new("L", (16, 8), 90).save(buffer, "JPEG")
    decoded = decode_jpeg(buffer.getvalue(), max_bytes=MANY, max_pixels=MANY)
    assert decoded.shape == (8, 16, 3)
    assert (decoded == 90).all()


def test_a_picture_exactly_at_the_limits_is_accepted() -> None:
    assert decode_jpeg(JPEG, max_bytes=len(JPEG), max_pixels=64 * 40).shape == (40, 64, 3)


@pytest.mark.parametrize(
    ("data", "max_bytes", "max_pixels", "reason", "says"),
    [
        (b"", MANY, MANY, "not-a-jpeg", "0 bytes"),
        (b"this is a text file", MANY, MANY, "not-a-jpeg", "this is"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), MANY, MANY, "not-a-jpeg", "PNG"),
        (b"\xff\xd8\xff\xe0", MANY, MANY, "corrupt", "header"),
        (JPEG[:-2], MANY, MANY, "corrupt", "broken"),
        (JPEG[: len(JPEG) // 2], MANY, MANY, "corrupt", "broken"),
        (JPEG, len(JPEG) - 1, MANY, "too-large", f"limit is {len(JPEG) - 1}"),
        (JPEG, MANY, 64 * 40 - 1, "too-large", "64x40"),
        (with_size(JPEG, 20000, 20000), MANY, 4_000_000, "too-large", "20000x20000"),
        # Few pixels, but MediaPipe's OpenCV would end the process.
        (with_size(JPEG, 40000, 8), MANY, 4_000_000, "too-large", "no side may be longer"),
        (with_size(JPEG, 8, 40000), MANY, 4_000_000, "too-large", "no side may be longer"),
    ],
)
def test_refusals(data: bytes, max_bytes: int, max_pixels: int, reason: str, says: str) -> None:
    with pytest.raises(PictureRefused, match=says) as refused:
        decode_jpeg(data, max_bytes=max_bytes, max_pixels=max_pixels)
    assert refused.value.reason == reason
    assert isinstance(refused.value, ValueError)


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(pictures.simplejpeg, "decode_jpeg", must_not_run)
    for data, max_bytes in ((with_size(JPEG, 20000, 20000), MANY), (JPEG, 10)):
        with pytest.raises(PictureRefused):
            decode_jpeg(data, max_bytes=max_bytes, max_pixels=4_000_000)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: JPEG[:200] + tail))
def test_any_bytes_are_a_picture_or_refused(data: bytes) -> None:
    try:
        decoded = decode_jpeg(data, max_bytes=MANY, max_pixels=10**6)
    except PictureRefused:
        return
    assert decoded.shape[::-1][1:] == jpeg_size_px(data)


@given(st.integers(0, len(JPEG) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(PictureRefused):
        decode_jpeg(JPEG[:length], max_bytes=MANY, max_pixels=MANY)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([2, 4, 8]))
def test_a_shrunk_picture_has_one_pixel_for_each_square(height: int, width: int, shrink: int) -> None:
    data = encode_jpeg(gradient(height, width), quality=95)
    small = decode_jpeg(data, max_bytes=MANY, max_pixels=MANY, shrink=shrink)
    assert small.shape == (-(-height // shrink), -(-width // shrink), 3)


def test_a_shrunk_picture_shows_the_same() -> None:
    small = decode_jpeg(JPEG, max_bytes=MANY, max_pixels=MANY, shrink=2)
    mean = gradient().reshape(20, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - mean).mean() < 3


@given(st.integers(0, len(JPEG) - 1), st.integers(0, 255), st.sampled_from([1, 2, 4]))
def test_any_damage_is_a_picture_or_refused(at: int, byte: int, shrink: int) -> None:
    damaged = JPEG[:at] + bytes([byte]) + JPEG[at + 1 :]
    try:
        picture = decode_jpeg(damaged, max_bytes=MANY, max_pixels=10**6, shrink=shrink)
    except PictureRefused:
        return
    assert picture.ndim == 3


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 100))
def test_fit_width_scales_down_keeps_the_aspect_and_never_scales_up(
    height: int, width: int, target: int
) -> None:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    fitted = fit_width(picture, target)
    if width <= target:
        assert fitted is picture
    else:
        assert fitted.shape == (max(1, round(height * target / width)), target, 3)


def test_fit_width_averages() -> None:
    stripes = np.zeros((4, 8, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    assert (fit_width(stripes, 4) == 100).all()


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "webp", "tiff", "gif"])
def test_reads_the_usual_formats(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"picture.{extension}"
    Image.fromarray(gradient()).save(path)
    read = read_picture(path, max_pixels=MANY)
    assert read.shape == (40, 64, 3)
    assert np.abs(read.astype(int) - gradient()).mean() < 12


def test_turns_a_picture_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the top of the scene is on the right of the pixels
    Image.fromarray(np.rot90(gradient())).save(path, exif=exif, quality=95)
    read = read_picture(path, max_pixels=MANY)
    assert read.shape == (40, 64, 3)
    assert np.abs(read.astype(int) - gradient()).mean() < 8


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "animated.gif"
    first, second = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    first.save(path, save_all=True, append_images=[second])
    assert (read_picture(path, max_pixels=MANY) == (255, 0, 0)).all()


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16)).save(path)
    assert (read_picture(path, max_pixels=MANY) == 0x80).all()


def test_files_that_are_not_there_or_no_picture(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_picture(tmp_path / "none.png", max_pixels=MANY)
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path, max_pixels=MANY)
    text = tmp_path / "text.png"
    text.write_text("hello")
    with pytest.raises(PictureRefused, match=r"text\.png is not a picture") as refused:
        read_picture(text, max_pixels=MANY)
    assert refused.value.reason == "not-a-picture"


@pytest.mark.parametrize(
    ("side_px", "max_pixels"),
    [(10000, 10**6), (20000, 10**6), (20000, MANY)],
    ids=["where Pillow warns", "where Pillow refuses", "Pillow's limit counts too"],
)
def test_a_huge_file_is_refused_without_decoding(
    tmp_path: Path, side_px: int, max_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*_: object) -> None:
        raise AssertionError("decoded")

    path = tmp_path / "huge.png"
    Image.new("1", (side_px, side_px)).save(path)
    monkeypatch.setattr(ImageFile.ImageFile, "load", must_not_run)
    with pytest.raises(PictureRefused, match=r"huge\.png") as refused:
        read_picture(path, max_pixels=max_pixels)
    assert refused.value.reason == "too-large"


PNG = io.BytesIO()
Image.fromarray(gradient()).save(PNG, "PNG")


@settings(max_examples=150)
@given(st.sampled_from([JPEG, PNG.getvalue()]), st.integers(0, 3000), st.binary(max_size=30))
def test_any_file_is_a_picture_or_refused(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, keep: int, tail: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(start[:keep] + tail)
    try:
        read = read_picture(path, max_pixels=10**6)
    except PictureRefused:
        return
    assert read.ndim == 3


@pytest.mark.parametrize("size", [(40_000, 8), (8, 40_000)])
def test_a_picture_file_with_one_long_side_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "long.jpg")
    with pytest.raises(PictureRefused, match="no side may be longer") as refused:
        read_picture(tmp_path / "long.jpg", max_pixels=MANY)
    assert refused.value.reason == "too-large"


def test_what_would_be_waited_for_for_ever_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureRefused, match="no regular file"):
        read_picture(tmp_path / "pipe", max_pixels=MANY)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(lambda grey: grey.astype("float32") / 255, id="floats up to 1"),
        pytest.param(lambda grey: grey.astype("float32"), id="floats up to 255"),
        pytest.param(lambda grey: grey.astype("int32") * 257, id="32 bits"),
        pytest.param(lambda grey: grey.astype("uint16") * 257, id="16 bits"),
        pytest.param(lambda grey: (grey.astype("uint16") * 257) >> 4, id="12 bits in 16"),
    ],
)
def test_tiffs_of_more_than_eight_bits_are_scaled(tmp_path: Path, values: Callable[[Any], Any]) -> None:
    """They were black, white or dark."""
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values(grey)).save(tmp_path / "t.tiff")

    read = read_picture(tmp_path / "t.tiff", max_pixels=256)

    assert np.abs(read.astype(int) - grey[:, :, None]).max() <= 1


@pytest.mark.parametrize(
    "values",
    [
        np.float32([[-3.0, 7.0]]),
        np.float32([[0.0, 1e6]]),
        np.float32([[0.0, np.nan]]),
        np.int32([[0, 70_000]]),
    ],
)
def test_a_tiff_of_no_known_scale_is_refused_not_guessed(tmp_path: Path, values: Any) -> None:
    Image.fromarray(values).save(tmp_path / "t.tiff")

    with pytest.raises(PictureRefused, match="no scale to grey levels") as refused:
        read_picture(tmp_path / "t.tiff", max_pixels=256)
    assert refused.value.reason == "not-a-picture"
