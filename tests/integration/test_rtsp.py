"""A real RTSP camera: its codecs, its password, its transport, and all that goes wrong on the way."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import lacks
from made_up import pixels

from streams.errors import BadPicture, SourceLost
from workers.camera.sources import Source, open_source
from workers.camera.video_picture import Shot

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
MAX_PIXELS = 1280 * 720
RECONNECTS = 6


@pytest.fixture(scope="module", autouse=True)
def _there_is_a_server() -> None:
    asks = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", asks], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        lacks("GStreamer's RTSP server is not installed: `make servers` installs it")


@contextmanager
def camera(codec: str = "h264", size: tuple[int, int] = (320, 240), **more: Any) -> Iterator[int]:
    """Runs an RTSP camera (rtsp_server.py says what else it can); its port."""
    wanted = json.dumps({"codec": codec, "size": size, **more})
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([SYSTEM_PYTHON, str(SERVER), wanted], text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


@contextmanager
def opened(port: int, user: str = "", **options: Any) -> Iterator[Source]:
    source = open_source(f"rtsp://{user}127.0.0.1:{port}/live", max_pixels=MAX_PIXELS, **options)
    with contextlib.closing(source):
        assert source.live
        yield source


def sizes(shots: list[Shot | None]) -> set[tuple[int, ...]]:
    return {pixels(shot).shape[1::-1] for shot in shots}


def bright_px(shot: Shot | None) -> int:
    """The area of the ball."""
    return int((pixels(shot).min(axis=2) > 128).sum())


def read_until_lost(source: Source) -> SourceLost:
    for _ in range(10_000):
        try:
            source.read()
        except BadPicture:
            continue
        except SourceLost as error:
            return error
    raise AssertionError("it goes on")


@pytest.mark.parametrize(
    ("codec", "size"),
    [("h264", (320, 240)), ("h265", (642, 362)), ("mjpeg", (320, 240)), ("h264", (322, 242))],
)
def test_each_codec_is_read_and_moves(codec: str, size: tuple[int, int]) -> None:
    with camera(codec, size) as port, opened(port) as source:
        shots = [source.read() for _ in range(20)]

    assert sizes(shots) == {size}
    first, last = pixels(shots[0]), pixels(shots[-1])
    assert np.abs(first.astype(int) - last).max() > 200  # the ball has moved
    assert source.fps == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("digest", [False, True])
def test_user_and_password(digest: bool) -> None:
    signed = {"user": "ann", "password": "p@ss/w#rd", "digest": digest}
    with camera(**signed) as port:
        with opened(port, "ann:p%40ss%2Fw%23rd@") as source:
            assert sizes([source.read()]) == {(320, 240)}
        for wrong in ("ann:other-secret@", ""):
            with pytest.raises(SourceLost, match="it refuses this user or password") as refused:
                open_source(f"rtsp://{wrong}127.0.0.1:{port}/live", max_pixels=MAX_PIXELS)
            assert "other-secret" not in str(refused.value)


def test_a_camera_that_has_udp_alone() -> None:
    with camera(udp=True) as port, opened(port) as source:
        assert sizes([source.read() for _ in range(10)]) == {(320, 240)}


def test_a_camera_whose_packets_get_lost_goes_on() -> None:
    """And shows no picture that builds on what was lost: each has the one ball, whole."""
    with camera() as port, opened(port) as source:
        whole = [bright_px(source.read()) for _ in range(20)]
    read: list[Shot | None] = []
    refused = 0
    with camera(udp=True, lost=0.1) as port, opened(port) as source:
        for _ in range(100):
            try:
                read.append(source.read())
            except BadPicture:
                refused += 1

    assert refused >= 3
    assert len(read) >= 20
    assert sizes(read) == {(320, 240)}
    assert all(0.8 * min(whole) < bright_px(shot) < 1.2 * max(whole) for shot in read)


def test_a_wrong_path_says_so() -> None:
    with camera() as port, pytest.raises(SourceLost, match="it has nothing at this path"):
        open_source(f"rtsp://127.0.0.1:{port}/other", max_pixels=MAX_PIXELS)


def test_a_camera_that_starts_again_with_another_resolution_and_codec() -> None:
    with camera() as port:
        source = open_source(f"rtsp://127.0.0.1:{port}/live", max_pixels=MAX_PIXELS, read_timeout_ms=2000)
        assert sizes([source.read()]) == {(320, 240)}
    assert read_until_lost(source).retriable
    source.close()
    with pytest.raises(SourceLost, match="nothing listens"):
        open_source(f"rtsp://127.0.0.1:{port}/live", max_pixels=MAX_PIXELS)
    with camera("h265", (640, 360), port=port) as same_port, opened(same_port) as source:
        assert sizes([source.read() for _ in range(5)]) == {(640, 360)}


class Cable:
    """A TCP connection to a camera that can be held in the middle of whatever goes through."""

    def __init__(self, camera_port: int) -> None:
        self._camera_port = camera_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.held = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        inner, _ = self._server.accept()
        with inner, socket.create_connection(("127.0.0.1", self._camera_port)) as outer:
            threading.Thread(target=self._pass, args=(inner, outer), daemon=True).start()
            self._pass(outer, inner)
            self._ended.wait()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(700):  # less than a picture
                if self.held.is_set():
                    return
                sink.sendall(data)

    def close(self) -> None:
        self._ended.set()
        self._server.close()
        self._thread.join()


def test_a_camera_that_stops_in_the_middle_of_a_picture_is_lost_in_time() -> None:
    with (
        camera(size=(640, 480), pattern="snow") as port,
        contextlib.closing(Cable(port)) as cable,
        opened(cable.port, read_timeout_ms=700) as source,
    ):
        assert source.read() is not None
        cable.held.set()
        began_s = time.monotonic()
        read_until_lost(source)
        took_s = time.monotonic() - began_s

    assert took_s < 10


def test_many_reconnects_leave_nothing_behind() -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208

    def resident_mib() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    with camera() as port:
        for number in range(RECONNECTS + 2):
            if number == 2:  # what is loaded once is loaded
                before, threads_before, mib_before = held(), threads(), resident_mib()
            with opened(port) as source:
                assert source.read() is not None
        assert held() == before
        assert threads() == threads_before
        assert resident_mib() - mib_before < 16
