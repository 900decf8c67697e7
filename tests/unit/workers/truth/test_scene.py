"""A scene is known again in another light, and another one is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.staged import camera_scenes
from workers.truth import scene
from workers.truth.scene import VALUES, UsualScenes
from workers.truth.small_grey import small_grey
from workers.truth.truth_judge import MOVED_LIKENESS

RNG = np.random.default_rng(3)


def seen(number: int, gain: float = 1.0, level: float = 0.0) -> scene.F32:
    picture = camera_scenes.place(number) * np.float32(gain) + np.float32(level)
    return scene.describe(small_grey(camera_scenes.as_seen(picture, RNG)))


def known(*numbers: int) -> UsualScenes:
    usual = UsualScenes({})
    for hour, number in enumerate(numbers):
        usual.learn(hour, seen(number), 1.0)
    return usual


@pytest.mark.parametrize(("gain", "level"), [(1, 0), (0.3, 0), (0.5, 100), (-1, 255)])
def test_the_same_place_in_another_light(gain: float, level: float) -> None:
    likeness = known(2).likeness(seen(2, gain, level))

    assert likeness is not None
    assert likeness > 0.8


def test_another_place_is_not_like_any_that_is_known() -> None:
    likeness = known(1, 2, 3).likeness(seen(4))

    assert likeness is not None
    assert likeness < MOVED_LIKENESS
    assert UsualScenes({}).likeness(seen(1)) is None


def test_what_is_usual_follows_slowly() -> None:
    usual = known(1)
    before = usual.likeness(seen(2)) or 0.0
    for _ in range(3):
        usual.learn(0, seen(2), 0.2)
    follows = usual.likeness(seen(2)) or 0.0

    assert before < follows < 0.9
    assert (usual.likeness(seen(1)) or 0.0) > 0.4


def test_a_picture_without_an_edge_is_like_nothing() -> None:
    flat = scene.describe(np.full((180, 320), 90, np.uint8))

    assert not flat.any()
    assert known(1).likeness(flat) == 0.0


def test_it_is_packed_and_comes_back() -> None:
    usual = known(1, 2)

    back = scene.unpack(scene.pack(usual))

    assert back == usual
    assert len(scene.pack(usual)) < 2 * (VALUES + 20) + 100


@given(st.binary(max_size=60) | st.integers(-9, 99).map(lambda hour: scene.pack(UsualScenes({hour: b"x"}))))
def test_what_is_no_scene_is_none(packed: bytes) -> None:
    assert scene.unpack(packed) in (None, UsualScenes({}))
