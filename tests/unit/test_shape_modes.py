import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.landmark_set import LandmarkSet
from models.shape_modes import features, shape_modes

SET = LandmarkSet("few", np.array([1, 33, 61, 152, 263, 291], dtype=np.int32))
seeds = st.integers(0, 2**32 - 1)


def differences(seed: int, count: int = 200) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(0, 0.1, (18, 18))
    return (rng.normal(0, 1, (count, 18)) @ mix + 0.05).reshape(count, 6, 3).astype(np.float32)


@settings(deadline=None)
@given(seeds)
def test_mirroring_a_face_changes_the_sign_of_the_odd_modes(seed: int) -> None:
    faces = differences(seed)
    modes = shape_modes(faces, SET.mirror, 6, 4, 0.8)
    mirrored = faces[:, SET.mirror] * np.array([-1, 1, 1], np.float32)
    assert {1.0, -1.0} == set(modes.sign)
    np.testing.assert_allclose(features(modes, mirrored), features(modes, faces) * modes.sign, atol=1e-4)


@pytest.mark.parametrize("whitening", [0.0, 0.8, 1.0])
def test_features_have_mean_square_one_and_noise_scales_as_told(whitening: float) -> None:
    faces = differences(1)
    modes = shape_modes(faces, SET.mirror, 18, 18, whitening)
    assert len(modes.sign) == 18  # 10 even and 8 odd: two midline points without an odd y or z
    assert np.mean(np.square(features(modes, faces))) == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(np.linalg.norm(modes.basis, axis=0), modes.scale, rtol=1e-4)


def test_full_whitening_gives_every_mode_unit_variance() -> None:
    faces = differences(2)
    both = np.concatenate([faces, faces[:, SET.mirror] * np.array([-1, 1, 1], np.float32)])
    modes = shape_modes(faces, SET.mirror, 18, 18, 1.0)
    np.testing.assert_allclose(features(modes, both).std(axis=0), 1, rtol=1e-3)


def test_the_strongest_modes_are_kept() -> None:
    faces = differences(3)
    few, every = (shape_modes(faces, SET.mirror, n, n, 0.0) for n in (2, 18))
    strength = features(every, faces).std(axis=0)
    kept = features(few, faces).std(axis=0) * few.scale[0] ** -1 * every.scale[0]
    np.testing.assert_allclose(kept[:2], strength[every.sign > 0][:2], rtol=1e-3)
