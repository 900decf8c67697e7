"""What is sent of a frame."""

import io

import numpy as np
import pytest
from PIL import Image

from models.faces.pictures import decode_jpeg, encode_jpeg, jpeg_size_px
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import FaceBox
from workers.live_pictures.picture_book import Chosen, Hide
from workers.live_pictures.picture_making import WIDTH_PX, picture

LEFT = FaceBox(0.1, 0.3, 0.2, 0.4)


def made(jpeg: bytes, hide: Hide = "nothing", max_pixels: int = 10**8) -> bytes | None:
    return picture(Chosen(Frame("a", 1, 1, (1, 1), "live", "", jpeg), hide), 10**8, max_pixels)


def stripes(width: int, height: int) -> bytes:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, ::16] = 255
    return encode_jpeg(picture, 95)


def contrast(jpeg: bytes) -> tuple[float, float]:
    """Of the left face's middle, and of the right half."""
    rgb = decode_jpeg(jpeg, max_bytes=10**8, max_pixels=10**8).astype(float)
    height, width = rgb.shape[:2]
    middle, right = rgb[:, round(0.15 * width) : round(0.25 * width)], rgb[:, width // 2 :]
    return float(middle[round(0.4 * height) : round(0.6 * height)].std()), float(right.std())


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((320, 240), (320, 240)),
        ((640, 480), (640, 480)),
        ((1280, 720), (640, 360)),
        ((1920, 1080), (640, 360)),
        ((5120, 2880), (640, 360)),
    ],
    ids=str,
)
def test_no_picture_is_wider_than_is_shown(size: tuple[int, int], sent: tuple[int, int]) -> None:
    assert WIDTH_PX == 640
    assert jpeg_size_px(made(stripes(*size)) or b"") == sent


def test_only_what_is_to_be_hidden_is_hidden() -> None:
    jpeg = stripes(640, 480)
    plain, left, everything = (
        contrast(made(jpeg, hide) or b"") for hide in ("nothing", (LEFT,), "everything")
    )

    assert min(*plain, left[1]) > 40
    assert left[0] < 12
    assert max(everything) < 12


def test_nothing_else_of_the_file_is_left() -> None:
    about = Image.Exif()
    about[0x010E] = "a small picture of a face"
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG", exif=about, comment=b"and more")
    assert b"small picture" in file.getvalue()

    sent = made(file.getvalue()) or b""

    assert sent.startswith(b"\xff\xd8\xff")
    assert b"small picture" not in sent
    assert b"and more" not in sent


@pytest.mark.parametrize("jpeg", [b"", b"GIF89a", stripes(64, 64)[:200], b"\xff\xd8\xff" * 9], ids=range(4))
def test_what_is_no_picture_is_not_sent(jpeg: bytes) -> None:
    assert made(jpeg) is None


def test_a_picture_that_is_too_large_is_not_decoded() -> None:
    assert made(stripes(640, 480), max_pixels=640 * 480 - 1) is None
