"""A small HTTP server for pages that other machines ask for again and again, and that nobody can tie up.

A request has a few seconds and a few kilobytes, and only so many are served at once. When all places are
taken, who has been there longest has to go: so clients that send a byte now and then keep nobody out.
"""

import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Final, NamedTuple, Self

REQUEST_TIMEOUT_S: Final = 5.0
"""For a whole request to come in, and again for the answer to be taken."""
REQUEST_BYTES_MAX: Final = 8 * 1024
CONNECTIONS_MAX: Final = 16
_PLACE_TIMEOUT_S: Final = 1.0
_TOO_LONG: Final = b"HTTP/1.0 414 URI Too Long\r\n\r\n"


class Page(NamedTuple):
    status: int
    content_type: str
    body: bytes


class PageServer:
    """Serves what ``answer`` says of a path and an Accept header, in its own threads, until the block ends.

    ``port`` 0 takes a free one; ``address`` is host and port as they are. Raises OSError if it cannot listen.
    """

    def __init__(self, host: str, port: int, answer: Callable[[str, str], Page]) -> None:
        class Handler(_Handler):
            page = staticmethod(answer)

        class Server(_Server):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._server = Server((host, port), Handler)
        self._thread = Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        return str(self._server.server_address[0]), int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request and its answer: HTTP/1.0, where the connection ends with it."""

    page: Callable[[str, str], Page]

    def handle(self) -> None:
        with suppress(OSError):  # too slow, or gone
            head = _read_head(self.connection)
            self.connection.settimeout(REQUEST_TIMEOUT_S)
            if len(head) >= REQUEST_BYTES_MAX and b"\n" not in head:
                self.connection.sendall(_TOO_LONG)
                return
            self.rfile = io.BufferedReader(io.BytesIO(head))
            super().handle()

    def do_GET(self) -> None:
        page = type(self).page(self.path.partition("?")[0], self.headers.get("Accept", ""))
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def version_string(self) -> str:
        return "mien"  # not Python's version

    def log_message(self, *_args: object) -> None:
        """A scrape every few seconds is not worth a log line."""


def _read_head(connection: socket.socket) -> bytes:
    """The request up to its empty line, or as much of it as may be; TimeoutError if that takes too long."""
    deadline_s = time.monotonic() + REQUEST_TIMEOUT_S
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) < REQUEST_BYTES_MAX:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        received = connection.recv(REQUEST_BYTES_MAX - len(head))
        if not received:
            break
        head += received
    return head


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a full queue costs the next client a second, and Python's default is 5

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._places = BoundedSemaphore(CONNECTIONS_MAX)
        self._open: dict[socket.socket, None] = {}  # in the order in which they came
        self._open_lock = Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            with self._open_lock:
                oldest = next(iter(self._open), None)
                if oldest is not None:
                    _end(oldest)
            if not self._places.acquire(timeout=_PLACE_TIMEOUT_S):
                self.shutdown_request(request)
                return
        with self._open_lock:
            self._open[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.pop(request, None)
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing on stderr: clients that go away are no fault of ours."""


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be gone already
        connection.shutdown(socket.SHUT_RDWR)  # its thread, which waits for it, goes on at once
