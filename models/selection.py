"""Ways to choose landmarks. All look at the training part only, and keep mirror twins together.

`greedy` is aware of redundancy: a point that says what others say already adds nothing to them. Ranking by
importance (`train.landmark_importance`) is not, and `shuffled` is the control that every way must beat.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.canonical import MIRROR, POINTS
from models.dataset import Samples
from models.landmark_set import ALL, LandmarkSet, select

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NOISE: Final = 0.001  # of the landmarks, in inter-ocular distances; what the ridge stands for
_CHUNK: Final = 2048  # faces multiplied at a time, to bound memory


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
    ridge = faces * NOISE**2
    groups = [sorted({i, int(MIRROR[i])}) for i in range(POINTS) if i <= MIRROR[i]]
    importance = np.zeros(POINTS, np.float32)
    chosen = 0
    while groups:
        gains = _gains(gram, cross, groups, ridge)
        if chosen >= count:
            for group, gain in zip(groups, gains, strict=True):
                importance[group] = gain / gains.max()
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


def nested(name: str, importance: F32, sizes: list[int]) -> dict[int, LandmarkSet]:
    """A landmark set of each size, the most important points first."""
    return {size: select(f"{name}{size}", importance, size) for size in sizes}


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
