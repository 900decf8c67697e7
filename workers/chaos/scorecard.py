"""The result of a chaos run: figures, promises that were broken, and both as a table."""

from collections.abc import Sequence
from typing import Self

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table


class Twice(msgspec.Struct, frozen=True):
    """Records that a topic holds more than once."""

    records: int
    most_in_a_fault: int


class Recovery(msgspec.Struct, frozen=True):
    """Seconds from the end of a fault until new frames of every camera were in Redis."""

    times: int
    p50: float
    p95: float
    longest: float

    @classmethod
    def of(cls, taken_s: Sequence[float]) -> Self:
        if not taken_s:
            return cls(0, 0.0, 0.0, 0.0)
        p50, p95 = np.percentile(taken_s, (50, 95))
        return cls(len(taken_s), round(float(p50), 2), round(float(p95), 2), round(max(taken_s), 2))


class Growth(msgspec.Struct, frozen=True):
    """Memory and file descriptors of a process, after a quarter of its life and at its end."""

    seconds: float
    rss_mib_warm: float
    rss_mib_last: float
    rss_mib_peak: float
    fds_warm: int
    fds_last: int
    fds_peak: int


class Scorecard(msgspec.Struct, frozen=True):
    """What the checker found; what each figure counts, it says itself (``workers.chaos.checker``)."""

    seed: int
    rounds: int
    seconds: float
    frames_sent: int
    events_expected: int
    lost_by_kafka: int
    lost_by_landmarks: int
    lost: int
    twice_in_topic: dict[str, Twice]
    twice_in_effect: int
    lost_in_effect: int
    out_of_order: int
    frames_with_two_ids: int
    events_with_two_ids: int
    ids_changed: int
    offsets_back: int
    dead_lettered: dict[str, int]
    longest_gap_s: float
    not_recovered: list[str]
    recovery_s: Recovery
    recovery_s_by_fault: dict[str, Recovery]
    memory: dict[str, Growth]
    ended_by_themselves: dict[str, int]
    left_out: list[str]
    violations: list[str] = []

    def judged(self, violations: list[str]) -> "Scorecard":
        return msgspec.structs.replace(self, violations=violations)


def show(card: Scorecard, console: Console) -> None:
    """Prints it."""
    table = Table(
        title=f"chaos: seed {card.seed}, {card.rounds} rounds, {card.seconds:.0f} s", show_header=False
    )
    for name, value in _rows(card):
        table.add_row(name, value)
    console.print(table)
    times = Table("fault", "times", "recovered after (s): half", "95 of 100", "longest")
    for name, taken in card.recovery_s_by_fault.items():
        times.add_row(name, str(taken.times), f"{taken.p50:.1f}", f"{taken.p95:.1f}", f"{taken.longest:.1f}")
    console.print(times)
    growth = Table("process", "seconds", "MiB: warm", "last", "peak", "open files: warm", "last", "peak")
    for name, g in card.memory.items():
        growth.add_row(
            name,
            f"{g.seconds:.0f}",
            *(f"{mib:.0f}" for mib in (g.rss_mib_warm, g.rss_mib_last, g.rss_mib_peak)),
            *map(str, (g.fds_warm, g.fds_last, g.fds_peak)),
        )
    console.print(growth)
    for what in card.left_out:
        console.print(f"left out: {what}", style="dim", markup=False)
    for what in card.violations:
        console.print(f"BROKEN: {what}", style="bold red", markup=False)
    if not card.violations:
        console.print("All promises kept.", style="bold green")


def _rows(card: Scorecard) -> list[tuple[str, str]]:
    twice = ", ".join(
        f"{name} {t.records} (at most {t.most_in_a_fault} by one fault)"
        for name, t in card.twice_in_topic.items()
    )
    letters = ", ".join(f"{count} × {what}" for what, count in card.dead_lettered.items())
    ended = ", ".join(f"{count} × {what}" for what, count in card.ended_by_themselves.items())
    recovery = card.recovery_s
    return [
        ("frames sent", str(card.frames_sent)),
        ("events expected", str(card.events_expected)),
        (
            "lost",
            f"{card.lost} (before landmarks: {card.lost_by_kafka}, by landmarks: {card.lost_by_landmarks})",
        ),
        ("twice in topic", twice),
        ("twice in effect", str(card.twice_in_effect)),
        ("lost in effect", str(card.lost_in_effect)),
        ("out of order", str(card.out_of_order)),
        ("frames with two ids", str(card.frames_with_two_ids)),
        ("events with two ids", str(card.events_with_two_ids)),
        ("ids changed", str(card.ids_changed)),
        ("offsets that went back", str(card.offsets_back)),
        ("dead-lettered", letters or "0"),
        ("longest gap of a camera", f"{card.longest_gap_s:.1f} s"),
        ("recovered after", f"{recovery.p50:.1f} s (half), {recovery.p95:.1f} s (95 of 100)"),
        ("not recovered from", ", ".join(card.not_recovered) or "none"),
        ("ended by themselves", ended or "none"),
    ]
