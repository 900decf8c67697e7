"""JPEGs of decoded pictures: upright, scaled, of every form of pixels and with odd sides."""

import av
import numpy as np
import pytest

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import PictureRefused, decode_jpeg, encode_jpeg, fit_width
from workers.camera.video_picture import VideoJpegs, VideoPicture, luma


def picture_of(width: int, height: int) -> Picture:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, np.full_like(rows, 90)], -1).astype(
        np.uint8
    )


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "nv12", "yuv422p", "yuv420p10le", "bgra"])
@pytest.mark.parametrize("width_px", [203, 100])
def test_a_jpeg_shows_the_upright_picture(pixel_format: str, quarter_turns: int, width_px: int) -> None:
    rgb = picture_of(301, 203)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
    upright = np.rot90(rgb, quarter_turns)
    expected = fit_width(np.ascontiguousarray(upright), width_px)
    picture = VideoPicture(frame, quarter_turns)

    jpeg = VideoJpegs().encode(picture, width_px, 95)

    decoded = decode_jpeg(jpeg.data, max_bytes=2**20, max_pixels=2**20)
    assert picture.size_px == upright.shape[1::-1]
    assert jpeg.size_px == decoded.shape[1::-1] == expected.shape[1::-1]
    assert np.abs(decoded.astype(int) - expected).mean() < 3
    assert np.abs(picture.rgb().astype(int) - upright).mean() < 3


def test_one_encoder_takes_pictures_of_changing_sizes() -> None:
    jpegs = VideoJpegs()
    for width, height in ((64, 48), (640, 480), (48, 64)):
        frame = av.VideoFrame.from_ndarray(picture_of(width, height), format="rgb24").reformat(
            format="yuv420p"
        )
        assert jpegs.encode(VideoPicture(frame), 640, 85).size_px == (width, height)


@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuvj420p", "nv12", "yuv422p", "yuyv422", "yuv420p10le", "p010le", "bgra", "gray", "jpeg"],
)
@pytest.mark.parametrize(("width_px", "least_px"), [(64, 64), (640, 320), (1000, 320)])
def test_grey_levels_are_from_black_to_white_whatever_the_pixels_are_like(
    pixel_format: str, width_px: int, least_px: int
) -> None:
    rgb = np.zeros((width_px * 3 // 4, width_px, 3), np.uint8)
    rgb[:, width_px // 2 :] = 255
    shot = (
        Jpeg(encode_jpeg(rgb, 95), (width_px, len(rgb)))
        if pixel_format == "jpeg"
        else VideoPicture(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format))
    )

    grey = luma(shot, 320)

    assert least_px <= grey.shape[1] <= 2 * least_px
    assert grey.shape[0] == pytest.approx(grey.shape[1] * 3 / 4, abs=1)
    assert grey[5, 5] <= 1
    assert grey[5, -5] >= 254


def test_a_broken_jpeg_has_no_grey_levels_nor_one_with_a_thousand_scans() -> None:
    data = encode_jpeg(picture_of(64, 48), 85)
    for broken in (data[:200], data[:-2] + b"\xff\xda" * 1000 + data[-2:]):
        with pytest.raises(PictureRefused):
            luma(Jpeg(broken, (64, 48)), 32)
