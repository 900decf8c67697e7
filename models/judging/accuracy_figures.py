"""How good the answers are: figures of probabilities against labels.

Every figure is None where it means nothing (no such face, nobody answered). All means "over classes" are over
the classes that have labelled faces: a class nobody shows has no recall.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, I32
from models.training.calibration import expected_calibration_error

RELIABILITY_BINS: Final = 15
_LEAST_IN_LOSS: Final = (
    1e-6  # what a probability counts as in the log loss: one sure mistake must not be all of it
)


class ClassFigures(msgspec.Struct, frozen=True):
    """One class against all others, which an answer names or does not name."""

    faces: int
    recall: float | None
    precision: float | None
    f1: float | None
    one_vs_rest_accuracy: float
    auc: float | None  # area under the ROC curve of the class's probability; ties count half


class Answered(msgspec.Struct, frozen=True):
    """What is left when answers below a confidence are withheld."""

    min_confidence: float
    coverage: float  # the share of the faces with an answer
    accuracy: float | None  # of those


class ReliabilityBin(msgspec.Struct, frozen=True):
    """The faces whose confidence lies in one bin. None in an empty one."""

    faces: int
    confidence: float | None  # mean of its faces
    accuracy: float | None


class Figures(msgspec.Struct, frozen=True):
    """Everything that probabilities and labels tell of a classifier."""

    faces: int
    accuracy: float
    balanced_accuracy: float  # mean recall
    macro_f1: float
    expected_calibration_error: float
    log_loss: float  # mean of -log of the label's probability, which counts as 1e-6 at least
    by_class: dict[str, ClassFigures]
    confusion: list[list[int]]  # a row for each true class, a column for each answer
    answered: Answered  # at the operating point's threshold
    coverage_curve: list[Answered]  # at 0, 0.01, … 1
    reliability: list[ReliabilityBin]


def figures(probabilities: F32, label: I32, classes: tuple[str, ...], min_confidence: float) -> Figures:
    """Figures of probabilities [N, C] against labels [N]; the answer is the most probable class.

    Raises ValueError when there is no face, or the shapes or labels do not fit the classes.
    """
    if probabilities.shape != (len(label), len(classes)):
        raise ValueError(
            f"expected probabilities [{len(label)}, {len(classes)}], not {list(probabilities.shape)}"
        )
    if not len(label):
        raise ValueError("there is no face to evaluate")
    if label.min() < 0 or label.max() >= len(classes):
        raise ValueError(f"labels must lie in 0 to {len(classes) - 1}: leave faces without a majority out")
    matrix = confusion_matrix(probabilities.argmax(axis=1), label, len(classes))
    by_class = {
        name: _class_figures(matrix, index, probabilities[:, index], label)
        for index, name in enumerate(classes)
    }
    recalls = [figure.recall for figure in by_class.values() if figure.recall is not None]
    f1s = [figure.f1 for figure in by_class.values() if figure.f1 is not None]
    return Figures(
        faces=len(label),
        accuracy=float(np.trace(matrix) / len(label)),
        balanced_accuracy=float(np.mean(recalls)),
        macro_f1=float(np.mean(f1s)),
        expected_calibration_error=expected_calibration_error(probabilities, label, RELIABILITY_BINS),
        log_loss=_log_loss(probabilities, label),
        by_class=by_class,
        confusion=matrix.tolist(),
        answered=answered(probabilities, label, min_confidence),
        coverage_curve=[answered(probabilities, label, hundredths / 100) for hundredths in range(101)],
        reliability=reliability(probabilities, label),
    )


def _log_loss(probabilities: F32, label: I32) -> float:
    chosen = probabilities[np.arange(len(label)), label].astype(np.float64)
    return float(-np.log(np.maximum(chosen, _LEAST_IN_LOSS)).mean())


def confusion_matrix(answer: NDArray[np.int64], label: I32, classes: int) -> NDArray[np.int64]:
    """Counts [C, C]: a row for each true class, a column for each answer."""
    counts = np.bincount(label.astype(np.int64) * classes + answer, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def auc(score: F32, positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: how often a positive outscores a negative, a tie counting half.

    The Mann-Whitney statistic with mid-ranks. None when one of the two kinds is missing.
    """
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def answered(probabilities: F32, label: I32, min_confidence: float) -> Answered:
    """Coverage and accuracy when answers less probable than `min_confidence` are withheld."""
    given = probabilities.max(axis=1) >= min_confidence
    right = (probabilities.argmax(axis=1) == label)[given]
    return Answered(min_confidence, float(given.mean()), float(right.mean()) if len(right) else None)


def reliability(probabilities: F32, label: I32) -> list[ReliabilityBin]:
    """Mean confidence and accuracy in bins of equal width, those of the expected calibration error."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    which = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    bins = []
    for number in range(RELIABILITY_BINS):
        inside = which == number
        faces = int(inside.sum())
        bins.append(
            ReliabilityBin(faces, float(confidence[inside].mean()), float(right[inside].mean()))
            if faces
            else ReliabilityBin(0, None, None)
        )
    return bins


def _class_figures(matrix: NDArray[np.int64], index: int, score: F32, label: I32) -> ClassFigures:
    hits = int(matrix[index, index])
    faces, named, total = int(matrix[index].sum()), int(matrix[:, index].sum()), int(matrix.sum())
    return ClassFigures(
        faces=faces,
        recall=hits / faces if faces else None,
        precision=hits / named if named else None,
        f1=2 * hits / (faces + named) if faces else None,
        one_vs_rest_accuracy=(total - faces - named + 2 * hits) / total,
        auc=auc(score, label == index),
    )
