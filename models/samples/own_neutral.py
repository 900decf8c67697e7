"""Each labelled face's own neutral face: from the other neutral faces of the same person.

A mean of few pictures is a rough guess at a resting face: no two pictures of a person at rest have the same
light, turn and mood. How rough can be seen in the data, so a guess is drawn to the population's face by as
much as it is worth. Frames of one recording agree so well that nothing is left to draw: the stream's
estimate (`models.emotion.neutral_face`) does without.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.samples.dataset import EMOTIONS, RESTLESS, UNKNOWN_SUBJECT, Samples

SESSION_SPREAD: Final = 0.008
"""RMS over coordinates, in inter-ocular distances: faces at rest that differ less from their person's mean
are of one sitting, and their mean is worth a network of its own. Within a recording it is 0.003 to 0.004,
over years 0.016."""

_TINY = 1e-30  # where all faces are the population's, nothing is left to draw


class Spread(NamedTuple):
    """Variances of neutral faces, summed over the coordinates, in inter-ocular distances squared."""

    within: float
    """Of one person's about this person's mean."""
    between: float
    """Of the persons' means about the population's neutral face."""


def own_neutral_faces(samples: Samples, population: F32 | None = None) -> tuple[F32, NDArray[np.bool_]]:
    """For each face its person's neutral face [N, K, 3], and whether there is any [N]; zeros where not.

    It is the mean of the *other* neutral faces of the same person. Faces of unknown persons have none.
    With `population` [K, 3] that mean is drawn to this face, as `drawn` says, file by file.
    """
    means, others = means_of_others(samples)
    if population is not None:
        for source in range(len(samples.sources)):
            here = samples.source == source
            means[here] = drawn(means[here], others[here], population, spread(samples, source, population))
        means[others == 0] = 0
    return means, others > 0


def means_of_others(samples: Samples) -> tuple[F32, NDArray[np.int64]]:
    """For each face the mean of the other neutral faces of the same person [N, K, 3], and how many [N]."""
    neutral = _neutral(samples)
    people, of_neutral = np.unique(samples.subject[neutral], return_inverse=True)
    total = np.zeros((len(people), *samples.points.shape[1:]))
    np.add.at(total, of_neutral, samples.points[neutral])
    count = np.bincount(of_neutral, minlength=len(people))

    means = np.zeros_like(samples.points)
    others = np.zeros(len(samples), dtype=np.int64)
    for row in np.flatnonzero(np.isin(samples.subject, people)):
        person = np.searchsorted(people, samples.subject[row])
        others[row] = count[person] - neutral[row]
        if others[row]:
            means[row] = (total[person] - neutral[row] * samples.points[row]) / others[row]
    return means, others


def drawn(means: F32, count: NDArray[np.int64], population: F32, spread: Spread) -> F32:
    """Means of `count` [N] faces each, drawn to the population's face: [N, K, 3].

    The best linear guess at a person's face from n of them keeps between / (between + within / n) of the
    mean's difference from the population (B. Efron, C. Morris, "Stein's Estimation Rule and Its
    Competitors", JASA 1973).
    """
    kept = spread.between / np.maximum(spread.between + spread.within / np.maximum(count, 1), _TINY)
    guess: F32 = population + kept.astype(np.float32)[:, None, None] * (means - population)
    return guess


def spread(samples: Samples, source: int, population: F32) -> Spread:
    """How the neutral faces of one file's known persons vary.

    Where no person has two of them nothing can be seen, and they are believed: `within` is 0.
    """
    chosen = _neutral(samples) & (samples.source == source)
    if not chosen.any():
        return Spread(0.0, 0.0)
    points = samples.points[chosen].astype(np.float64)
    within = _within(samples.points[chosen], samples.subject[chosen])
    about = float(((points - population) ** 2).sum() / len(points))
    return Spread(within, max(about - within, 0.0))


def of_one_sitting(samples: Samples) -> bool:
    """Whether the neutral faces of a person differ so little from their mean as in one recording."""
    neutral = _neutral(samples)
    several = np.bincount(samples.subject[neutral]).max(initial=0) > 1
    rms = np.sqrt(
        _within(samples.points[neutral], samples.subject[neutral]) / (3 * len(samples.landmark_set))
    )
    return bool(several and rms < SESSION_SPREAD)


def _within(points: F32, subject: NDArray[np.int32]) -> float:
    """Variance of faces [N, K, 3] about their person's mean; 0 where no person has two."""
    _, person, count = np.unique(subject, return_inverse=True, return_counts=True)
    total = np.zeros((len(count), *points.shape[1:]))
    exact = points.astype(np.float64)
    np.add.at(total, person, exact)
    free = int((count - 1).sum())
    return float(((exact - (total / count[:, None, None])[person]) ** 2).sum() / free) if free else 0.0


def _neutral(samples: Samples) -> NDArray[np.bool_]:
    """[N]: faces at rest of known persons."""
    neutral: NDArray[np.bool_] = (
        (samples.label == EMOTIONS.index("neutral"))
        & (samples.subject != UNKNOWN_SUBJECT)
        & ~np.isin(samples.tag, RESTLESS)
    )
    return neutral
