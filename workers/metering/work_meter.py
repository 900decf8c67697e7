"""Is a worker stuck, and how near its maximum is it? From when it has work in hand, and when it has none."""

import threading
import time
from typing import NamedTuple

from streams import metrics


class _Seen(NamedTuple):
    """How it stood when work was taken up, or some of it ended."""

    in_hand: int
    at_s: float
    busy_s: float
    """In all, until then."""


class WorkMeter:
    """Sets `mien_worker_silent_seconds` and `mien_worker_busy_seconds_total` of a stage, when scrapes ask.

    So both are true at any time: while work takes long, and while the event loop stands still.

    ``with meter:`` is around work, which is in hand until the block ends, however it ends. Several blocks may
    overlap, but all begin and end in one thread: it replaces what was seen at once, and scrapes, which come
    in other threads, cost it no lock.
    """

    def __init__(self, stage: str) -> None:
        self._seen = _Seen(0, time.monotonic(), 0.0)
        self._told_s = 0.0
        self._one_scrape_at_a_time = threading.Lock()
        self._busy = metrics.worker_busy_seconds_total.labels(stage)
        metrics.worker_silent_seconds.labels(stage).set_function(self._read)

    def __enter__(self) -> None:
        in_hand, at_s, busy_s = self._seen
        # Another begin is no sign of life: what was in hand may still be stuck.
        self._seen = _Seen(in_hand + 1, at_s if in_hand else time.monotonic(), busy_s)

    def __exit__(self, *error: object) -> None:
        in_hand, at_s, busy_s = self._seen
        now_s = time.monotonic()
        self._seen = _Seen(in_hand - 1, now_s, busy_s + now_s - at_s)

    def _read(self) -> float:
        """The seconds of silence, called by each scrape; the busy time is counted until now."""
        with self._one_scrape_at_a_time:
            in_hand, at_s, busy_s = self._seen
            silent_s = max(0.0, time.monotonic() - at_s) if in_hand else 0.0
            self._busy.inc(max(0.0, busy_s + silent_s - self._told_s))
            self._told_s = max(self._told_s, busy_s + silent_s)
            return silent_s
