"""Videos of all kinds: each picture in its own size, upright, whole and with its time."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.error import FFmpegError
from made_up import pixels
from made_up_videos import shades, write_video

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg, JpegLimits
from models.faces.pictures import encode_jpeg
from streams.errors import BadPicture, SettingsInvalid
from workers.camera.packet_losses import PacketLosses
from workers.camera.video_picture import Shot
from workers.camera.video_stream import Reading, VideoStream, check_hardware

MAX_PIXELS = 640 * 480
ALL_READY = JpegLimits(max_bytes=100_000, max_pixels=MAX_PIXELS, max_width_px=640)
READING = Reading(MAX_PIXELS)


def corner(width: int, height: int) -> Picture:
    """Black, with a white upper left quarter."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = 255
    return picture


def read_all(stream: VideoStream) -> list[Shot]:
    pictures: list[Shot] = []
    while (picture := stream.read()) is not None:
        pictures.append(picture)
    return pictures


def sizes(pictures: Sequence[Shot | None]) -> list[tuple[int, int]]:
    return [(picture.shape[1], picture.shape[0]) for picture in map(pixels, pictures)]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_stream_that_changes_its_resolution_goes_on_in_the_new_one(tmp_path: Path, codec: str) -> None:
    """OpenCV's reader gave the last old picture for ever."""
    a = write_video(tmp_path / "a.ts", [corner(320, 320)] * 30, codec=codec)
    b = write_video(tmp_path / "b.ts", shades(30, 640, 360), codec=codec, from_s=1.2)
    both = tmp_path / "ab.ts"
    both.write_bytes(a.read_bytes() + b.read_bytes())

    pictures = read_all(VideoStream(str(both), "ab", READING))

    assert sizes(pictures) == [(320, 320)] * 30 + [(640, 360)] * 30
    grey = [int(pixels(picture).mean()) for picture in pictures[30:]]
    assert grey == sorted(grey)
    assert grey[-1] - grey[0] > 150


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_no_picture_builds_on_packets_that_were_lost(tmp_path: Path, codec: str) -> None:
    """FFmpeg fills up what is missing with what was there before: a face that has left stays."""
    texture = np.random.default_rng(0).integers(0, 255, (240, 640, 3), np.uint8)
    texture = np.asarray(cv2.GaussianBlur(texture, (0, 0), 3) * 3.0).clip(0, 255).astype(np.uint8)
    true = [np.ascontiguousarray(texture[:, 4 * i : 4 * i + 320]) for i in range(80)]
    whole = write_video(tmp_path / "whole.ts", true, codec=codec).read_bytes()
    packets = [whole[start : start + 188] for start in range(0, len(whole), 188)]
    lost = set(np.random.default_rng(1).choice(np.arange(20, len(packets)), 8, replace=False).tolist())
    path = tmp_path / "lossy.ts"
    path.write_bytes(b"".join(packet for i, packet in enumerate(packets) if i not in lost))

    stream, refused, off = VideoStream(str(path), "v", READING, losses=PacketLosses()), 0, []
    while True:
        try:
            picture = stream.read()
        except BadPicture:
            refused += 1
            continue
        if picture is None:
            break
        assert stream.at_s is not None
        off.append(np.abs(pixels(picture).astype(int) - true[round(stream.at_s * 25)]).mean())

    assert len(off) >= 20
    assert refused >= 8
    assert max(off) < 12


