"""Where on the curve of accuracy against balance a network is used: a bias, and when to say nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.training.calibration import min_confidence
from models.training.network import softmax

F32 = NDArray[np.float32]

ACCURATE: Final = "accurate"
BALANCED: Final = "balanced"

_TAUS: Final = np.arange(0, 2.01, 0.05)
_GREATEST_LOSS: Final = 0.02  # of accuracy, where the stated one cannot be had


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """What is added to the logits, and the confidence below which the answer is not to be given."""

    bias: F32  # [C]
    min_confidence: float


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


def to_json(points: Mapping[str, OperatingPoint]) -> str:
    """{name: {"bias": [C numbers], "min_confidence": number}}; float32 values come back as they were."""
    return json.dumps(
        {
            name: {"bias": point.bias.tolist(), "min_confidence": point.min_confidence}
            for name, point in points.items()
        }
    )


def from_json(text: str, classes: int) -> dict[str, OperatingPoint]:
    """Raises ValueError when the text is not what `to_json` writes for so many classes."""
    try:
        points = {
            str(name): OperatingPoint(np.array(point["bias"], np.float32), float(point["min_confidence"]))
            for name, point in json.loads(text).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"these are no operating points: {exc!r}") from exc
    for name, point in points.items():
        if point.bias.shape != (classes,) or not np.isfinite(point.bias).all():
            raise ValueError(f"operating point {name!r}: the bias must be {classes} finite numbers")
        if not 0 <= point.min_confidence <= 1:
            raise ValueError(f"operating point {name!r}: min_confidence must lie in [0, 1]")
    if ACCURATE not in points:
        raise ValueError(f"there is no operating point {ACCURATE!r} among {sorted(points)}")
    return points


def _accuracy_and_balance(logits: F32, label: NDArray[np.int32]) -> tuple[float, float]:
    right = logits.argmax(axis=1) == label
    return float(right.mean()), float(np.mean([right[label == one].mean() for one in np.unique(label)]))
