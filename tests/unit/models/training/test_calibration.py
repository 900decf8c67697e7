import numpy as np
import pytest
from numpy.typing import NDArray

from models.training.calibration import (
    even_temperature,
    expected_calibration_error,
    min_confidence,
    vector_scaling,
)


def drawn(logits: NDArray[np.float64], seed: int = 0) -> NDArray[np.int32]:
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    some = np.random.default_rng(seed).random((len(chance), 1))
    return (some > chance.cumsum(axis=1)).sum(axis=1).astype(np.int32)


@pytest.mark.parametrize("factor", [3.0, 1.0, 0.5])
def test_vector_scaling_recovers_what_made_logits_wrong(factor: float) -> None:
    honest = np.random.default_rng(1).normal(0, 1.5, (60_000, 4))
    bias = np.array([0.5, -0.2, 0.0, -0.3])
    scale, found = vector_scaling((factor * (honest - bias)).astype(np.float32), drawn(honest))
    assert scale == pytest.approx(1 / factor, rel=0.1)
    np.testing.assert_allclose(found - found.mean(), bias, atol=0.1)


def test_few_faces_decide_little_and_a_class_without_a_face_stays() -> None:
    logits = np.zeros((3, 4), np.float32)
    _, found = vector_scaling(logits, np.array([0, 0, 1], np.int32))
    assert np.abs(found).max() < 0.01
    assert found.argmax() == 0
    many = np.zeros((30_000, 4), np.float32)
    _, of_many = vector_scaling(many, np.tile(np.array([0, 0, 1], np.int32), 10_000))
    assert of_many[0] - of_many[3] > 1


@pytest.mark.parametrize(
    ("confidence", "right", "error"),
    [([0.8] * 10, [True] * 8 + [False] * 2, 0.0), ([0.9] * 4, [True, True, False, False], 0.4)],
)
def test_expected_calibration_error(confidence: list[float], right: list[bool], error: float) -> None:
    probabilities = np.array([[c, 1 - c] for c in confidence])
    label = np.where(right, 0, 1).astype(np.int32)
    assert expected_calibration_error(probabilities, label) == pytest.approx(error)


@pytest.mark.parametrize(
    ("min_precision", "threshold"),
    [
        (0.5, 0.0),  # all answers together are right 3 times of 4
        (0.9, 0.61),  # without the one at 0.6, which is wrong, all are
    ],
)
def test_min_confidence(min_precision: float, threshold: float) -> None:
    confidence = np.array([0.6, 0.7, 0.8, 0.9])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    label = np.array([1, 0, 0, 0], dtype=np.int32)
    assert min_confidence(probabilities, label, min_precision) == threshold


def test_min_confidence_without_a_good_threshold() -> None:
    probabilities = np.array([[0.7, 0.3], [0.9, 0.1]])
    assert min_confidence(probabilities, np.array([1, 1], dtype=np.int32), 0.9) == 0.99


@pytest.mark.parametrize("factor", [3.0, 1.0, 0.5])
def test_a_temperature_does_not_care_how_frequent_a_class_is(factor: float) -> None:
    honest = np.random.default_rng(1).normal(0, 1.5, (60_000, 4))
    label = drawn(honest)
    many = np.concatenate([np.arange(len(label)), *[np.flatnonzero(label == 0)] * 5])
    scales = [
        even_temperature((factor * honest[rows]).astype(np.float32), label[rows])
        for rows in (slice(None), many)
    ]
    assert scales[0] == pytest.approx(1 / factor, rel=0.05)
    assert scales[1] == pytest.approx(scales[0], rel=0.01)
