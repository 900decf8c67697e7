"""The classifier's network, and Integrated Gradients through it, exactly.

The network sees how the face differs from its neutral face, `difference = points - baseline`, so the
baseline is where every attribution is zero. With one row a face, flattened to [B, 3K]:

    p = difference @ w1
    logits = silu(p + b1) @ w2 + b2         their sum is 0: each is the log-odds against the average class

A difference that is longer than any real face makes it is shortened to that length first: to the norm
`reach`, and to the norm `radius` of p. So a broken mesh cannot reach parts of the network that no data has
ever shaped, nor be so large in what w1 does not see that rounding drowns the rest.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.emotion.probabilities import softmax

TINY: Final = 1e-20
"""Stands for 0 where tanh(u) / u is taken: both are 1 in float32, and no tanh makes a denormal of it."""


class Network(NamedTuple):
    """Weights, float32. K points, H hidden units, C classes."""

    w1: F32  # [3K, H]
    b1: F32  # [H]
    w2: F32  # [H, C]
    b2: F32  # [C]
    radius: float  # greatest norm of difference @ w1
    reach: float = np.inf  # greatest norm of difference


class Attribution(NamedTuple):
    """Integrated Gradients of one class's logit, with the error of its completeness."""

    attributions: F32  # [B, K], signed, summed over x, y and z
    score_change: F32  # [B], logit(points) - logit(baseline)
    completeness_error: F32  # [B], |sum of the attributions - score_change|


def with_twins(network: Network, mirror: NDArray[np.int32]) -> Network:
    """The network with a twin for each unit, which sees the mirrored face as the unit sees the face.

    So a face and its mirror image get the same logits. `mirror` [K] is the place of each point's mirror twin.
    """
    return network._replace(
        w1=np.concatenate([network.w1, mirrored(network.w1, mirror)], axis=1),
        b1=np.tile(network.b1, 2),
        w2=np.tile(network.w2, (2, 1)),
    )


def has_twins(network: Network, mirror: NDArray[np.int32]) -> bool:
    """Whether the second half of the units are the first half's twins."""
    half, odd = divmod(len(network.b1), 2)
    return not odd and all(
        np.array_equal(*halves)
        for halves in (
            (mirrored(network.w1[:, :half], mirror), network.w1[:, half:]),
            (network.b1[:half], network.b1[half:]),
            (network.w2[:half], network.w2[half:]),
        )
    )


def mirrored(w1: F32, mirror: NDArray[np.int32]) -> F32:
    """The first layer [3K, H] whose product with a face is that of `w1` with the mirrored face."""
    by_point = w1.reshape(len(mirror), 3, -1)[mirror] * np.array([[-1], [1], [1]], w1.dtype)
    same_shape: F32 = by_point.reshape(w1.shape)
    return same_shape


def logits(network: Network, difference: F32) -> F32:
    """Logits [B, C] of differences [B, K, 3]. Raises ValueError for another number of points."""
    _, p = _project(network, difference)
    z: F32 = _silu(p + network.b1) @ network.w2 + network.b2
    return z


def probabilities(network: Network, difference: F32) -> F32:
    """Softmax of the logits, [B, C]."""
    return softmax(logits(network, difference))


def integrated_gradients(network: Network, difference: F32, target: NDArray[np.int64]) -> Attribution:
    """Integrated Gradients along the straight path from the baseline to the points.

    M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017. `difference` is
    [B, K, 3], `target` [B] the class whose logit is explained.

    Along the path p grows as α p, so the integral of unit h's slope is a quotient, and nothing is left to
    approximate: ∫₀¹ silu'(α p_h + b_h) dα = (silu(p_h + b_h) - silu(b_h)) / p_h, see `mean_slope`. Then
    attribution_i = difference_i · Σ_h w1_ih · mean_slope_h · w2_h,target.
    """
    flat, p = _project(network, difference)
    back = mean_slope(p, network.b1) * network.w2.T[target]
    by_coordinate = (back @ network.w1.T) * flat
    attributions = by_coordinate.reshape(difference.shape).sum(axis=2)
    change = (_silu(p + network.b1) - _silu(network.b1)) @ network.w2
    score_change = np.take_along_axis(change, target[:, None], axis=1)[:, 0]
    return Attribution(attributions, score_change, np.abs(attributions.sum(axis=1) - score_change))


def mean_gradients(network: Network, difference: F32) -> F32:
    """Mean gradient [B, C, 3K] of every logit along the path; times the difference, as it is shortened,
    Integrated Gradients."""
    _, p = _project(network, difference)
    back = mean_slope(p, network.b1)[:, None] * network.w2.T
    gradients: F32 = back @ network.w1.T
    return gradients


def mean_slope(p: F32, b: F32) -> F32:
    """Mean of silu' between b and p + b: (silu(p + b) - silu(b)) / p, and silu'(b) where p is 0.

    Written so that nothing cancels, however small p is. With σ(x) = (1 + tanh(x/2)) / 2 the quotient is
    σ(p + b) + b (σ(p + b) - σ(b)) / p, and tanh x - tanh y = tanh(x - y) (1 - tanh x tanh y), hence

        σ(p + b) + b/2 · (1 - tanh((p + b)/2) tanh(b/2)) / 2 · tanh(p/2) / (p/2)
    """
    end, start = np.tanh((p + b) / 2), np.tanh(b / 2)
    half = np.maximum(np.abs(p / 2), p.dtype.type(TINY))
    slope: F32 = ((1 + end) + (b / 2) * (1 - end * start) * (np.tanh(half) / half)) / 2
    return slope


def _project(network: Network, difference: F32) -> tuple[F32, F32]:
    """The difference [B, 3K], shortened where it is too long, and its product with w1 [B, H]."""
    coordinates = len(network.w1)
    if difference.ndim != 3 or difference.shape[2] != 3 or difference.shape[1] * 3 != coordinates:
        raise ValueError(f"expected [B, {coordinates // 3}, 3], not {list(difference.shape)}")
    flat = difference.reshape(len(difference), -1)
    p = flat @ network.w1
    norm, length = (np.linalg.norm(x, axis=1, keepdims=True) for x in (p, flat))
    at_most = network.radius / np.maximum(norm, TINY), network.reach / np.maximum(length, TINY)
    shorten = np.minimum(1, np.minimum(*at_most)).astype(p.dtype)
    return flat * shorten, p * shorten


def _silu(x: F32) -> F32:
    """x · σ(x); tanh keeps it from overflowing."""
    value: F32 = x * (1 + np.tanh(x / 2)) / 2
    return value
