"""Pictures, folders of them and videos as sources: in order, whole, and what is amiss is told."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up import BLUE, GREEN, RED, plain, shows
from made_up_videos import shades
from made_up_videos import write_video as write_shades
from PIL import Image

from models.faces.pictures import encode_jpeg
from streams.errors import BadPicture, SourceNotFound
from workers.camera.file_sources import FILE_FPS, PicturesSource, VideoSource
from workers.camera.sources import Source, open_source
from workers.camera.video_picture import Shot
from workers.camera.video_stream import Reading

MAX_PIXELS = 640 * 480


def write_pictures(folder: Path, colours: dict[str, tuple[int, int, int]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rgb in colours.items():
        (folder / name).write_bytes(encode_jpeg(plain(rgb)))
    return folder


def write_video(path: Path, frames: int, fps: float = 25.0, codec: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for i in range(frames):
        writer.write(cv2.cvtColor(plain((i * 8, 20, 230)), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def read_all(source: Source, at_most: int = 1000) -> list[Shot]:
    frames: list[Shot] = []
    while len(frames) < at_most and (frame := source.read()) is not None:
        frames.append(frame)
    return frames


# Folders and pictures


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "f", {"f10.jpg": BLUE, "f2.jpg": GREEN, "f1.jpg": RED})
    (folder / ".hidden").write_text("not a picture")
    (folder / "sub.jpg").mkdir()

    source = open_source(str(folder), max_pixels=MAX_PIXELS)

    assert not source.live
    assert source.fps is None
    frames = read_all(source)
    assert [shows(f, c) for f, c in zip(frames, (RED, GREEN, BLUE), strict=True)] == [True] * 3
    assert source.read() is None


def test_a_corrupt_picture_is_reported_and_the_others_still_come(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "f", {"1.jpg": RED, "3.jpg": BLUE})
    (folder / "2.jpg").write_bytes((folder / "1.jpg").read_bytes()[:300])
    (folder / "4.txt").write_text("hello")
    source = open_source(str(folder), max_pixels=MAX_PIXELS)

    assert shows(source.read(), RED)
    with pytest.raises(BadPicture, match=r"2\.jpg") as corrupt:
        source.read()
    assert corrupt.value.reason == "corrupt"
    assert shows(source.read(), BLUE)
    with pytest.raises(BadPicture, match=r"4\.txt") as text:
        source.read()
    assert text.value.reason == "not-a-picture"
    assert source.read() is None


def test_a_picture_that_vanishes_while_the_folder_is_read_is_reported(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "f", {"1.jpg": RED, "2.jpg": BLUE})
    source = open_source(str(folder), max_pixels=MAX_PIXELS)
    (folder / "1.jpg").unlink()

    with pytest.raises(BadPicture, match=r"1\.jpg") as missing:
        source.read()
    assert missing.value.reason == "unreadable"
    assert shows(source.read(), BLUE)


def test_a_looped_folder_starts_again_and_reports_its_bad_picture_every_round(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "f", {"1.jpg": RED})
    (folder / "2.jpg").write_bytes(b"\xff\xd8\xff nothing")
    source = open_source(str(folder), loop=True, max_pixels=MAX_PIXELS)
    for _ in range(3):
        assert shows(source.read(), RED)
        with pytest.raises(BadPicture):
            source.read()
    source.close()
    assert source.read() is None


def test_a_looped_folder_without_one_good_picture_ends(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"\xff\xd8\xff nothing")
    source = open_source(str(tmp_path), loop=True, max_pixels=MAX_PIXELS)
    with pytest.raises(BadPicture):
        source.read()
    assert source.read() is None


def test_one_picture_is_a_source_of_one_frame(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "f", {"face.jpg": GREEN})
    once = open_source(str(folder / "face.jpg"), max_pixels=MAX_PIXELS)
    assert [shows(f, GREEN) for f in read_all(once)] == [True]
    looped = open_source(str(folder / "face.jpg"), loop=True, max_pixels=MAX_PIXELS)
    assert len(read_all(looped, at_most=5)) == 5


def test_a_corrupt_single_picture_says_so_and_is_not_taken_for_a_video(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(cv2.imencode(".png", plain(RED))[1].tobytes()[:60])
    source = open_source(str(path), max_pixels=MAX_PIXELS)
    with pytest.raises(BadPicture, match=r"face\.png"):
        source.read()
    assert source.read() is None


def test_a_picture_over_the_limit_is_refused(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "f", {"face.jpg": GREEN})
    source = open_source(str(folder), max_pixels=64 * 48 - 1)
    with pytest.raises(BadPicture) as large:
        source.read()
    assert large.value.reason == "too-large"


# Videos


@pytest.mark.parametrize(("name", "codec"), [("v.avi", "MJPG"), ("v.mp4", "mp4v"), ("v.mkv", "MJPG")])
def test_a_video_is_read_whole_in_order_and_in_rgb(tmp_path: Path, name: str, codec: str) -> None:
    source = open_source(str(write_video(tmp_path / name, 20, codec=codec)), max_pixels=MAX_PIXELS)

    assert not source.live
    assert source.fps == pytest.approx(25.0)
    frames = read_all(source)
    assert [shows(f, (i * 8, 20, 230)) for i, f in enumerate(frames)] == [True] * 20
    assert source.read() is None


def test_a_looped_video_starts_again(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "v.avi", 5)), loop=True, max_pixels=MAX_PIXELS)
    frames = read_all(source, at_most=12)
    assert [shows(f, (i % 5 * 8, 20, 230)) for i, f in enumerate(frames)] == [True] * 12
    source.close()
    assert source.read() is None


def test_a_video_that_lost_frames_says_how_many(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path), max_pixels=MAX_PIXELS)
    with pytest.raises(BadPicture, match="not whole") as torn:  # the one that was cut through
        read_all(source)
    assert torn.value.reason == "corrupt"
    with pytest.raises(BadPicture, match=r"only \d+ of about 30 frames") as damaged:
        source.read()
    assert damaged.value.reason == "corrupt"
    assert source.read() is None


@pytest.mark.parametrize(
    ("name", "content"),
    [("v.mp4", b""), ("v.avi", b"not a video"), ("notes.txt", b"hello"), ("v", b"\0" * 100)],
)
def test_a_file_that_is_no_picture_and_no_video_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceNotFound, match=rf"{name} is neither a picture nor a video"):
        open_source(str(tmp_path / name), max_pixels=MAX_PIXELS)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 0)
    with pytest.raises(SourceNotFound, match="neither"):
        open_source(str(path), max_pixels=MAX_PIXELS)


def test_a_video_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 2)
    with pytest.raises(BadPicture, match=r"64x48 px; the limit is 3071"):
        open_source(str(path), max_pixels=64 * 48 - 1)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="holds no files"):
        open_source(str(tmp_path), max_pixels=MAX_PIXELS)


def test_a_videos_pictures_have_the_times_of_the_file_over_all_rounds(tmp_path: Path) -> None:
    """Of variable rate; a round begins one frame after the last one's end."""
    path = tmp_path / "slow.gif"
    shades = [Image.fromarray(np.full((48, 64), shade, np.uint8)) for shade in (0, 80, 160, 240)]
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=[100, 100, 1500, 100])
    source = VideoSource(path, loop=True, reading=Reading(MAX_PIXELS))
    times_s = []
    for _ in range(8):
        source.read()
        times_s.append(source.at_s)
    frame_s = 1 / (source.fps or FILE_FPS)
    source.close()

    assert times_s[:4] == pytest.approx([0, 0.1, 0.2, 1.7], abs=0.011)
    again_s = times_s[3] + frame_s
    assert times_s[4:] == pytest.approx([again_s + at_s for at_s in times_s[:4]], abs=0.011)


def test_pictures_of_a_folder_have_no_times_of_their_own(tmp_path: Path) -> None:
    assert PicturesSource([tmp_path / "1.jpg"], loop=False, max_pixels=MAX_PIXELS).at_s is None


def test_two_videos_put_together_have_times_that_never_go_back(tmp_path: Path) -> None:
    one = write_shades(tmp_path / "1.ts", shades(10)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(one + one)
    source = VideoSource(path, loop=False, reading=Reading(MAX_PIXELS))
    times_s = []
    while source.read() is not None:
        times_s.append(source.at_s)

    assert times_s == pytest.approx([n / 25 for n in range(20)], abs=0.003)


def test_a_video_whose_name_looks_like_an_address_is_a_file(tmp_path: Path) -> None:
    path = write_shades(tmp_path / "10:30.mp4", shades(3))
    assert len(read_all(open_source(str(path), max_pixels=MAX_PIXELS))) == 3
