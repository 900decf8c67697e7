"""Network cameras that answer, die, go silent, or never answered."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from made_up import GREEN, plain, shows

from models.faces.pictures import encode_jpeg
from streams.errors import BadPicture, SourceLost
from workers.camera.sources import Source, open_source

MAX_PIXELS = 640 * 480


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


def read_on(source: Source) -> None:
    for _ in range(10_000):
        source.read()


def read_until_lost(source: Source) -> SourceLost:
    with pytest.raises(SourceLost) as lost:
        read_on(source)
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
