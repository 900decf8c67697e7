"""A mirror-symmetric shape PCA: what faces vary in, even modes apart from odd ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64
from models.faces.landmark_set import LandmarkSet

_NO_VARIANCE = 1e-7  # of the greatest: what is below belongs to the other half of the space, or to rounding
_CHUNK = 4096  # faces multiplied at a time, to bound memory


class Spread(NamedTuple):
    """Mean and covariance of differences [N, K, 3] and their mirror images."""

    mean: F64  # [3K], its own mirror image
    covariance: F64  # [3K, 3K]


class ShapeModes(NamedTuple):
    """M modes of differences [K, 3] from a symmetric face.

    The features are difference.flatten() @ basis + offset. Mirroring the face multiplies them by `sign`.
    """

    basis: F32  # [3K, M]
    offset: F32  # [M]
    sign: F32  # [M]: 1 for even modes, which come first, -1 for odd ones


def spread(difference: F32, mirror: NDArray[np.int32]) -> Spread:
    """Of differences [N, K, 3]; `mirror` [K] is the place of each point's mirror twin."""
    size = 3 * len(mirror)
    total, products = np.zeros(size), np.zeros((size, size))
    for start in range(0, len(difference), _CHUNK):
        flat = difference[start : start + _CHUNK].reshape(-1, size)
        total += flat.sum(axis=0, dtype=np.float64)
        products += flat.T @ flat
    mean, second = total / len(difference), products / len(difference)
    twin = (3 * mirror[:, None] + np.arange(3)).ravel()
    sign = np.tile([-1.0, 1.0, 1.0], len(mirror))
    mean = (mean + sign * mean[twin]) / 2
    second = (second + sign[:, None] * sign * second[np.ix_(twin, twin)]) / 2
    return Spread(mean, second - np.outer(mean, mean))


def shape_modes(
    faces: Spread, mirror: NDArray[np.int32], even: int, odd: int, whitening: float
) -> ShapeModes:
    """The first `even` and `odd` modes, or fewer if there are fewer.

    Every face stands for its mirror image too, so the two kinds do not correlate. Mode i is divided by
    σ_i^whitening (0: as it is, 1: unit variance), and all of them by one number that makes their mean
    square 1.
    """
    size = 3 * len(mirror)
    twin = (3 * mirror[:, None] + np.arange(3)).ravel()
    mirroring = np.zeros((size, size))
    mirroring[np.arange(size), twin] = np.tile([-1.0, 1.0, 1.0], len(mirror))
    bases, variances, signs = [], [], []
    for count, sign in ((even, 1.0), (odd, -1.0)):
        half = (np.eye(size) + sign * mirroring) / 2
        variance, vectors = np.linalg.eigh(half @ faces.covariance @ half)
        keep = variance > _NO_VARIANCE * variance[-1]
        variance, vectors = variance[keep][::-1][:count], vectors[:, keep][:, ::-1][:, :count]
        bases.append(vectors)
        variances.append(variance)
        signs.append(np.full(len(variance), sign))
    variance, basis = np.concatenate(variances), np.concatenate(bases, axis=1)
    scale = variance ** (-whitening / 2)
    scale /= np.sqrt(np.mean(variance * scale**2))
    basis *= scale
    return ShapeModes(
        basis.astype(np.float32),
        (-faces.mean @ basis).astype(np.float32),
        np.concatenate(signs).astype(np.float32),
    )


def telling_modes(
    moves: F64, rest: F64, mirror: NDArray[np.int32], even: int, odd: int, whitening: float
) -> ShapeModes:
    """The directions [3K] in which faces move most for what they do at rest, `even` and `odd` ones.

    `moves` and `rest` [3K, 3K] are second moments of differences from a neutral face, mirror images included:
    of expressions, and of neutral faces with the landmarks' noise. Generalised eigenvectors (R. A. Fisher,
    "The use of multiple measurements in taxonomic problems", 1936): rest has variance 1 in each of them, and
    mode i is then divided by σ_i^whitening, all by one number as in `shape_modes`.
    """
    variance, vectors = np.linalg.eigh(rest)
    to_rest = (vectors / np.sqrt(variance)) @ vectors.T
    seen = Spread(np.zeros(len(rest)), to_rest @ moves @ to_rest)
    modes = shape_modes(seen, mirror, even, odd, whitening)
    return modes._replace(basis=(to_rest @ modes.basis).astype(np.float32))


def second_moments(difference: F32, mirror: NDArray[np.int32]) -> F64:
    """[3K, 3K] of differences [N, K, 3] and their mirror images, about zero."""
    about = spread(difference, mirror)
    both: F64 = about.covariance + np.outer(about.mean, about.mean)
    return both


def seen_through(
    modes: ShapeModes, faces: Spread, whole: LandmarkSet, chosen: LandmarkSet, noise: float
) -> ShapeModes:
    """The modes of all points of `whole`, as they are best estimated from the `chosen` ones.

    The estimate is linear and has the least mean square error when every coordinate of the chosen points has
    white noise of this standard deviation (N. Wiener's filter). It leaves out what only noise could tell
    apart, so that a network on these features need not learn to.
    """
    points = np.searchsorted(whole.indices, chosen.indices)
    rows = (3 * points[:, None] + np.arange(3)).ravel()
    seen = faces.covariance[np.ix_(rows, rows)] + noise**2 * np.eye(len(rows))
    basis = np.linalg.solve(seen, faces.covariance[rows] @ modes.basis)
    offset = faces.mean @ modes.basis - faces.mean[rows] @ basis + modes.offset
    return ShapeModes(basis.astype(np.float32), offset.astype(np.float32), modes.sign)


def features(modes: ShapeModes, difference: F32) -> F32:
    """Features [N, M] of differences [N, K, 3]."""
    inputs: F32 = difference.reshape(len(difference), -1) @ modes.basis + modes.offset
    return inputs


def noise_of_features(modes: ShapeModes, covariance: F64) -> F32:
    """[M, M]: what standard normal numbers [N, M] are multiplied by to become the features of noise whose
    covariance, of the coordinates, is [3K, 3K]."""
    basis = modes.basis.astype(np.float64)
    variance, vectors = np.linalg.eigh(basis.T @ covariance @ basis)
    root: F32 = ((vectors * np.sqrt(np.maximum(variance, 0))) @ vectors.T).astype(np.float32)
    return root
