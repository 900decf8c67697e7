"""Chooses the operating points of a trained network on held-out faces."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.emotion.operating_points import ACCURATE, BALANCED, OperatingPoint
from models.emotion.probabilities import softmax
from models.training.calibration import min_confidence

_TAUS: Final = np.arange(0, 2.01, 0.05)
_GREATEST_LOSS: Final = 0.02  # of accuracy, where the stated one cannot be had


def choose(
    logits: F32, label: NDArray[np.int32], prior: F32, min_precision: float, min_accuracy: float
) -> dict[str, OperatingPoint]:
    """`accurate`, without a bias, and `balanced`, from held-out faces: logits [N, C], labels [N].

    The bias of `balanced` is -τ · log prior [C] (A. Menon et al., "Long-tail learning via logit adjustment",
    ICLR 2021), its mean taken off. τ is the one with the best balanced accuracy among those that keep
    `min_accuracy`; where none does, among those that lose at most 0.02 of the accuracy. The least confidence
    is the one from which at least `min_precision` of the answers are right.
    """
    surprise = -np.log(np.maximum(prior, 1e-6))
    biases = [(tau * (surprise - surprise.mean())).astype(np.float32) for tau in _TAUS]
    scores = [_accuracy_and_balance(logits + bias, label) for bias in biases]
    least = min_accuracy
    if max(accuracy for accuracy, _ in scores) < min_accuracy:
        least = scores[0][0] - _GREATEST_LOSS
    able = [i for i, (accuracy, _) in enumerate(scores) if accuracy >= least]
    best = max(able, key=lambda i: scores[i][1])
    return {
        name: OperatingPoint(bias, min_confidence(softmax(logits + bias), label, min_precision))
        for name, bias in ((ACCURATE, biases[0]), (BALANCED, biases[best]))
    }


def _accuracy_and_balance(logits: F32, label: NDArray[np.int32]) -> tuple[float, float]:
    right = logits.argmax(axis=1) == label
    return float(right.mean()), float(np.mean([right[label == one].mean() for one in np.unique(label)]))
