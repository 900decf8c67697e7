"""Chooses the operating points of a trained network on held-out faces."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.emotion.operating_points import ACCURATE, BALANCED, OWN, WATCHFUL, OperatingPoint
from models.emotion.probabilities import softmax
from models.samples.dataset import EMOTIONS
from models.training.calibration import min_confidence

_TAUS: Final = np.arange(0, 2.01, 0.05)
_GREATEST_LOSS: Final = 0.02  # of accuracy, where the stated one cannot be had


class FalseAlarms(NamedTuple):
    """Shares of neutral faces that may be named otherwise."""

    quiet: float
    speech: float
    blink: float
    watchful: float  # of quiet ones, at the point `watchful`


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


def choose_own(
    logits: F32, label: NDArray[np.int32], tag: NDArray[np.str_], limits: FalseAlarms, min_precision: float
) -> dict[str, OperatingPoint]:
    """`own` and `watchful` for a network that knows the subject's neutral face, from held-out warped faces.

    All emotions are equally likely beforehand; the bias is on neutral alone, and the smallest with which no
    more neutral faces than `limits` allows are named otherwise: at rest (`tag` [N] ""), speaking and blinking
    for `own`, at rest for `watchful`. Logits [N, C], labels [N]. The least confidence is the one from which
    `min_precision` of the answers are right that name an emotion other than neutral.
    """
    neutral = label == EMOTIONS.index("neutral")
    kinds = {
        OWN: (("", limits.quiet), ("speech", limits.speech), ("blink", limits.blink)),
        WATCHFUL: (("", limits.watchful),),
    }
    points = {}
    for name, shares in kinds.items():
        enough = max(_neutral_bias(logits[neutral & (tag == one)], share) for one, share in shares)
        bias = np.zeros(logits.shape[1], np.float32)
        bias[EMOTIONS.index("neutral")] = enough
        probabilities = softmax(logits + bias)
        named = probabilities.argmax(axis=1) != EMOTIONS.index("neutral")
        points[name] = OperatingPoint(bias, min_confidence(probabilities[named], label[named], min_precision))
    return points


def _neutral_bias(logits: F32, share: float) -> float:
    """The smallest bias on neutral, in hundredths and not below 0, with which at most this share of neutral
    faces [N, C] get another name."""
    if not len(logits):
        return 0.0
    lead = np.sort(logits[:, 1:].max(axis=1) - logits[:, 0])[::-1]
    allowed = int(share * len(lead) + 1e-9)
    needed = lead[allowed] if allowed < len(lead) else 0.0
    return max(0.0, float(np.floor(100 * needed) + 1) / 100)


def _accuracy_and_balance(logits: F32, label: NDArray[np.int32]) -> tuple[float, float]:
    right = logits.argmax(axis=1) == label
    return float(right.mean()), float(np.mean([right[label == one].mean() for one in np.unique(label)]))
