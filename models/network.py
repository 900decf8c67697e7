"""The classifier's network, and Integrated Gradients through it.

The network sees how the face differs from its neutral face, `difference = points - baseline`, so the
baseline is where every attribution is zero. With one row a face, flattened to [B, 3K]:

    p = difference @ w1                     clipped to `radius`, see below
    h = silu(silu(p + b1) @ w2 + b2)
    logits = h @ w3 + b3                    their sum is 0: each is the log-odds against the average class

A difference that is longer than any real face makes it (norm of p above `radius`) is shortened to that
length first, so that a broken mesh cannot reach parts of the network that no data has ever shaped, and so
that the path integral stays exact.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

PATH_POINTS: Final = 24


class Network(NamedTuple):
    """Weights, float32. K points, H and G hidden units, C classes."""

    w1: F32  # [3K, H]
    b1: F32  # [H]
    w2: F32  # [H, G]
    b2: F32  # [G]
    w3: F32  # [G, C]
    b3: F32  # [C]
    radius: float  # greatest norm of difference @ w1


class Attribution(NamedTuple):
    """Integrated Gradients of one class's logit, with the error of its completeness."""

    attributions: F32  # [B, K], signed, summed over x, y and z
    score_change: F32  # [B], logit(points) - logit(baseline)
    completeness_error: F32  # [B], |sum of the attributions - score_change|


def gauss_legendre(points: int = PATH_POINTS) -> tuple[F32, F32]:
    """Nodes and weights, float32 [points] each, of Gauss-Legendre quadrature on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(points)  # type: ignore[no-untyped-call]
    return ((nodes + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)


def logits(network: Network, difference: F32) -> F32:
    """Logits [B, C] of differences [B, K, 3]. Raises ValueError for another number of points."""
    _, projected = _project(network, difference)
    h, _ = _silu(projected + network.b1)
    h, _ = _silu(h @ network.w2 + network.b2)
    z: F32 = h @ network.w3 + network.b3
    return z


def probabilities(network: Network, difference: F32) -> F32:
    """Softmax of the logits, [B, C]."""
    z = logits(network, difference)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    softmax: F32 = e / e.sum(axis=1, keepdims=True)
    return softmax


def integrated_gradients(
    network: Network, difference: F32, target: NDArray[np.int64], path_points: int = PATH_POINTS
) -> Attribution:
    """Integrated Gradients along the straight path from the baseline to the points.

    M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017. `difference` is
    [B, K, 3], `target` [B] the class whose logit is explained. The first layer is linear along the path, so
    it is computed once; the sum over the path is taken before the last transposed product.
    """
    flat, projected = _project(network, difference)
    alphas, weights = gauss_legendre(path_points)
    seed = network.w3.T[target]  # [B, G]: the gradient of the target's logit by the last hidden layer
    total = np.zeros_like(projected)
    for alpha, weight in zip(alphas, weights, strict=True):
        h1, slope1 = _silu(alpha * projected + network.b1)
        _, slope2 = _silu(h1 @ network.w2 + network.b2)
        total += weight * slope1 * ((seed * slope2) @ network.w2.T)
    by_coordinate = (total @ network.w1.T) * flat
    attributions = by_coordinate.reshape(difference.shape).sum(axis=2)
    change = logits(network, difference) - logits(network, np.zeros_like(difference[:1]))
    score_change = np.take_along_axis(change, target[:, None], axis=1)[:, 0]
    return Attribution(attributions, score_change, np.abs(attributions.sum(axis=1) - score_change))


def _project(network: Network, difference: F32) -> tuple[F32, F32]:
    """The clipped difference [B, 3K] and its product with w1 [B, H]."""
    coordinates = len(network.w1)
    if difference.ndim != 3 or difference.shape[2] != 3 or difference.shape[1] * 3 != coordinates:
        raise ValueError(f"expected [B, {coordinates // 3}, 3], not {list(difference.shape)}")
    flat = difference.reshape(len(difference), -1)
    projected = flat @ network.w1
    norm = np.linalg.norm(projected, axis=1, keepdims=True)
    shorten = np.minimum(1, network.radius / np.maximum(norm, np.float32(1e-12))).astype(np.float32)
    return flat * shorten, projected * shorten


def _silu(x: F32) -> tuple[F32, F32]:
    """x · sigmoid(x) and its derivative; tanh keeps it from overflowing."""
    gate = np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * x))
    value = x * gate
    return value, gate + value * (1 - gate)
