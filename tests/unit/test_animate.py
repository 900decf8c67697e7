"""Frames of the demo's camera: what they are made from, and their determinism."""

import numpy as np
import pytest

from models.animate import Animation
from models.scripts import EXPRESSIONS, SCRIPTS, find_script, truth_at


@pytest.mark.parametrize("name", ["cycle", "far", "crowd"])
@pytest.mark.parametrize("size_px", [(640, 480), (321, 200)])
def test_frames_are_rgb_of_the_size_asked_for(name: str, size_px: tuple[int, int]) -> None:
    frame = Animation(find_script(name), 10, size_px).frame(3)
    assert frame.shape == (size_px[1], size_px[0], 3)
    assert frame.dtype == np.uint8


def test_a_frame_follows_from_index_and_seed_alone() -> None:
    script = SCRIPTS["cycle"]
    one, again, other = (Animation(script, 10, (320, 240), seed=s) for s in (1, 1, 2))
    first = one.frame(30)
    one.frame(55)
    assert np.array_equal(one.frame(30), first)
    assert np.array_equal(again.frame(30), first)
    assert abs(other.frame(30).astype(int) - first).mean() > 3
    assert not np.array_equal(one.frame(31), first)  # noise and motion, also while an expression is held


def test_truth_is_that_of_the_script() -> None:
    animation = Animation(SCRIPTS["cycle"], 5, (320, 240), seed=3)
    truths = [animation.truth(i) for i in range(80)]
    assert truths == [truth_at(SCRIPTS["cycle"], i, 5) for i in range(80)]
    assert set(truths) == {None, "neutral", *EXPRESSIONS}


def test_crowd_shows_two_different_pictures() -> None:
    frame = Animation(SCRIPTS["crowd"], 10, (320, 240)).frame(5).astype(int)
    assert abs(frame[:, :160] - frame[:, 160:]).mean() > 3


@pytest.mark.parametrize(("fps", "size_px", "message"), [(0, (640, 480), "fps"), (10, (640, 8), "640×8")])
def test_impossible_cameras_are_refused(fps: float, size_px: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Animation(SCRIPTS["calm"], fps, size_px)