@pytest.mark.parametrize("turned_deg", [0, 90, 180, 270])
def test_a_phones_video_is_upright(tmp_path: Path, turned_deg: int) -> None:
    upright = corner(64, 48)
    lying = np.ascontiguousarray(np.rot90(upright, -turned_deg // 90))
    path = write_video(tmp_path / "v.mp4", [lying] * 3, turned_deg=turned_deg)

    for picture in read_all(VideoStream(str(path), "v", READING)):
        assert np.abs(pixels(picture).astype(int) - upright).mean() < 8


def test_times_are_those_of_the_stream_from_its_first_picture_on(tmp_path: Path) -> None:
    times_s = [0.0, 0.04, 1.5, 1.6, 4.0]
    path = write_video(tmp_path / "v.ts", shades(5), times_s=[5 + at_s for at_s in times_s])
    stream = VideoStream(str(path), "v", READING)
    read_s = []
    while stream.read() is not None:
        read_s.append(stream.at_s)

    assert read_s == pytest.approx(times_s, abs=0.002)


def test_pictures_that_grow_over_the_limit_are_refused_one_by_one(tmp_path: Path) -> None:
    a = write_video(tmp_path / "a.ts", shades(10, 64, 64))
    b = write_video(tmp_path / "b.ts", shades(10, 640, 480), from_s=0.4)
    both = tmp_path / "ab.ts"
    both.write_bytes(a.read_bytes() + b.read_bytes())
    stream = VideoStream(str(both), "ab", Reading(100 * 100))

    assert sizes([stream.read() for _ in range(10)]) == [(64, 64)] * 10
    for _ in range(10):
        with pytest.raises(BadPicture, match="640x480") as large:
            stream.read()
        assert large.value.reason == "too-large"
    assert stream.read() is None


def test_mjpeg_goes_as_it_is(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", shades(5), codec="mjpeg")

    ready = read_all(VideoStream(str(path), "v", Reading(MAX_PIXELS, ALL_READY)))
    too_wide = read_all(VideoStream(str(path), "v", Reading(MAX_PIXELS, ALL_READY._replace(max_width_px=63))))

    assert [isinstance(picture, Jpeg) for picture in ready] == [True] * 5
    assert [isinstance(picture, Jpeg) for picture in too_wide] == [False] * 5
    assert [pixels(a).mean() for a in ready] == pytest.approx([pixels(b).mean() for b in too_wide], abs=2)


def without_tables(jpeg: bytes) -> bytes:
    """As some webcams send it: without its Huffman tables, which are always the same."""
    out, at = bytearray(jpeg[:2]), 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] != 0xC4:
            out += jpeg[at : at + length]
        at += length
    return bytes(out) + jpeg[at:]


def test_a_jpeg_without_its_tables_is_decoded_since_nobody_else_might(tmp_path: Path) -> None:
    path = tmp_path / "v.mjpeg"
    path.write_bytes(without_tables(encode_jpeg(corner(64, 48))) * 5)

    pictures = read_all(VideoStream(str(path), "v", Reading(MAX_PIXELS, ALL_READY)))

    assert len(pictures) == 5
    assert not any(isinstance(picture, Jpeg) for picture in pictures)
    assert np.abs(pixels(pictures[0]).astype(int) - corner(64, 48)).mean() < 8


def test_a_stream_with_a_hole_gives_no_picture_that_builds_on_what_is_missing(tmp_path: Path) -> None:
    """A mosaic is no picture: not up to the next one that stands alone."""
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 255, (96, 160, 3), np.uint8)
    moving = [np.ascontiguousarray(scene[:, n % 32 : n % 32 + 128]) for n in range(40)]
    path = write_video(tmp_path / "v.mp4", moving, key_every=20)
    whole = [pixels(picture) for picture in read_all(VideoStream(str(path), "v", READING))]
    data = bytearray(path.read_bytes())
    begin = len(data) // 8  # of the first twenty
    data[begin : begin + 400] = rng.bytes(400)
    path.write_bytes(data)

    stream = VideoStream(str(path), "v", READING)
    read, refused = [], 0
    while True:
        try:
            picture = stream.read()
        except BadPicture as error:
            assert error.reason == "corrupt"  # noqa: PT017
            refused += 1
            continue
        if picture is None:
            break
        read.append(pixels(picture))

    assert refused >= 1
    assert len(read) >= 20
    assert all(min(np.abs(p.astype(int) - w).mean() for w in whole) < 1 for p in read)


def test_keyframes_only(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", shades(40), key_every=10)

    stream = VideoStream(str(path), "v", Reading(MAX_PIXELS, keyframes=True))

    times_s = []
    while stream.read() is not None:
        times_s.append(stream.at_s)
    assert times_s == pytest.approx([0, 0.4, 0.8, 1.2])
    assert stream.promised == 0  # else the others would be missed at the end


@pytest.mark.parametrize(
    ("kind", "words"),
    [("abacus", "abacus is not known; .*cuda"), ("drm", "drm cannot be used on this machine")],
)
def test_hardware_that_is_not_there_is_refused(kind: str, words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        check_hardware(kind)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    path.write_bytes(
        b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x08\0\0\0"
        + b"\0" * 8
    )
    with pytest.raises(FFmpegError):
        VideoStream(str(path), "s", READING)


def test_a_closed_stream_gives_nothing_and_is_closed_again_without_harm(tmp_path: Path) -> None:
    stream = VideoStream(str(write_video(tmp_path / "v.mp4", shades(5))), "v", READING)
    assert stream.read() is not None
    stream.close()
    stream.close()
    assert stream.read() is None
