"""``/metrics``, ``/healthz`` and ``/readyz`` of one process, served from a thread of their own.

``/healthz`` answers 200 while the event loop makes progress; ``/readyz`` while every condition that the
stage named holds (model loaded, partitions assigned …). Both say in plain text what is amiss.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from streams.errors import SettingsInvalid
from streams.http_pages import Page, PageServer

STALL_S = 20.0
"""A loop that did not turn for so long is taken for dead."""


class Health:
    """What a stage knows of itself. Written by the stage, read by the HTTP thread."""

    def __init__(self, *conditions: str) -> None:
        """``conditions`` all start as not ready; ``set_ready`` and ``set_unready`` change them."""
        self._ready = dict.fromkeys(conditions, False)
        self._progress_at_s = time.monotonic()

    def set_ready(self, condition: str) -> None:
        self._ready[condition] = True

    def set_unready(self, condition: str) -> None:
        self._ready[condition] = False

    def progress(self) -> None:
        self._progress_at_s = time.monotonic()

    @property
    def stalled_s(self) -> float:
        return time.monotonic() - self._progress_at_s

    @property
    def not_ready(self) -> list[str]:
        return [condition for condition, ready in self._ready.items() if not ready]

    async def beat(self, interval_s: float = 1.0) -> None:
        """Runs beside the stage for ever: as long as this is scheduled, the loop makes progress."""
        while True:
            self.progress()
            await asyncio.sleep(interval_s)

    def answer(self, path: str) -> tuple[int, str]:
        """HTTP status and text for ``/healthz`` or ``/readyz``."""
        if path == "/healthz":
            alive = self.stalled_s < STALL_S
            return (
                (200, "ok\n")
                if alive
                else (503, f"the event loop stands still since {self.stalled_s:.0f} s\n")
            )
        if path == "/readyz":
            return (503, f"waiting for: {', '.join(self.not_ready)}\n") if self.not_ready else (200, "ok\n")
        return 404, "there are /metrics, /healthz and /readyz\n"


def own_metrics(accept: str) -> Page:
    """This process's metrics, in the form that the Accept header asks for."""
    encode, content_type = choose_encoder(accept)  # exemplars are in OpenMetrics alone
    return Page(200, content_type, encode(REGISTRY))


class MetricsServer:
    """Serves until the ``with`` block ends. ``port`` 0 takes a free one; ``address`` tells which."""

    def __init__(
        self, health: Health, host: str, port: int, metrics_page: Callable[[str], Page] = own_metrics
    ) -> None:
        """``metrics_page`` answers an Accept header, in the server's threads."""

        def answer(path: str, accept: str) -> Page:
            if path == "/metrics":
                return metrics_page(accept)
            status, text = health.answer(path)
            return Page(status, "text/plain; charset=utf-8", text.encode())

        try:
            self._server = PageServer(host, port, answer)
        except OSError as exc:
            raise SettingsInvalid(
                f"Metrics cannot be served on {host}:{port}: {exc.strerror}. "
                "Set MIEN_METRICS_PORT to another port (0 takes a free one)."
            ) from exc

    @property
    def address(self) -> str:
        host, port = self._server.address
        shown = f"[{host}]" if ":" in host else host
        if host in ("0.0.0.0", "::"):  # noqa: S104  # nosec B104
            shown = "localhost"
        return f"http://{shown}:{port}/metrics"

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)
