"""Every kind of source on small real data: files made here, and a network camera that dies and comes back."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.arrays import Picture
from models.faces.pictures import encode_jpeg
from streams.errors import BadPicture, SourceLost, SourceNotFound
from workers.camera.sources import Source, open_source

MAX_PIXELS = 640 * 480
RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)


def plain(rgb: tuple[int, int, int], width: int = 64, height: int = 48) -> Picture:
    return np.full((height, width, 3), rgb, np.uint8)


def shows(frame: Picture | None, rgb: tuple[int, int, int]) -> bool:
    assert frame is not None
    assert frame.dtype == np.uint8
    return bool(np.abs(frame.astype(int) - rgb).mean() < 15)


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


def read_all(source: Source, at_most: int = 1000) -> list[Picture]:
    frames: list[Picture] = []
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
    with pytest.raises(BadPicture, match=r"only \d+ of about 30 frames") as damaged:
        read_all(source)
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


# What does not exist


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("/no/such/video.mp4", "does not exist"),
        ("", "does not exist"),
        ("demo:juggling", "juggling.*smile"),
        ("977", "webcam 977 cannot be opened"),
        ("/dev/video977", "webcam 977 cannot be opened"),
        ("gopher://host/x", "addresses start with"),
    ],
)
def test_a_source_that_does_not_exist_says_what_would(spec: str, words: str) -> None:
    with pytest.raises(SourceNotFound, match=words):
        open_source(spec, max_pixels=MAX_PIXELS)


def test_an_address_without_its_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(SourceNotFound, match="does not exist") as told:
        open_source("admin:hunter2@10.0.0.7/ch1", max_pixels=MAX_PIXELS)
    assert "hunter2" not in str(told.value)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="holds no files"):
        open_source(str(tmp_path), max_pixels=MAX_PIXELS)


# Network cameras


class MjpegCamera:
    """An MJPEG-over-HTTP camera on loopback that can be switched off, and go silent, in mid-stream."""

    def __init__(self) -> None:
        self.port = 0
        self.silent = threading.Event()
        self.off = threading.Event()

    @property
    def url(self) -> str:
        return f"http://admin:s3cret@127.0.0.1:{self.port}/live.mjpg"

    @contextmanager
    def on(self) -> Iterator[None]:
        camera = self
        self.off.clear()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                jpeg = encode_jpeg(plain(GREEN))
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                try:
                    while not camera.off.is_set():
                        if not camera.silent.is_set():
                            self.wfile.write(head + jpeg + b"\r\n")
                        camera.off.wait(0.01)
                except OSError:
                    pass  # the reader went away

            def log_message(self, *_args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.off.set()
            server.shutdown()
            server.server_close()
            thread.join()


def read_until_lost(source: Source) -> SourceLost:
    with pytest.raises(SourceLost) as lost:
        read_all(source, at_most=10_000)
    return lost.value


def test_a_network_camera_that_dies_is_lost_and_can_be_opened_again() -> None:
    camera = MjpegCamera()
    with camera.on():
        source = open_source(camera.url, max_pixels=MAX_PIXELS)
        assert source.live
        assert shows(source.read(), GREEN)
    error = read_until_lost(source)
    assert error.retriable
    assert "s3cret" not in str(error)
    source.close()
    source.close()
    with pytest.raises(SourceLost, match="does not answer") as dead:
        open_source(camera.url, max_pixels=MAX_PIXELS)
    assert "s3cret" not in str(dead.value)
    with camera.on():
        source = open_source(camera.url, max_pixels=MAX_PIXELS)
        assert shows(source.read(), GREEN)
        source.close()


def test_a_network_camera_that_goes_silent_is_lost_and_never_waited_for_without_end() -> None:
    camera = MjpegCamera()
    with camera.on():
        source = open_source(camera.url, max_pixels=MAX_PIXELS, read_timeout_ms=300)
        assert shows(source.read(), GREEN)
        camera.silent.set()
        read_until_lost(source)
        source.close()


@pytest.mark.timeout(30)
def test_an_address_that_accepts_and_never_answers_is_given_up() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        for scheme in ("http", "rtsp"):
            with pytest.raises(SourceLost, match="does not answer"):
                open_source(f"{scheme}://127.0.0.1:{port}/x", max_pixels=MAX_PIXELS, open_timeout_ms=300)


def test_a_stream_over_the_limit_is_refused() -> None:
    camera = MjpegCamera()
    with camera.on(), pytest.raises(BadPicture, match="64x48"):
        open_source(camera.url, max_pixels=100)


def test_nothing_is_written_to_stderr_for_a_dead_address(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceLost):
        open_source("rtsp://admin:s3cret@127.0.0.1:9/x", max_pixels=MAX_PIXELS)
    assert capfd.readouterr() == ("", "")


# The demo


def test_the_demo_is_a_live_camera_of_the_wanted_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now_s
        slept.append(seconds)
        now_s += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(time, "sleep", sleep)
    source = open_source("demo:smile", fps=4, max_pixels=MAX_PIXELS)
    assert source.live
    assert source.fps == 4

    frames = [source.read() for _ in range(3)]
    now_s += 10  # a reader that was busy
    frames += [source.read() for _ in range(3)]

    assert slept == pytest.approx([0, 0.25, 0.25, 0, 0.25, 0.25])
    assert all(frame is not None and frame.shape == (480, 640, 3) for frame in frames)
    again = open_source("demo:smile", fps=4, max_pixels=MAX_PIXELS)
    assert all(np.array_equal(again.read(), frame) for frame in frames)


def test_demos_of_two_seeds_differ() -> None:
    a, b = (open_source("demo:calm", seed=seed, max_pixels=MAX_PIXELS).read() for seed in (1, 2))
    assert not np.array_equal(a, b)
