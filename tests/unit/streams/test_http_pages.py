"""The server of /metrics when its clients are slow, many or rude."""

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from streams import http_pages
from streams.http_pages import CONNECTIONS_MAX, REQUEST_BYTES_MAX, Page, PageServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    """Answers with the path; a request may take half a second."""
    monkeypatch.setattr(http_pages, "REQUEST_TIMEOUT_S", 0.5)
    with PageServer("127.0.0.1", 0, lambda path, _accept: Page(200, "text/plain", path.encode())) as server:
        yield server


def connect(server: PageServer) -> socket.socket:
    connection = socket.create_connection(server.address)
    connection.settimeout(10)
    return connection


def get(server: PageServer, path: str = "/well") -> str:
    host, port = server.address
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def received(connection: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    data = b""
    while part := connection.recv(4096):
        data += part
    return data


def test_a_request_that_trickles_in_is_cut_off_in_time(server: PageServer) -> None:
    """Slow loris: each byte comes in time, the request never."""
    with connect(server) as slow:
        started_s = time.monotonic()
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):  # noqa: PT012
            while time.monotonic() - started_s < 20:
                slow.sendall(b"G")
                time.sleep(0.05)


def test_a_client_that_says_nothing_is_sent_away(server: PageServer) -> None:
    with connect(server) as silent:
        assert received(silent) == b""


def test_clients_that_hold_every_place_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch, server: PageServer
) -> None:
    monkeypatch.setattr(http_pages, "REQUEST_TIMEOUT_S", 60.0)  # it is not time that frees the places
    before = threading.active_count()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(5 * CONNECTIONS_MAX)]
        for connection in slow:
            try:
                connection.sendall(b"GET /x HTTP/1.1\r\n")
            except OSError:
                continue  # it had to go already
        for _ in range(3):
            assert get(server) == "/well"
        assert threading.active_count() <= before + CONNECTIONS_MAX


def test_a_line_without_end_is_refused(server: PageServer) -> None:
    with connect(server) as rude:
        rude.sendall(b"GET /" + b"a" * REQUEST_BYTES_MAX)
        assert received(rude).startswith(b"HTTP/1.0 414 ")


def test_headers_without_end_are_read_no_further(server: PageServer) -> None:
    with connect(server) as rude:
        rude.sendall(b"GET /a HTTP/1.1\r\n" + b"x: y\r\n" * (REQUEST_BYTES_MAX // 6))
        assert rude.recv(4096).startswith(b"HTTP/1.0 ")


def test_an_answer_that_is_not_taken_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pages, "REQUEST_TIMEOUT_S", 0.5)
    before = threading.active_count()
    large = Page(200, "text/plain", b"x" * 50_000_000)
    with PageServer("127.0.0.1", 0, lambda _path, _accept: large) as server, connect(server) as lazy:
        lazy.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert lazy.recv(1) == b"H"
        deadline_s = time.monotonic() + 20
        while threading.active_count() > before + 1 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert threading.active_count() == before + 1  # the server's own


@pytest.mark.parametrize(
    "request_", [b"\x00\x01\x02\r\n\r\n", b"\r\n\r\n", b"DELETE /a HTTP/1.1\r\n\r\n", b"GET"]
)
def test_what_is_no_request_harms_nothing_and_is_not_printed(
    server: PageServer, capsys: pytest.CaptureFixture[str], request_: bytes
) -> None:
    with connect(server) as rude:
        rude.sendall(request_)
        rude.shutdown(socket.SHUT_WR)
        assert b"Python" not in received(rude)
    assert get(server) == "/well"
    assert capsys.readouterr().err == ""
