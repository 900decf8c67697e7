"""What was true of each camera at any time of its pictures, from the events on ``mien.cameras``.

It knows no clock: the same events give the same answers, so alerts are the same in every replay. For that, a
state is in force only for pictures that were taken `TAKES_EFFECT_US` after it was told: by then whoever works
on them live has heard of it, too.

Silence is told apart from what Kafka has compacted away: after an hour it keeps a camera's newest event
alone.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from streams.messages.camera_truth import SILENT_S, CameraTruth, time_us

UNKNOWN: Final = "unknown"
"""Nobody has told."""
TAKES_EFFECT_US: Final = 2_000_000
SILENT_US: Final = round(SILENT_S * 1e6)
CAMERAS_MAX: Final = 10_000
"""Who may write the topic can make cameras up without end: of further ones nothing is known."""
SPANS_MAX: Final = 1_000
"""Of each camera; the oldest are forgotten."""


class _Span(NamedTuple):
    """A time in which a camera told the same state, without a silence."""

    from_us: int
    heard_us: int
    """When it was told last."""
    state: str
    whole: bool
    """Whether nothing that was told before it is missing."""


class TruthTimeline:
    """Of all cameras."""

    def __init__(self) -> None:
        self._spans: dict[str, list[_Span]] = {}

    def add(self, truth: CameraTruth, *, whole: bool = True) -> None:
        """Takes an event, in its camera's order. ``whole``: none of them was compacted away before it."""
        spans = self._spans.get(truth.camera_id)
        if spans is None:
            if len(self._spans) >= CAMERAS_MAX:
                return
            spans = self._spans[truth.camera_id] = []
        at_us = time_us(truth.at)
        while spans and spans[-1].from_us >= at_us:  # its clock was set back: what it told is now to come
            spans.pop()
        last = spans[-1] if spans else None
        if last and whole and last.state == truth.state and at_us - last.heard_us <= SILENT_US:
            spans[-1] = last._replace(heard_us=at_us)
            return
        spans.append(_Span(at_us, at_us, truth.state, whole))
        del spans[:-SPANS_MAX]

    def at(self, camera_id: str, captured_at_us: int) -> str:
        """The state in force for a picture; ``unknown`` where nobody has told, ``lost`` after a silence."""
        spans = self._spans.get(camera_id, [])
        told_us = captured_at_us - TAKES_EFFECT_US
        place = bisect_right(spans, told_us, key=lambda span: span.from_us)
        if not place:
            return UNKNOWN
        if told_us - spans[place - 1].heard_us <= SILENT_US:
            return spans[place - 1].state
        return "lost" if place == len(spans) or spans[place].whole else UNKNOWN
