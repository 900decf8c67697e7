"""From what was counted to the lines of the row: pure arithmetic."""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from workers.bench_live.event_sender import EVENTS_PER_S, Sent
from workers.bench_live.page_viewer import PageTaken
from workers.bench_live.stream_viewers import StreamTally

LIVE: Final = "mien live"
"""The name of its process."""
LEAST_PER_S: Final = 0.1
"""What is divided by, where nothing was sent."""


class Span(NamedTuple):
    """One part of the run: so many viewers, and what each process used meanwhile."""

    from_s: float
    """Since the epoch, as `to_s`."""
    to_s: float
    cpu_s: dict[str, float]
    """By process."""
    wait_s: float
    """In which `mien live` was ready and had no core …"""
    rss_mib: float
    """… and what it held at the end."""

    @property
    def seconds(self) -> float:
        return self.to_s - self.from_s

    def cpu_percent(self, process: str) -> float:
        """Of one core."""
        return 100 * self.cpu_s[process] / self.seconds


def server(span: Span, rss_mib_before: float, **others: Span) -> dict[str, Any]:
    """What `mien live` cost in a part of the run; as a ratio, beside each of the others."""
    return {
        "cpu_percent": round(span.cpu_percent(LIVE), 1),
        "waits_for_cpu_percent": round(100 * span.wait_s / span.seconds, 1),
        **{f"cpu_ratio_to_{name}": round(ratio(span, other), 2) for name, other in others.items()},
        "rss_mib_start": round(rss_mib_before, 1),
        "rss_mib_end": round(span.rss_mib, 1),
    }


def ratio(span: Span, other: Span) -> float:
    """CPU of `mien live` in one part of the run to that in another."""
    return span.cpu_percent(LIVE) / max(other.cpu_percent(LIVE), 0.1)


def cost(alone: Span, full: Span, viewers: int, messages_per_s: float) -> dict[str, float]:
    """CPU of `mien live`, in ms a thousand messages (a face is two): of reading them, and of sending them."""
    thousands_per_s = max(messages_per_s, LEAST_PER_S) / 1000
    read = 10 * alone.cpu_percent(LIVE) / thousands_per_s
    sent = 10 * (full.cpu_percent(LIVE) - alone.cpu_percent(LIVE)) / thousands_per_s / viewers
    return {"read_ms": round(read, 1), "sent_to_each_viewer_ms": round(sent, 1)}


def others(span: Span) -> dict[str, float]:
    """CPU of all other processes, in percent of a core."""
    return {name: round(span.cpu_percent(name), 1) for name in span.cpu_s if name != LIVE}


def pace(sent: Sent, span: Span, cameras: int) -> dict[str, Any]:
    """What was really sent in a part of the run, in its whole seconds."""
    seconds = range(math.ceil(span.from_s), int(span.to_s)) or [int(span.from_s)]
    by_second = [sent.events_by_second.get(second, 0) for second in seconds]
    return {
        "wanted_per_s": cameras * EVENTS_PER_S,
        "per_s": round(float(np.mean(by_second)), 1),
        "per_s_least": min(by_second),
        "late_ms": percentiles(sent.late_ms),
        "failed": sent.failed,
    }


def streams(tallies: Sequence[StreamTally]) -> dict[str, Any]:
    """How long events took to all clients, and what did not come to them."""
    if not tallies:
        return {"streams": 0}
    return {
        "streams": len(tallies),
        "delay_ms": percentiles(np.concatenate([np.frombuffer(tally.delays_ms) for tally in tallies])),
        "events": sum(len(tally.delays_ms) for tally in tallies),
        "events_least": min(len(tally.delays_ms) for tally in tallies),
        "points": sum(tally.points for tally in tallies),
        "others": sum(tally.others for tally in tallies),
        "skipped": sum(tally.skipped for tally in tallies),
        "missing": sum(tally.missing for tally in tallies),
    }


def page(taken: PageTaken, seconds: float, sent_per_s: float) -> dict[str, Any]:
    """How old faces were on the screen, and how smooth it was."""
    drawn_per_s = len(taken.delays_ms) / seconds
    return {
        "delay_ms": percentiles(taken.delays_ms),
        "faces_drawn_per_s": round(drawn_per_s, 1),
        "faces_drawn_percent": round(100 * drawn_per_s / max(sent_per_s, LEAST_PER_S), 1),
        "frames_per_s": round(len(taken.frames_ms) / seconds, 1),
        "frame_ms": percentiles(taken.frames_ms),
        "long_tasks": len(taken.long_tasks_ms),
        "long_task_ms_most": round(max(taken.long_tasks_ms, default=0.0), 1),
    }


def percentiles(values: Sequence[float] | np.ndarray[Any, Any]) -> dict[str, float]:
    """p50, p95, p99 and the most; nothing of nothing."""
    if not len(values):
        return {}
    found = np.percentile(np.asarray(values, np.float64), [50, 95, 99, 100]).tolist()
    return dict(zip(("p50", "p95", "p99", "most"), [round(value, 1) for value in found], strict=True))
