"""The watch between the reading thread and the event loop."""

import numpy as np
import pytest

from models.staged import camera_scenes
from workers.truth import truth_watch
from workers.truth.scene import UsualScenes
from workers.truth.truth_watch import LOOK_EVERY_S, LOOK_SELDOM_S, Luma, TruthWatch


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def gmtime(self) -> object:
        return type("", (), {"tm_hour": 9})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(truth_watch, "time", clock)
    return clock


@pytest.mark.parametrize(("seldom", "interval_s"), [(False, LOOK_EVERY_S), (True, LOOK_SELDOM_S)])
def test_a_picture_is_asked_for_only_when_it_is_time(clock: Clock, seldom: bool, interval_s: float) -> None:
    watch, asked = TruthWatch(30.0), []

    def luma() -> Luma:
        asked.append(clock.now_s)
        return np.full((36, 64), 128, np.uint8), False

    for _ in range(100):
        watch.look(luma, 0.0, seldom=seldom)
        clock.now_s += 0.1

    assert len(asked) == pytest.approx(10 / interval_s, abs=1)


def test_frozen_is_told_between_two_looks(clock: Clock) -> None:
    watch = TruthWatch(3.0)
    picture = camera_scenes.place(1).astype(np.uint8)
    for step in range(40):
        watch.look(lambda: (picture, False), step / 10, seldom=True)
        clock.now_s += 0.1

    found = watch.finding()
    assert found
    assert found[0].state == "frozen"
    assert found[1] == pytest.approx(4.0)
    watch.look(lambda: (picture, False), 0.0, seldom=True)
    found = watch.finding()
    assert found
    assert found[0].state == "ok"


def test_what_an_earlier_run_has_learnt_does_not_replace_what_this_one_knows(clock: Clock) -> None:
    watch = TruthWatch(30.0)
    watch.remember(UsualScenes({1: b"a", 2: b"b"}))
    watch.remember(UsualScenes({2: b"old", 3: b"c"}))
    learnt = watch.usual()
    learnt.by_hour.clear()

    assert watch.usual().by_hour == {1: b"a", 2: b"b", 3: b"c"}
    assert watch.finding() is None
    watch.lost()
    assert watch.finding()
    assert clock.now_s == 100.0
