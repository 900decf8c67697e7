"""From looks to states: what must last, what goes first, and when it is over."""

from collections.abc import Callable

import numpy as np
import pytest

from models.faces.pictures import Plane
from models.staged import camera_scenes
from workers.truth.small_grey import small_grey
from workers.truth.truth_judge import ACCEPTED_AFTER_S, CLEAR_S, HOLDS_S, TruthJudge

RNG = np.random.default_rng(1)
Pictures = Callable[[], Plane]


def grey(picture: camera_scenes.F32) -> Plane:
    return small_grey(camera_scenes.as_seen(picture, RNG))


def room() -> Plane:
    return grey(camera_scenes.place(1))


def other_room() -> Plane:
    return grey(camera_scenes.place(4))


def dark() -> Plane:
    return grey(camera_scenes.place(1) * np.float32(0.01))


def paper() -> Plane:
    return grey(np.full((360, 640), 200, np.float32))


class Camera:
    """A judge with its clock."""

    def __init__(self, frozen_s: float = 30.0) -> None:
        self.judge = TruthJudge(frozen_s)
        self.now_s = 1000.0
        self.hour = 12

    def sees(self, pictures: Pictures, seconds: float, unchanged_s: float = 0.0, step_s: float = 1.0) -> str:
        """The state after so many seconds."""
        for _ in range(round(seconds / step_s)):
            self.judge.came(unchanged_s, self.now_s)
            self.judge.see(pictures(), self.now_s, self.hour)
            self.now_s += step_s
        return self.state

    @property
    def state(self) -> str:
        found = self.judge.finding(self.now_s)
        return found.state if found else "nothing"

    @property
    def lasted_s(self) -> float:
        found = self.judge.finding(self.now_s)
        assert found
        return self.now_s - found.since_s


def test_nothing_is_told_before_a_picture_came_or_was_missed() -> None:
    assert Camera().state == "nothing"
    camera = Camera()
    camera.judge.lost(camera.now_s)
    assert camera.state == "lost"


@pytest.mark.parametrize(("pictures", "state"), [(dark, "dark"), (paper, "covered")])
def test_a_state_must_last_and_be_gone_for_a_while(pictures: Pictures, state: str) -> None:
    hold_s = HOLDS_S[state]  # type: ignore[index]
    camera = Camera()
    assert camera.sees(room, 10) == "ok"
    assert camera.sees(pictures, hold_s) == "ok"
    assert camera.sees(pictures, 2) == state
    assert camera.lasted_s == hold_s + 2
    assert camera.sees(room, CLEAR_S - 1) == state
    assert camera.sees(room, 2) == "ok"
    assert camera.lasted_s <= 2


def test_a_moment_of_light_does_not_begin_the_dark_anew() -> None:
    camera = Camera()
    camera.sees(dark, 4)
    camera.sees(room, 1)
    camera.sees(dark, 2)
    assert camera.state == "dark"
    assert camera.lasted_s == 7


def test_lost_goes_first_and_ends_with_a_picture() -> None:
    camera = Camera()
    camera.sees(dark, 10)
    camera.judge.lost(camera.now_s)
    camera.now_s += 20
    camera.judge.lost(camera.now_s)  # tried again in vain: since the first time
    assert (camera.state, camera.lasted_s) == ("lost", 20)
    assert camera.sees(room, 1) == "ok"


def test_a_picture_that_stays_the_same_is_frozen_from_when_it_came() -> None:
    camera = Camera(frozen_s=30)
    assert camera.sees(room, 1, unchanged_s=29) == "ok"
    assert camera.sees(room, 1, unchanged_s=31) == "frozen"
    assert camera.lasted_s == 32
    assert Camera(frozen_s=0).sees(room, 1, unchanged_s=1e6) == "ok"


def test_of_a_dark_picture_nobody_can_tell_whether_it_hangs() -> None:
    camera = Camera(frozen_s=30)
    camera.sees(dark, 10)
    assert camera.sees(dark, 1, unchanged_s=60) == "dark"


def test_another_scene_is_moved_and_the_old_one_is_not_unlearnt() -> None:
    camera = Camera()
    assert camera.sees(room, 60) == "ok"
    assert camera.sees(other_room, HOLDS_S["moved"]) == "ok"
    assert camera.sees(other_room, 60) == "moved"
    camera.hour = 13
    assert camera.sees(other_room, 300, step_s=5) == "moved"
    assert camera.sees(room, 60) == "ok"


def test_it_is_moved_after_a_restart_too() -> None:
    before, after = Camera(), Camera()
    before.sees(room, 60)
    after.judge.usual = before.judge.usual
    after.hour = 3
    assert after.sees(other_room, 90) == "moved"


def test_a_scene_that_stays_is_accepted_at_last() -> None:
    camera = Camera()
    camera.sees(room, 60)
    assert camera.sees(other_room, ACCEPTED_AFTER_S, step_s=60) == "moved"
    assert camera.sees(other_room, 300, step_s=60) == "ok"


def test_a_scene_in_the_dark_is_neither_compared_nor_learnt() -> None:
    camera = Camera()
    camera.sees(dark, 600, step_s=5)
    assert camera.judge.usual.by_hour == {}
    camera.sees(room, 60)
    assert list(camera.judge.usual.by_hour) == [12]


@pytest.mark.parametrize(("offset_s", "state"), [(0.9, "ok"), (1.1, "clock-off"), (-5.0, "clock-off")])
def test_a_clock_that_is_off_is_told_at_once_and_over_at_once(offset_s: float, state: str) -> None:
    camera = Camera()
    camera.sees(room, 2)
    camera.judge.clock(offset_s, camera.now_s)
    assert camera.state == state
    assert camera.sees(dark, 10) == "dark"
    assert camera.sees(room, 10) == state
    camera.judge.clock(0.0, camera.now_s)
    assert camera.state == "ok"


def test_measures_stand_behind_it() -> None:
    camera = Camera()
    camera.sees(room, 90, unchanged_s=2.0)
    camera.judge.clock(0.25, camera.now_s)
    found = camera.judge.finding(camera.now_s)

    assert found
    assert set(found.measures) == {
        *("brightness", "contrast", "structure", "sharpness", "likeness", "unchanged_s", "clock_offset_s")
    }
    assert found.measures["likeness"] > 0.9
    assert found.measures["clock_offset_s"] == 0.25
    assert 60 < found.measures["brightness"] < 200
