"""Faces that do not move by themselves: a poster is told from a person who stands still."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import F32
from models.emotion.stillness import MIN_INTER_OCULAR_PX, StillWatch, distances
from models.faces.canonical import CANONICAL

AFTER_S = 120.0
UPPER_LIDS, LOWER_LIDS = [159, 386], [145, 374]


def face_px(seed: int, inter_ocular_px: float = 60.0, *, closed: bool = False, noise: float = 0.003) -> F32:
    """The mean face with noise, in inter-ocular distances; its lids may be closed."""
    face = CANONICAL.copy()
    if closed:
        face[UPPER_LIDS] = face[LOWER_LIDS] + (face[UPPER_LIDS] - face[LOWER_LIDS]) * 0.3
    face = face + np.random.default_rng(seed).normal(0, noise, face.shape)
    return np.asarray(face * inter_ocular_px + [300, 200, 0], np.float32)


def still_at_s(face_at: Callable[[int], F32], fps: float, seconds: float) -> list[float]:
    """The times at which the face counts as still."""
    watch = StillWatch(AFTER_S)
    return [
        frame / fps
        for frame in range(round(seconds * fps))
        if watch.see([("a", face_at(frame))], round(frame / fps * 1e6))
    ]


@pytest.mark.parametrize("fps", [0.5, 1, 5, 10])
def test_a_poster_is_still_after_the_time_that_is_set(fps: float) -> None:
    found = still_at_s(face_px, fps, 150)

    assert found[0] == pytest.approx(AFTER_S, abs=1 / fps)
    assert len(found) == pytest.approx(30 * fps, abs=2)


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_who_blinks_once_in_a_minute_is_not(fps: int) -> None:
    blink = {60 * fps * n + 7 for n in range(10)}  # in one frame
    found = still_at_s(lambda i: face_px(i, closed=i in blink), fps, 300)

    assert found == []


def test_one_blink_makes_a_still_face_a_living_one_for_as_long_again() -> None:
    found = still_at_s(lambda i: face_px(i, closed=i == 650), 5, 260)

    assert min(found) == AFTER_S
    assert max(t for t in found if t < 200) == pytest.approx(129.8)
    assert min(t for t in found if t > 130) == pytest.approx(130 + AFTER_S)


@given(
    turn_rad=st.floats(-np.pi, np.pi),
    scale=st.floats(0.5, 5),
    shift=st.floats(-1e3, 1e3),
    seed=st.integers(0, 9),
)
def test_a_picture_that_is_carried_about_does_not_move_by_itself(
    turn_rad: float, scale: float, shift: float, seed: int
) -> None:
    turn = np.array(
        [[np.cos(turn_rad), 0, np.sin(turn_rad)], [0, 1, 0], [-np.sin(turn_rad), 0, np.cos(turn_rad)]]
    )
    face = face_px(seed)
    moved = np.asarray(face @ turn.T * scale + shift, np.float32)

    eyes = [float(np.linalg.norm(one[33] - one[263])) for one in (face, moved)]
    assert distances(moved, eyes[1]) == pytest.approx(distances(face, eyes[0]), abs=2e-3)


def test_of_a_face_too_small_to_show_a_blink_nothing_is_said() -> None:
    assert still_at_s(lambda i: face_px(i, MIN_INTER_OCULAR_PX - 1), 2, 200) == []
    assert still_at_s(lambda i: face_px(i, MIN_INTER_OCULAR_PX + 2, noise=0.001), 2, 200) != []


def test_light_that_fades_is_no_movement() -> None:
    def slowly_other(frame: int) -> F32:
        face = face_px(frame, noise=0.001)
        face[LOWER_LIDS, 1] += 60 * 0.0005 * frame / 5  # 0.0005 inter-ocular distances a second
        return face

    assert still_at_s(slowly_other, 5, 130) != []


def test_a_clock_set_back_neither_makes_a_face_still_nor_keeps_it_from_being() -> None:
    watch = StillWatch(AFTER_S)
    times_s = [*range(100), *range(50, 100)]  # 100 s, back by 50, and 50 s more
    found = [bool(watch.see([("a", face_px(i))], (1000 + t) * 10**6)) for i, t in enumerate(times_s)]

    assert found.index(True) == pytest.approx(AFTER_S + 1, abs=2)  # the step back took no time


def test_the_next_worker_goes_on_counting() -> None:
    watch = StillWatch(AFTER_S)
    for i in range(100):
        watch.see([("a", face_px(i)), ("b", face_px(i, closed=i == 60))], i * 10**6)
    next_ = StillWatch(AFTER_S)
    next_.resume({who: watch.moved_us(who) for who in "ab"})

    assert watch.moved_us("b") == 60 * 10**6
    assert watch.moved_us("nobody") == 0
    found = [next_.see([("a", face_px(i)), ("b", face_px(i))], i * 10**6) for i in range(100, 200)]
    assert found[19] == set()
    assert found[20] == {"a"}
    assert found[80] == {"a", "b"}


def test_who_is_forgotten_counts_anew() -> None:
    watch = StillWatch(AFTER_S)
    watch.see([("a", face_px(0)), ("b", face_px(0))], 0)
    watch.keep(["b"])

    assert watch.see([("a", face_px(1)), ("b", face_px(1))], 120 * 10**6) == {"b"}
