import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.faces.landmark_set import LandmarkSet
from models.training.shape_modes import (
    features,
    noise_of_features,
    second_moments,
    seen_through,
    shape_modes,
    spread,
    telling_modes,
)

SET = LandmarkSet("few", np.array([1, 33, 61, 152, 263, 291], dtype=np.int32))
PART = LandmarkSet("part", np.array([1, 33, 263], dtype=np.int32))
MIRRORING = np.array([-1, 1, 1], np.float32)
seeds = st.integers(0, 2**32 - 1)


def differences(seed: int, count: int = 200) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(0, 0.1, (18, 18))
    return (rng.normal(0, 1, (count, 18)) @ mix + 0.05).reshape(count, 6, 3).astype(np.float32)


def with_mirror_images(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([faces, faces[:, SET.mirror] * MIRRORING])


@settings(deadline=None)
@given(seeds)
def test_spread_is_that_of_the_faces_and_their_mirror_images(seed: int) -> None:
    faces = differences(seed, 5000 if seed % 2 else 50)
    found, flat = spread(faces, SET.mirror), with_mirror_images(faces).reshape(-1, 18)
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.covariance, np.cov(flat.T, bias=True), atol=1e-4)


@settings(deadline=None)
@given(seeds)
def test_mirroring_a_face_changes_the_sign_of_the_odd_modes(seed: int) -> None:
    faces = differences(seed)
    found = spread(faces, SET.mirror)
    for modes, points in (
        (shape_modes(found, SET.mirror, 6, 4, 0.8), SET),
        (seen_through(shape_modes(found, SET.mirror, 6, 4, 0.8), found, SET, PART, 0.01), PART),
    ):
        some = faces[:, np.isin(SET.indices, points.indices)]
        assert modes.sign.tolist() == [1.0] * 6 + [-1.0] * 4
        mirrored = some[:, points.mirror] * MIRRORING
        np.testing.assert_allclose(features(modes, mirrored), features(modes, some) * modes.sign, atol=1e-3)


@pytest.mark.parametrize("whitening", [0.0, 0.8, 1.0])
def test_features_have_mean_square_one(whitening: float) -> None:
    faces = with_mirror_images(differences(1))
    modes = shape_modes(spread(faces, SET.mirror), SET.mirror, 18, 18, whitening)
    assert len(modes.sign) == 18  # 10 even and 8 odd: two midline points without an odd y or z
    assert np.mean(np.square(features(modes, faces))) == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(features(modes, faces).mean(axis=0), 0, atol=1e-4)


def test_full_whitening_gives_every_mode_unit_variance() -> None:
    faces = with_mirror_images(differences(2))
    modes = shape_modes(spread(faces, SET.mirror), SET.mirror, 18, 18, 1.0)
    np.testing.assert_allclose(features(modes, faces).std(axis=0), 1, rtol=1e-3)


def test_the_strongest_modes_are_kept() -> None:
    faces = with_mirror_images(differences(3))
    few, every = (shape_modes(spread(faces, SET.mirror), SET.mirror, n, n, 0.0) for n in (2, 18))
    ratio = np.linalg.norm(every.basis[:, 0]) / np.linalg.norm(few.basis[:, 0])
    strength = features(every, faces).std(axis=0)
    kept = features(few, faces).std(axis=0) * ratio
    np.testing.assert_allclose(kept, [*strength[:2], *strength[10:12]], rtol=1e-3)
    assert (np.diff(strength[:10]) <= 1e-4).all()


def test_all_points_without_noise_tell_all_modes() -> None:
    faces = differences(4)
    found = spread(faces, SET.mirror)
    modes = shape_modes(found, SET.mirror, 6, 4, 0.8)
    seen = seen_through(modes, found, SET, SET, 0.0)
    np.testing.assert_allclose(features(seen, faces), features(modes, faces), atol=1e-2)


def test_an_estimate_through_fewer_points_is_the_best_linear_one() -> None:
    """Least squares on many faces and their noisy points cannot do better."""
    rng = np.random.default_rng(0)
    faces = with_mirror_images(differences(5, 20000))
    found = spread(faces, SET.mirror)
    modes = shape_modes(found, SET.mirror, 6, 4, 0.8)
    noisy = faces[:, np.isin(SET.indices, PART.indices)] + rng.normal(0, 0.05, (len(faces), 3, 3))
    seen = features(seen_through(modes, found, SET, PART, 0.05), noisy.astype(np.float32))
    flat = np.column_stack([noisy.reshape(len(faces), -1), np.ones(len(faces))])
    best, *_ = np.linalg.lstsq(flat, features(modes, faces), rcond=None)
    truth = features(modes, faces)
    error, least = (np.square(truth - estimate).mean() for estimate in (seen, flat @ best))
    assert error == pytest.approx(least, rel=0.01)
    assert least < 0.9


def test_noise_of_features_is_what_noisy_points_give() -> None:
    rng = np.random.default_rng(1)
    modes = shape_modes(spread(differences(6), SET.mirror), SET.mirror, 6, 4, 0.8)
    root = rng.normal(0, 0.01, (18, 18))
    noise = (rng.normal(size=(50000, 18)) @ root.T).reshape(-1, 6, 3).astype(np.float32)
    expected = np.cov((features(modes, noise) - modes.offset).T)
    factor = noise_of_features(modes, root @ root.T)
    np.testing.assert_allclose(factor.T @ factor, expected, atol=0.03 * np.abs(expected).max())


def test_telling_modes_are_those_that_move_most_for_what_they_do_at_rest() -> None:
    moves = second_moments(differences(2), SET.mirror)
    rest = second_moments(differences(3), SET.mirror) + 1e-3 * np.eye(18)
    modes = telling_modes(moves, rest, SET.mirror, 4, 3, 0.0)
    assert modes.sign.tolist() == [1.0] * 4 + [-1.0] * 3
    ratio = np.diag(modes.basis.T @ moves @ modes.basis) / np.diag(modes.basis.T @ rest @ modes.basis)
    assert (np.diff(ratio[:4]) <= 1e-4 * ratio[0]).all()
    assert (np.diff(ratio[4:]) <= 1e-4 * ratio[0]).all()
    greatest = np.linalg.eigvals(np.linalg.solve(rest, moves)).real.max()
    assert ratio.max() == pytest.approx(greatest, rel=1e-3)
    faces = differences(2)
    mirrored = faces[:, SET.mirror] * MIRRORING
    np.testing.assert_allclose(features(modes, mirrored), features(modes, faces) * modes.sign, atol=1e-2)


def test_second_moments_are_about_zero() -> None:
    faces = differences(4, 50)
    flat = with_mirror_images(faces).reshape(-1, 18)
    np.testing.assert_allclose(second_moments(faces, SET.mirror), flat.T @ flat / len(flat), atol=1e-4)
