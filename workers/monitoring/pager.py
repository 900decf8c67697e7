"""`mien pager`: takes what Alertmanager sends to a webhook and prints it, a line an alert.

A stand-in for a real pager: in compose it shows that alerts arrive, in tests that they do. It keeps nothing.
Format: Alertmanager's webhook, version 4 (https://prometheus.io/docs/alerting/latest/configuration, under
``webhook_config``).
"""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Final

import msgspec

from streams import logs
from streams.errors import SettingsInvalid
from streams.printable import printable
from streams.settings import Settings
from workers.json_output import print_json

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
REQUEST_TIMEOUT_S: Final = 5.0

log = logs.get("mien.pager")


class Page(msgspec.Struct, frozen=True, rename="camel"):
    """One alert, as Alertmanager tells it."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    fingerprint: str = ""


class _Webhook(msgspec.Struct):
    alerts: list[Page]
    receiver: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], show: Callable[[Page], None]) -> None:
        super().__init__(address, _Handler)
        self._show = show
        self._lock = Lock()

    def show(self, page: Page) -> None:
        with self._lock:  # or lines of two requests would mingle
            self._show(page)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        self._answer(200 if self.path in ("/healthz", "/readyz") else 404)

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= BODY_BYTES_MAX:
            self._answer(413 if size > 0 else 411)
            return
        try:
            told = msgspec.json.decode(self.rfile.read(size), type=_Webhook)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            log.warning("not what Alertmanager sends", error=str(exc))
            self._answer(400)
            return
        for page in told.alerts:
            self.server.show(page)
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def version_string(self) -> str:
        return "mien"  # not Python's version

    def log_message(self, *_args: object) -> None:
        """A health check every few seconds is not worth a log line."""


def run(settings: Settings, *, as_json: bool) -> None:
    """Prints a line an alert until Ctrl-C, as it comes.

    Raises:
        SettingsInvalid: if it cannot listen.
    """
    address = (settings.metrics_host, settings.metrics_port)
    try:
        server = _Server(address, print_json if as_json else _print_line)
    except OSError as exc:
        raise SettingsInvalid(
            f"The pager cannot listen on {address[0]}:{address[1]}: {exc.strerror}. "
            "Set MIEN_METRICS_HOST and MIEN_METRICS_PORT to an address that is free."
        ) from exc
    log.info("waits for alerts", port=server.server_address[1])
    with server:
        server.serve_forever()


def line(page: Page) -> str:
    """One line for a terminal; what others wrote cannot act on it."""
    labels = dict(page.labels)
    name, severity = labels.pop("alertname", "?"), labels.pop("severity", "none")
    where = " ".join(f"{label}={value}" for label, value in sorted(labels.items()))
    summary = page.annotations.get("summary", "")
    return printable(f"{page.starts_at} {page.status:<8} {severity:<8} {name} {where} {summary}")


def _print_line(page: Page) -> None:
    print(line(page), flush=True)
