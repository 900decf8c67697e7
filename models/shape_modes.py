"""A mirror-symmetric shape PCA: what faces vary in, even modes apart from odd ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

_NO_VARIANCE = 1e-7  # of the greatest: what is below belongs to the other half of the space, or to rounding


class ShapeModes(NamedTuple):
    """M modes of differences [K, 3] from a symmetric face.

    The features are (difference.flatten() - centre) @ basis. Mirroring the face multiplies them by `sign`.
    Noise of the landmarks, of standard deviation s, independent for each coordinate, becomes s * scale.
    """

    centre: F32  # [3K], its own mirror image
    basis: F32  # [3K, M], orthogonal; column i has the length scale[i]
    scale: F32  # [M]
    sign: F32  # [M]: 1 for even modes, -1 for odd ones


def shape_modes(
    difference: F32, mirror: NDArray[np.int32], even: int, odd: int, whitening: float
) -> ShapeModes:
    """The first `even` and `odd` modes of differences [N, K, 3], or fewer if there are fewer.

    `mirror` [K] is the place of each point's mirror twin. Every face stands for its mirror image too, so the
    two kinds do not correlate. Mode i is divided by σ_i^whitening (0: as it is, 1: unit variance), and all
    of them by one number that makes their mean square 1.
    """
    swapped = difference[:, mirror] * np.array([-1, 1, 1], np.float32)
    even_part = ((difference + swapped) / 2).reshape(len(difference), -1)
    odd_part = ((difference - swapped) / 2).reshape(len(difference), -1)
    centre = even_part.mean(axis=0)
    bases, scales, signs = [], [], []
    for rows, count, sign in ((even_part - centre, even, 1.0), (odd_part, odd, -1.0)):
        variance, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        keep = variance > _NO_VARIANCE * variance[-1]
        variance, vectors = variance[keep][::-1][:count], vectors[:, keep][:, ::-1][:, :count]
        bases.append(vectors)
        scales.append(variance ** (-whitening / 2))
        signs.append(np.full(len(variance), sign))
    scale, basis = np.concatenate(scales), np.concatenate(bases, axis=1)
    spread = np.sqrt(np.mean(np.square((even_part + odd_part - centre) @ (basis * scale))))
    scale = (scale / spread).astype(np.float32)
    return ShapeModes(
        centre, (basis * scale).astype(np.float32), scale, np.concatenate(signs).astype(np.float32)
    )


def features(modes: ShapeModes, difference: F32) -> F32:
    """Features [N, M] of differences [N, K, 3]."""
    inputs: F32 = (difference.reshape(len(difference), -1) - modes.centre) @ modes.basis
    return inputs
