"""What a probability is worth: calibration, and the confidence below which to abstain."""

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def temperature(logits: F32, label: NDArray[np.int32]) -> np.float32:
    """What to divide logits [N, C] by for the least log loss on labels [N], between 0.2 and 5.

    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def loss(candidate: float) -> float:
        z = logits.astype(np.float64) / candidate
        z -= z.max(axis=1, keepdims=True)
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), label]).mean())

    return np.float32(min(np.geomspace(0.2, 5, 200), key=loss))


def expected_calibration_error(probabilities: F32, label: NDArray[np.int32], bins: int = 15) -> float:
    """Mean gap of confidence and accuracy over bins of equal width, weighted by their faces (Guo, 2017)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(which, right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(label))


def min_confidence(probabilities: F32, label: NDArray[np.int32], min_precision: float) -> float:
    """The least confidence, in hundredths, from which at least `min_precision` of the answers are right.

    0 when all of the answers together are that good, so that nothing is abstained from; 0.99 when no
    threshold reaches it.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    for hundredths in range(99):
        answered = confidence >= hundredths / 100
        if answered.any() and right[answered].mean() >= min_precision:
            return hundredths / 100
    return 0.99
