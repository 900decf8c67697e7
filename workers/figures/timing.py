"""Timing for `mien bench`: the sides of a comparison take turns, so that a noisy machine hits all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

ROUND_S = 0.05
"""How long one side runs before the next one's turn; calls that take longer run once a turn."""
MIN_ROUNDS = 3


class Cost(NamedTuple):
    """What one call (or one frame) costs, averaged over one round."""

    wall_ms: float
    cpu_ms: float
    """CPU time of all threads of the process."""


class Spread(msgspec.Struct, frozen=True):
    """How the rounds differ: a tenth of them is below p10, a tenth above p90."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        p10, median, p90 = np.percentile(np.asarray(values, np.float64), [10, 50, 90]).tolist()
        return cls(median=median, p10=p10, p90=p90)


class Side(msgspec.Struct, frozen=True):
    """One way of doing the work, as measured."""

    name: str
    ms: Spread
    """Wall-clock time of one call."""
    cpu_ms: Spread
    rounds_ms: list[float]
    rounds_cpu_ms: list[float]
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, name: str, costs: Sequence[Cost], **details: Any) -> "Side":
        wall, cpu = [c.wall_ms for c in costs], [c.cpu_ms for c in costs]
        return cls(name, Spread.of(wall), Spread.of(cpu), wall, cpu, details)


class Comparison(msgspec.Struct, frozen=True):
    """Mien's way beside a library's bare one."""

    row: str
    case: str
    mien: Side
    library: Side
    speed_ratio: Spread
    """How many times as fast as the library Mien is: library's ms / Mien's ms, round by round."""
    cpu_ratio: Spread
    """The same in CPU time."""
    rounds: int

    @classmethod
    def of(cls, row: str, case: str, mien: Side, library: Side) -> "Comparison":
        """Compares the sides round by round. Raises ValueError if they have not as many rounds."""
        return cls(
            row,
            case,
            mien,
            library,
            Spread.of(ratios(library.rounds_ms, mien.rounds_ms)),
            Spread.of(ratios(library.rounds_cpu_ms, mien.rounds_cpu_ms)),
            len(mien.rounds_ms),
        )


class Finding(msgspec.Struct, frozen=True):
    """What was measured that is no comparison of times: one line of a table."""

    row: str
    table: str
    case: str
    figures: dict[str, Any]


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Divides round by round, so that what slows down a moment cancels out.

    Raises ValueError if there are not as many of both.
    """
    return [a / max(b, 1e-9) for a, b in zip(numerators, denominators, strict=True)]


def alternate(
    steps: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    round_s: float = ROUND_S,
    clock_s: Callable[[], float] = time.perf_counter,
    cpu_clock_s: Callable[[], float] = time.process_time,
) -> dict[str, list[Cost]]:
    """Runs A B A B … for ``seconds`` a side, and at least MIN_ROUNDS times; the cost of a call by round."""
    calls = {name: _calls_a_round(step, round_s, clock_s) for name, step in steps.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in steps}
    for _ in range(max(MIN_ROUNDS, round(seconds / round_s))):
        for name, step in steps.items():
            costs[name].append(cost_of(step, calls[name], clock_s, cpu_clock_s))
    return costs


def cost_of(
    step: Callable[[], object],
    calls: int,
    clock_s: Callable[[], float] = time.perf_counter,
    cpu_clock_s: Callable[[], float] = time.process_time,
) -> Cost:
    """The mean cost of so many calls."""
    started_s, cpu_started_s = clock_s(), cpu_clock_s()
    for _ in range(calls):
        step()
    wall_s, cpu_s = clock_s() - started_s, cpu_clock_s() - cpu_started_s
    return Cost(wall_s / calls * 1000, cpu_s / calls * 1000)


def _calls_a_round(step: Callable[[], object], round_s: float, clock_s: Callable[[], float]) -> int:
    """How many calls fill a round. Finding out is the warm-up too: one call, then doubled."""
    step()
    calls = 1
    while True:
        started_s = clock_s()
        for _ in range(calls):
            step()
        took_s = clock_s() - started_s
        if took_s >= round_s / 4:
            return max(1, round(round_s * calls / took_s))
        calls *= 2
