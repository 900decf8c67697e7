import numpy as np
import pytest

from models.faces.align import align
from models.faces.canonical import CANONICAL
from models.faces.landmark_set import ALL, LandmarkSet
from models.samples.landmark_noise import covariance

FEW = LandmarkSet("few", np.array([1, 33, 61, 263, 291], dtype=np.int32))


def test_white_noise_is_independent() -> None:
    np.testing.assert_allclose(covariance(FEW, 0.5, 0.0), 0.25 * np.eye(15))


def test_kinds_add_up_and_a_part_is_a_part_of_the_whole() -> None:
    both = covariance(FEW, 0.1, 0.2)
    np.testing.assert_allclose(both, covariance(FEW, 0.1, 0.0) + covariance(FEW, 0.0, 0.2))
    rows = (3 * FEW.indices[:, None] + np.arange(3)).ravel()
    np.testing.assert_array_equal(both, covariance(ALL, 0.1, 0.2)[np.ix_(rows, rows)])


def test_smooth_noise_moves_neighbours_together_and_is_about_as_large_as_asked() -> None:
    smooth = covariance(ALL, 0.0, 1.0)
    deviation = np.sqrt(np.diag(smooth)).reshape(468, 3)
    assert np.sqrt(np.mean(deviation**2)) == pytest.approx(1, abs=0.2)
    assert (deviation.mean(axis=0)[[1, 0]] > deviation.mean(axis=0)[[0, 2]]).all()  # y > x > z
    correlation = smooth / np.outer(deviation, deviation)
    distance = np.linalg.norm(CANONICAL[:, None] - CANONICAL, axis=2)
    of_x = correlation[0::3, 0::3]
    near, far = (distance > 0) & (distance < 0.05), (distance > 0.9)
    assert of_x[near].mean() > 0.9
    assert of_x[far].mean() < 0


def test_alignment_takes_nothing_more_out_of_smooth_noise() -> None:
    values, vectors = np.linalg.eigh(covariance(ALL, 0.0, 0.001))
    rng = np.random.default_rng(0)
    noise = (vectors * np.sqrt(np.maximum(values, 0))) @ rng.normal(size=(1404, 20))
    faces = (CANONICAL + noise.T.reshape(-1, 468, 3)).astype(np.float32)
    change = align(faces * np.float32(100)).points - align(CANONICAL[None] * np.float32(100)).points
    np.testing.assert_allclose(change, faces - CANONICAL, atol=1e-4)
