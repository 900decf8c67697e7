"""Ways to choose landmarks. All look at the training part only, and keep mirror twins together.

`greedy` and `informed` are aware of redundancy: a point that says what others say already adds nothing to
them. Ranking by importance (`landmark_importance`) is not, and `shuffled` is the control that every way must
beat.
"""

from typing import Final

import numpy as np

from models.arrays import F32, F64
from models.faces.canonical import MIRROR, POINTS
from models.faces.landmark_set import ALL
from models.samples.dataset import Samples
from models.training.network import Network, mean_gradients, probabilities

NOISE: Final = 0.001  # of the landmarks, in inter-ocular distances; what the ridge stands for
_CHUNK: Final = 2048  # faces multiplied at a time, to bound memory
_ASKED: Final = 512  # likewise, of all classes
_DIRECTIONS: Final = 128


def shuffled(seed: int) -> F32:
    """A random importance [468]; `landmark_set.select` makes mirrored sets of it."""
    return np.random.default_rng(seed).random(POINTS).astype(np.float32)


def greedy(samples: Samples, count: int = POINTS) -> F32:
    """An importance [468] that falls in the order in which a linear model wants the points.

    Forward selection: at each step the mirrored pair (or midline point) comes in that lowers the error of a
    ridge regression from coordinates to the soft labels most, for each of its points, given all points that
    are in already. The labels are centred and scaled to unit variance, so that rare emotions count as much
    as frequent ones; every face stands for its mirror image too. The ridge is what landmark noise of `NOISE`
    amounts to (C. Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995). After
    `count` points the rest is ranked by what each would add. Raises ValueError unless all 468 points and a
    training face are there.
    """
    if samples.landmark_set != ALL:
        raise ValueError(f"points are chosen out of all 468, not out of {samples.landmark_set.id!r}")
    gram, cross, faces = _moments(samples)
    return _forward(gram, cross, faces * NOISE**2, count)


def informed(covariance: F64, directions: F64, count: int = POINTS) -> F32:
    """An importance [468] that falls in the order in which the points tell most of what matters.

    What matters are `directions` [R, 1404] of the coordinates, see `sensitivity`. Forward selection as in
    `greedy`, but of the ridge regression from the coordinates to the faces' components along them;
    `covariance` [1404, 1404] is that of the faces and their mirror images.
    """
    return _forward(covariance, covariance @ directions.T, NOISE**2, count)


def sensitivity(net: Network, difference: F32) -> F64:
    """Directions [R, 1404] in which faces [N, 468, 3] move the answers most, each as long as it matters.

    By Integrated Gradients: the mean gradient of a logit along the path from the baseline to a face is what,
    times the difference, gives the logit's change. The directions span these gradients over all faces and
    classes, a class counting as much as it is likely.
    """
    gram = np.zeros((3 * POINTS, 3 * POINTS))
    for start in range(0, len(difference), _ASKED):
        part = difference[start : start + _ASKED]
        gradients = mean_gradients(net, part) * np.sqrt(probabilities(net, part))[:, :, None]
        flat = gradients.reshape(-1, 3 * POINTS)
        gram += flat.T @ flat
    strength, vectors = np.linalg.eigh(gram / len(difference))
    directions: F64 = (vectors * np.sqrt(np.maximum(strength, 0))).T[::-1][:_DIRECTIONS]
    return directions


def _forward(gram: F64, cross: F64, ridge: float, count: int) -> F32:
    """Forward selection for a ridge regression, given its moments [1404, 1404] and [1404, T]."""
    groups = [sorted({i, int(MIRROR[i])}) for i in range(POINTS) if i <= MIRROR[i]]
    importance = np.zeros(POINTS, np.float32)
    chosen = 0
    while groups:
        gains = _gains(gram, cross, groups, ridge)
        if chosen >= count:
            for group, gain in zip(groups, gains, strict=True):
                importance[group] = gain / max(gains.max(), np.finfo(np.float64).tiny)
            break
        best = groups.pop(int(np.argmax(gains)))
        importance[best] = POINTS - chosen
        chosen += len(best)
        rows = _coordinates(best)
        # What the chosen points explain is taken out of all others: a Schur complement.
        inner = gram[np.ix_(rows, rows)] + ridge * np.eye(len(rows))
        pull = np.linalg.solve(inner, np.concatenate([gram[rows], cross[rows]], axis=1))
        cross = cross - gram[:, rows] @ pull[:, len(gram) :]
        gram = gram - gram[:, rows] @ pull[:, : len(gram)]
    return importance


def _gains(gram: F64, cross: F64, groups: list[list[int]], ridge: float) -> F64:
    """How much the squared error falls by each group's points, per point [G]."""
    gains = np.empty(len(groups))
    for size in (1, 2):
        which = [i for i, group in enumerate(groups) if len(group) == size]
        if not which:
            continue
        rows = np.array([_coordinates(groups[i]) for i in which])
        inner = gram[rows[:, :, None], rows[:, None, :]] + ridge * np.eye(3 * size)
        target = cross[rows]
        gains[which] = (target * np.linalg.solve(inner, target)).sum(axis=(1, 2)) / size
    return gains


def _coordinates(points: list[int]) -> list[int]:
    """The places of the points' x, y and z in a flattened face."""
    return [3 * point + axis for point in points for axis in range(3)]


def _moments(samples: Samples) -> tuple[F64, F64, int]:
    """Of training faces and their mirror images: coordinates × coordinates [1404, 1404], coordinates ×
    scaled labels [1404, C], and the number of faces."""
    points = samples.points[~samples.validation]
    labels = samples.probabilities[~samples.validation].astype(np.float64)
    if not len(points):
        raise ValueError("points are chosen by training faces, and there is none")
    spread = labels.std(axis=0)
    labels = (labels - labels.mean(axis=0)) / np.where(spread > 0, spread, 1)
    mirrored = _coordinates(MIRROR.tolist())
    sign = np.tile([-1.0, 1.0, 1.0], POINTS)
    centre = points.mean(axis=0, dtype=np.float64).reshape(-1)
    centre = (centre + sign * centre[mirrored]) / 2
    gram, cross = np.zeros((3 * POINTS, 3 * POINTS)), np.zeros((3 * POINTS, labels.shape[1]))
    for start in range(0, len(points), _CHUNK):
        flat = points[start : start + _CHUNK].reshape(-1, 3 * POINTS) - centre
        gram += flat.T @ flat
        cross += flat.T @ labels[start : start + _CHUNK]
    gram = (gram + sign[:, None] * sign * gram[np.ix_(mirrored, mirrored)]) / 2
    cross = (cross + sign[:, None] * cross[mirrored]) / 2
    return gram, cross, len(points)
