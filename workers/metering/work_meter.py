"""Is a worker stuck, and how near its maximum is it? From when it has work in hand, and when it has none."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from streams import metrics


class WorkMeter:
    """Sets `mien_worker_silent_seconds` and `mien_worker_busy_seconds_total` of a stage, when scrapes ask.

    So both are true at any time: while work takes long, and while the event loop stands still.
    """

    def __init__(self, stage: str) -> None:
        self._lock = threading.Lock()  # metrics are read in a thread of their own
        self._in_hand = 0
        self._heard_s = self._counted_s = time.monotonic()
        self._busy = metrics.worker_busy_seconds_total.labels(stage)
        metrics.worker_silent_seconds.labels(stage).set_function(self._read)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work is in hand until the block ends, however it ends. Several blocks may overlap."""
        with self._lock:
            if not self._in_hand:
                self._heard_s = self._counted_s = time.monotonic()
            self._in_hand += 1
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._in_hand -= 1
                self._heard_s = self._counted_s

    def _read(self) -> float:
        """The seconds of silence, called by each scrape; the busy time is counted until now."""
        with self._lock:
            if not self._in_hand:
                return 0.0
            self._count()
            return self._counted_s - self._heard_s

    def _count(self) -> None:
        now_s = time.monotonic()
        self._busy.inc(now_s - self._counted_s)
        self._counted_s = now_s
