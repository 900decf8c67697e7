"""The watch between the reading thread and the event loop."""

from contextlib import suppress

import numpy as np
import pytest

from models.faces.pictures import PictureRefused, Plane
from models.staged import camera_scenes
from workers.truth import truth_watch
from workers.truth.scene import UsualScenes
from workers.truth.truth_watch import LOOK_EVERY_S, LOOK_SELDOM_S, TruthWatch


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

    def luma() -> Plane:
        asked.append(clock.now_s)
        return camera_scenes.place(1).astype(np.uint8)

    for _ in range(600):
        watch.look(luma, 0.0, seldom=seldom)
        clock.now_s += 0.1

    assert len(asked) == pytest.approx(60 / interval_s, abs=1)


def test_what_seems_amiss_is_looked_at_as_often_as_can_be(clock: Clock) -> None:
    watch, told_at_s = TruthWatch(30.0), []
    for _ in range(200):
        watch.look(lambda: np.full((36, 64), 5, np.uint8), 0.0, seldom=True)
        found = watch.finding()
        if found and found[0].state == "dark":
            told_at_s.append(clock.now_s)
        clock.now_s += 0.1

    assert told_at_s[0] == pytest.approx(100 + LOOK_EVERY_S, abs=0.2)


def test_a_broken_picture_is_not_tried_again_at_once(clock: Clock) -> None:
    watch, asked = TruthWatch(30.0), []

    def luma() -> Plane:
        asked.append(clock.now_s)
        raise PictureRefused("corrupt", "broken")

    for _ in range(100):
        with suppress(PictureRefused):
            watch.look(luma, 0.0, seldom=True)
        clock.now_s += 0.1

    assert len(asked) == pytest.approx(10 / LOOK_EVERY_S, abs=1)


def test_frozen_is_told_between_two_looks(clock: Clock) -> None:
    watch = TruthWatch(3.0)
    picture = camera_scenes.place(1).astype(np.uint8)
    for step in range(40):
        watch.look(lambda: picture, step / 10, seldom=True)
        clock.now_s += 0.1

    found = watch.finding()
    assert found
    assert found[0].state == "frozen"
    assert found[1] == pytest.approx(4.0)
    watch.look(lambda: picture, 0.0, seldom=True)
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
