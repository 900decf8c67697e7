"""Frames of the demo's camera: what they are made from, and their determinism."""

import cv2
import numpy as np
import pytest

from models.staged.animate import Animation
from models.staged.expression_scripts import EXPRESSIONS, SCRIPTS, find_script, truth_at


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


def test_every_frame_has_its_own_noise() -> None:
    animation = Animation(SCRIPTS["calm"], 1000, (320, 240))
    now, next_ms = (animation.frame(i).astype(int) for i in (0, 1))
    noise = next_ms[:20, :20] - now[:20, :20]
    assert 0.5 < noise.std() < 5
    assert abs(noise.mean()) < 1


def test_the_head_sways_before_a_still_background() -> None:
    animation = Animation(SCRIPTS["calm"], 10, (320, 240))
    # The light, which changes too, is divided out; the blur removes the noise.
    now, later = (
        cv2.blur(f / f[:20, :20].mean(), (3, 3)) for f in (animation.frame(20), animation.frame(50))
    )
    change = abs(later - now).mean(2)
    assert change[60:160, 110:210].mean() > 0.02
    assert change[:200, :20].mean() < 0.02


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
