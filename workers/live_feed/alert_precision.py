"""How often alerts are right, from what people said of them: shares with Wilson's intervals."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec

from streams.messages.verdict import Verdict, VerdictWord

Z_95: Final = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


class PrecisionRow(msgspec.Struct, frozen=True):
    """Of the alerts of one rule, camera or emotion."""

    name: str
    confirmed: int
    rejected: int
    unsure: int
    precision: Annotated[
        float | None, msgspec.Meta(description="confirmed / (confirmed + rejected); null without any")
    ]
    low: Annotated[float, msgspec.Meta(description="of the 95 % interval")]
    high: float


class Precision(msgspec.Struct, frozen=True):
    """How often alerts are right."""

    reviewed: Annotated[int, msgspec.Meta(description="alerts with a verdict")]
    disagreed: Annotated[int, msgspec.Meta(description="alerts on which people's newest verdicts differ")]
    by_rule: list[PrecisionRow]
    by_camera: list[PrecisionRow]
    by_emotion: list[PrecisionRow]


def precision(by_alert: Sequence[Sequence[Verdict]]) -> Precision:
    """Of the verdicts on each alert, the newest first: the newest one counts."""
    newest = [said[0] for said in by_alert if said]
    disagreed = sum(_differ(said) for said in by_alert)
    return Precision(
        len(newest),
        disagreed,
        _rows(newest, lambda verdict: verdict.rule),
        _rows(newest, lambda verdict: verdict.camera_id),
        _rows(newest, lambda verdict: verdict.emotion),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927); 0 to 1 without trials."""
    if not trials:
        return 0.0, 1.0
    share, z2 = successes / trials, Z_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    # Not beyond the share itself, where rounding would put it: of 0 in 52, and of 52 in 52.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def _differ(said: Sequence[Verdict]) -> bool:
    newest: dict[str, VerdictWord] = {}
    for verdict in said:
        newest.setdefault(verdict.by, verdict.verdict)
    return len(set(newest.values())) > 1


def _rows(verdicts: Sequence[Verdict], of: Callable[[Verdict], str | None]) -> list[PrecisionRow]:
    counts: dict[str, Counter[VerdictWord]] = {}
    for verdict in verdicts:
        if (name := of(verdict)) is not None:
            counts.setdefault(name, Counter())[verdict.verdict] += 1
    return [_row(name, counts[name]) for name in sorted(counts)]


def _row(name: str, count: Counter[VerdictWord]) -> PrecisionRow:
    trials = count["confirmed"] + count["rejected"]
    low, high = wilson(count["confirmed"], trials)
    share = count["confirmed"] / trials if trials else None
    return PrecisionRow(
        name, count["confirmed"], count["rejected"], count["unsure"], share, round(low, 6), round(high, 6)
    )
