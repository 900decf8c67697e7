"""The One Euro filter: still points stay, jitter shrinks, movement is not held back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.faces.canonical import CANONICAL
from models.faces.engine import Landmarks
from models.faces.landmark_smoothing import Smoothed, smooth
from models.faces.quality import inter_ocular_px

START_US = 1_800_000_000_000_000


def face(x_px: float = 300.0, size: float = 60.0) -> Landmarks:
    return (CANONICAL * size + [x_px, 200, 0]).astype(np.float32)


def through(frames: list[Landmarks], fps: float = 10.0) -> list[Landmarks]:
    state: Smoothed | None = None
    out = []
    for i, landmarks in enumerate(frames):
        state = smooth(state, landmarks, START_US + round(i * 1e6 / fps))
        out.append(state.landmarks_px)
    return out


@given(st.integers(1, 30), st.floats(1, 60), st.floats(10, 400))
def test_what_stands_still_is_not_moved(frames: int, fps: float, size: float) -> None:
    still = face(size=size)
    for landmarks in through([still] * frames, fps):
        assert np.allclose(landmarks, still, atol=1e-3)
        assert landmarks.dtype == np.float32


@pytest.mark.parametrize("size", [15.0, 60.0, 200.0])
@pytest.mark.parametrize(("fps", "share"), [(10, 0.5), (30, 0.25)])
def test_the_variance_of_jitter_shrinks(fps: float, share: float, size: float) -> None:
    """Noise of half a percent of the inter-ocular distance; near and far faces alike."""
    rng = np.random.default_rng(4)
    noise_px = 0.005 * inter_ocular_px(face(size=size))
    noisy = [(face(size=size) + rng.normal(0, noise_px, (468, 3))).astype(np.float32) for _ in range(80)]
    smoothed = through(noisy, fps)[20:]
    assert np.var(np.array(smoothed) - face(size=size)) < share * noise_px**2


@pytest.mark.parametrize("fps", [10.0, 30.0])
@pytest.mark.parametrize("speed", [1.0, 4.0])  # inter-ocular distances per second
def test_a_moving_face_lags_by_less_than_a_fortieth_of_a_second(fps: float, speed: float) -> None:
    step_px = speed * inter_ocular_px(face()) / fps
    frames = [face(300 + i * step_px) for i in range(40)]
    behind_px = (frames[-1] - through(frames, fps)[-1])[:, 0]
    assert (behind_px >= -1e-3).all()
    assert behind_px.max() / (step_px * fps) < 0.025


def test_a_jump_is_nearly_there_in_two_frames() -> None:
    before, after = face(300), face(330)
    out = through([before] * 10 + [after] * 3)
    assert np.abs(out[11] - after).max() < 0.05 * 30
    assert np.abs(out[10] - after).max() < 0.25 * 30


@given(st.lists(st.floats(0, 600), min_size=2, max_size=20))
def test_it_never_overshoots(xs: list[float]) -> None:
    out = through([face(x) for x in xs])
    centres = [float(landmarks[:, 0].mean()) - float(face(0)[:, 0].mean()) for landmarks in out]
    assert min(xs) - 0.1 <= min(centres)
    assert max(centres) <= max(xs) + 0.1


@pytest.mark.parametrize("step_us", [0, -1, -5_000_000])
def test_a_frame_that_is_not_newer_starts_over(step_us: int) -> None:
    state = smooth(smooth(None, face(300), START_US), face(310), START_US + 100_000)
    again = smooth(state, face(400), state.at_us + step_us)
    assert np.array_equal(again.landmarks_px, face(400))
    assert not again.velocity.any()


def test_after_a_long_gap_the_new_place_counts() -> None:
    state = smooth(None, face(300), START_US)
    after = smooth(state, face(500), START_US + 10_000_000)
    assert math.isclose(float(after.landmarks_px[0, 0]), float(face(500)[0, 0]), abs_tol=5.0)
