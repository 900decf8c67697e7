"""Cameras that give one JPEG a request."""

import gc
import hashlib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import parse_http_list, parse_keqv_list

import pytest
from made_up import GREEN, plain, shows

from models.faces.jpeg_passthrough import Jpeg, JpegLimits
from models.faces.pictures import encode_jpeg
from streams.errors import BadPicture, SourceLost
from workers.camera import http_snapshots
from workers.camera.sources import open_source

MAX_PIXELS = 640 * 480
USER, PASSWORD = "ann", "p@ss/w#rd"
IN_URL = "ann:p%40ss%2Fw%23rd"
BASIC = "Basic YW5uOnBAc3MvdyNyZA=="


class Camera:
    """Answers each GET with ``body``; ``auth`` says what it wants: nothing, Basic or Digest."""

    def __init__(self, auth: str = "", body: bytes | None = None) -> None:
        self.auth = auth
        self.body = encode_jpeg(plain(GREEN)) if body is None else body
        self.kind = "image/jpeg"
        self.tells_length = True
        self.asked_at_s: list[float] = []

    def lets_in(self, given: str) -> bool:
        if self.auth == "Basic":
            return given == BASIC
        if self.auth == "Digest":
            fields = parse_keqv_list(parse_http_list(given.removeprefix("Digest ")))
            ha1 = md5(f"{USER}:cam:{PASSWORD}")
            ha2 = md5(f"GET:{fields.get('uri')}")
            parts = (ha1, "abc", fields.get("nc"), fields.get("cnonce"), "auth", ha2)
            return fields.get("response") == md5(":".join(map(str, parts)))
        return True


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@contextmanager
def on(camera: Camera) -> Iterator[str]:
    """Runs it; the address behind the user and password."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not camera.lets_in(self.headers.get("Authorization", "")):
                self.send_response(401)
                qop = ', qop="auth", nonce="abc"' if camera.auth == "Digest" else ""
                self.send_header("WWW-Authenticate", f'{camera.auth} realm="cam"{qop}')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            camera.asked_at_s.append(time.monotonic())
            self.send_response(200)
            self.send_header("Content-Type", camera.kind)
            if camera.tells_length:
                self.send_header("Content-Length", str(len(camera.body)))
            self.end_headers()
            self.wfile.write(camera.body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}/snap.jpg?channel=1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("auth", ["", "Basic", "Digest"])
def test_an_address_of_one_picture_is_asked_again_and_again(auth: str) -> None:
    """It was lost after each picture: 77 times in 25 s."""
    camera = Camera(auth)
    with on(camera) as address:
        source = open_source(f"http://{IN_URL}@{address}", fps=20, max_pixels=MAX_PIXELS)
        assert source.live
        for _ in range(6):
            assert shows(source.read(), GREEN)
        source.close()

    polled = camera.asked_at_s[1:]
    assert polled[-1] - polled[0] >= 0.8 * 4 / 20
    assert source.fps == 20


def test_what_a_closed_source_leaves_for_the_collector_is_small() -> None:
    """Each opening left a context of its own with the machine's certificates: 0.8 MiB that Python seldom
    comes to free, as it counts objects and not bytes."""

    def contexts() -> int:
        return sum(isinstance(thing, ssl.SSLContext) for thing in gc.get_objects())

    camera = Camera()
    with on(camera) as address:
        gc.disable()
        try:
            open_source(f"http://{address}", max_pixels=MAX_PIXELS).close()
            before = contexts()
            for _ in range(5):
                open_source(f"http://{address}", max_pixels=MAX_PIXELS).close()
            after = contexts()
        finally:
            gc.enable()

    assert after == before
    assert http_snapshots._unchecked().cert_store_stats()["x509"] == 0


def test_a_camera_that_does_not_say_how_long_its_picture_is() -> None:
    """It was lost after each picture."""
    camera = Camera()
    camera.tells_length = False
    with on(camera) as address:
        source = open_source(f"http://{address}", fps=50, max_pixels=MAX_PIXELS)

        assert all(shows(source.read(), GREEN) for _ in range(4))


def test_a_snapshot_goes_as_it_is() -> None:
    camera = Camera()
    with on(camera) as address:
        ready = JpegLimits(max_bytes=100_000, max_pixels=MAX_PIXELS, max_width_px=640)
        source = open_source(f"http://{address}", fps=50, max_pixels=MAX_PIXELS, ready=ready)

        assert [source.read() for _ in range(3)] == [Jpeg(camera.body, (64, 48))] * 3


def test_snapshots_that_change_their_size_do_so() -> None:
    camera = Camera()
    with on(camera) as address:
        source = open_source(f"http://{address}", fps=50, max_pixels=MAX_PIXELS)
        assert shows(source.read(), GREEN)
        camera.body = encode_jpeg(plain(GREEN, 320, 240))
        picture = source.read()

    assert picture is not None
    assert not isinstance(picture, Jpeg)
    assert getattr(picture, "shape", None) == (240, 320, 3)


def test_a_broken_snapshot_is_refused_and_the_next_one_is_read() -> None:
    camera = Camera()
    whole = camera.body
    with on(camera) as address:
        source = open_source(f"http://{address}", fps=50, max_pixels=MAX_PIXELS)
        assert shows(source.read(), GREEN)
        camera.body = whole[: len(whole) // 2]
        with pytest.raises(BadPicture) as refused:
            source.read()
        assert refused.value.reason == "corrupt"
        camera.body = whole
        assert shows(source.read(), GREEN)


def test_a_camera_that_turns_to_something_else_or_dies_is_lost_and_no_secret_is_told() -> None:
    camera = Camera("Basic")
    with on(camera) as address:
        source = open_source(f"http://{IN_URL}@{address}", fps=50, max_pixels=MAX_PIXELS)
        assert shows(source.read(), GREEN)
        camera.kind = "text/html"
        with pytest.raises(SourceLost, match="no single pictures") as changed:
            source.read()
        camera.kind, camera.auth = "image/jpeg", "Digest"
        assert shows(source.read(), GREEN)  # it asks for what the camera wants now
        camera.lets_in = lambda _: False  # type: ignore[method-assign]
        with pytest.raises(SourceLost, match="401; it refuses this user or password") as refused:
            source.read()
    with pytest.raises(SourceLost, match="does not answer") as dead:
        source.read()
    for error in (changed, refused, dead):
        assert "ss" not in str(error.value).replace("password", "").replace("address", "")


def test_a_wrong_password_says_so() -> None:
    with on(Camera("Basic")) as address, pytest.raises(SourceLost, match="refuses this user or password"):
        open_source(f"http://ann:wrong@{address}", max_pixels=MAX_PIXELS)
