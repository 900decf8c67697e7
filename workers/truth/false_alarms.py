"""How often a camera's state is told rightly, and how often for nothing: on made-up scenes, for the bench."""

from collections.abc import Iterator, Sequence
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
    """The states, other than ok, that are told while it happens at a place."""
    judge = TruthJudge(frozen_s=30.0)
    for at_s, picture in camera_scenes.pictures(HAPPENINGS[0], number, 1, step_s):
        judge.see(small_grey(picture, black_is_16=False), at_s, HOUR)
    found: set[str] = set()
    for at_s, picture in camera_scenes.pictures(happening, number, 2, step_s):
        now_s = SECONDS + at_s
        judge.see(small_grey(picture, black_is_16=False), now_s, HOUR)
        finding = judge.finding(now_s)
        if finding is not None:
            found.add(finding.state)
    return found - {"ok"}
