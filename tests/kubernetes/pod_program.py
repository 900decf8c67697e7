"""What test pods run: a server that can be told to hang or not to be ready, and that takes time to end.

``/healthz`` and ``/readyz`` answer 200; after ``/hang`` or ``/unready`` was asked for, the one or the other
is 503. On SIGTERM it says so, waits ``DRAIN_S`` seconds, says that it has drained, and ends with 0. With
``NEVER_READY`` it is never ready.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080
bad = {"/readyz"} if os.environ.get("NEVER_READY") else set()


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path in ("/hang", "/unready"):
            bad.add({"/hang": "/healthz", "/unready": "/readyz"}[self.path])
        self.send_response(503 if self.path in bad else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the log is for what the tests look at."""


def say(what: str) -> None:
    print(what, flush=True)


def end(*_: object) -> None:
    say("asked to end")
    time.sleep(float(os.environ.get("DRAIN_S", "0")))
    say("drained")
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    say(f"begins on {os.environ['POD_IP']}")
    ThreadingHTTPServer((os.environ["POD_IP"], PORT), Page).serve_forever()
