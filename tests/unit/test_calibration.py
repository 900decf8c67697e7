import numpy as np
import pytest

from models.calibration import expected_calibration_error, min_confidence, temperature


def test_temperature_recovers_the_factor_that_made_logits_overconfident() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (20_000, 4))
    chance = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    label = (rng.random((len(chance), 1)) > chance.cumsum(axis=1)).sum(axis=1).astype(np.int32)
    assert temperature((3 * honest).astype(np.float32), label) == pytest.approx(3, rel=0.1)
    assert temperature((honest / 2).astype(np.float32), label) == pytest.approx(0.5, rel=0.1)


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
