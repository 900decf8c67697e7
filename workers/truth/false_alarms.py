"""How often a camera's state is told rightly, and how often for nothing: on made-up scenes, for the bench."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Final, NamedTuple

from models.staged import camera_scenes
from models.staged.camera_scenes import HAPPENINGS, SECONDS, Happening
from workers.truth.small_grey import small_grey
from workers.truth.truth_judge import TruthJudge

HOUR: Final = 12


class Trial(NamedTuple):
    """One happening at all places."""

    happening: Happening
    right: int
    """Cameras of which the state was told that should be, and no other."""
    cameras: int
    told: dict[str, int]
    """State → cameras of which it was told, ``ok`` left out."""


def trials(places: Sequence[int], step_s: float = 1.0) -> Iterator[Trial]:
    """Lets everything happen at these places, one after the other."""
    for happening in HAPPENINGS:
        told: dict[str, int] = {}
        right = 0
        for number in places:
            states = told_of(happening, number, step_s)
            right += states == ({happening.state} - {"ok"})
            for state in sorted(states):
                told[state] = told.get(state, 0) + 1
        yield Trial(happening, right, len(places), told)


def told_of(happening: Happening, number: int, step_s: float = 1.0) -> set[str]:
    """The states, other than ok, that are told while it happens at a place, after as long in peace."""
    judge = deepcopy(_after_peace(number, step_s))
    return _told(judge, happening, number, SECONDS, step_s) - {"ok"}


@lru_cache(maxsize=64)
def _after_peace(number: int, step_s: float) -> TruthJudge:
    judge = TruthJudge(frozen_s=30.0)
    _told(judge, HAPPENINGS[0], number, 0, step_s)
    return judge


def _told(judge: TruthJudge, happening: Happening, number: int, from_s: int, step_s: float) -> set[str]:
    found: set[str] = set()
    for at_s, picture in camera_scenes.pictures(happening, number, from_s, step_s):
        now_s = from_s + at_s
        judge.see(small_grey(picture), now_s, HOUR)
        if finding := judge.finding(now_s):
            found.add(finding.state)
    return found
