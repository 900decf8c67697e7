"""A camera over HTTP that works, and now and then does what bad cameras do, by a seed."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal, NamedTuple, Self, get_args

from workers.faulty_cameras.made_up_streams import BOUNDARY

Fault = Literal["refuses", "cuts off", "hangs", "sends rubbish", "changes size"]
FAULTS: Final[Sequence[Fault]] = get_args(Fault)
WELL_S: Final = (200.0, 700.0)
"""How long a bad camera works between two faults: it has one in ten minutes."""
FAULTY_S: Final = (20.0, 200.0)
LOOK_S: Final = 0.05

CONTENT_TYPES: Final[Mapping[str, str]] = {
    "mjpeg": f"multipart/x-mixed-replace; boundary={BOUNDARY}",
    "h264": "video/mp2t",
    "snapshots": "image/jpeg",
}


class Sent(NamedTuple):
    """A kind of `CONTENT_TYPES`, and its pieces, a picture each, in two sizes."""

    kind: str
    usual: Sequence[bytes]
    other: Sequence[bytes]


class FaultyServer:
    """Serves in threads of its own until the ``with`` block ends.

    fault: what it does wrong at present.
    faults: how often it did.
    """

    def __init__(self, sent: Sent, fps: float, seed: int, fault_rate: float = 1.0) -> None:
        """``fault_rate``: so many times as often as `WELL_S` says, and each fault that much shorter."""
        self.fault: Fault | None = None
        self.faults: Counter[str] = Counter()
        self._sent = sent
        self._asked = 0
        self._fps = fps
        self._fault_rate = fault_rate
        self._rng = random.Random(seed)  # noqa: S311  no secret  # nosec B311
        self._well = threading.Event()
        self._closed = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):  # who looked has gone
                    camera.answer(self)

            def log_message(self, *_args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_args: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._server.serve_forever, self._misbehave)
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/live"

    def be_well(self) -> None:
        """No more faults from now on."""
        self._well.set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._well.set()
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Sends pictures for as long as somebody looks, or does what is wrong at present."""
        if self.fault == "refuses":
            return  # closed without a word
        request.send_response(200)
        request.send_header("Content-Type", CONTENT_TYPES[self._sent.kind])
        request.end_headers()
        out = request.wfile
        number = 0  # a video begins with a key picture
        if self._sent.kind == "snapshots":  # another one each time
            number = self._asked = self._asked + 1
        while not self._closed.is_set():
            pieces = self._sent.other if self.fault == "changes size" else self._sent.usual
            piece = pieces[number % len(pieces)]
            number += 1
            match self.fault:
                case "refuses":
                    return
                case "cuts off":
                    out.write(piece[: len(piece) // 2])
                    return
                case "hangs":
                    out.write(piece[: len(piece) // 2])
                    while self.fault == "hangs":
                        time.sleep(LOOK_S)
                    return
                case "sends rubbish":
                    out.write(self._rng.randbytes(len(piece)))
                case _:
                    out.write(piece)
            if self._sent.kind == "snapshots":
                return
            time.sleep(1 / self._fps)

    def _misbehave(self) -> None:
        while not self._well.wait(self._rng.uniform(*WELL_S) / self._fault_rate):
            fault = self._rng.choice(FAULTS)
            self.fault = fault
            self.faults[fault] += 1
            self._well.wait(self._rng.uniform(*FAULTY_S) / self._fault_rate)
            self.fault = None
