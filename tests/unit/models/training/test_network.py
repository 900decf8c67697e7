import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.arrays import F64
from models.training.network import (
    Network,
    has_twins,
    integrated_gradients,
    logits,
    mean_gradients,
    mean_slope,
    probabilities,
    with_twins,
)

K, HIDDEN, CLASSES = 5, 12, 4
seeds = st.integers(0, 2**32 - 1)
EVERY_TARGET = np.arange(CLASSES).repeat(2)


def network(seed: int, radius: float = 20.0) -> Network:
    rng = np.random.default_rng(seed)
    layers = []
    for fan_in, fan_out in ((3 * K, HIDDEN), (HIDDEN, CLASSES)):
        layers += [rng.normal(0, fan_in**-0.5, (fan_in, fan_out)), rng.normal(0, 1, fan_out)]
    return Network(*(layer.astype(np.float32) for layer in layers), radius)


def faces(seed: int, count: int = 2 * CLASSES, size: float = 1.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, size, (count, K, 3)).astype(np.float32)


def exactly(net: Network) -> Network:
    """The same weights in float64, and no radius."""
    return Network(*(np.asarray(w, np.float64) for w in net[:4]), np.inf)


def silu_slope(x: F64) -> F64:
    gate: F64 = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return gate * (1 + x * (1 - gate))


def riemann(net: Network, difference: F64, target: NDArray[np.int64], steps: int = 4096) -> F64:
    """Attributions by the definition, [B, K]: midpoints of the path, float64, this file's own gradient."""
    w1, b1, w2, _, radius, _ = net
    flat = difference.reshape(len(difference), -1)
    p = flat @ w1
    shorten = np.minimum(1, radius / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-300))
    alphas = ((np.arange(steps) + 0.5) / steps)[:, None]
    slopes = np.stack([silu_slope(alphas * one + b1).mean(axis=0) for one in p * shorten])
    by_coordinate = ((slopes * w2.T[target]) @ w1.T) * flat * shorten
    total: F64 = by_coordinate.reshape(difference.shape).sum(axis=2)
    return total


def test_logits_by_hand() -> None:
    """One hidden unit; silu(0) = 0 and silu(1) = sigmoid(1) = 0.731…"""
    w1 = np.zeros((3, 1), np.float32)
    w1[0] = 2
    net = Network(w1, np.zeros(1), np.array([[1, -1]], np.float32), np.array([0.5, 0]), 10)
    one = 1 / (1 + np.exp(-1))
    result = logits(net, np.array([[[0.5, 9, 9]], [[0, 0, 0]]], np.float32))
    np.testing.assert_allclose(result, [[one + 0.5, -one], [0.5, 0]], rtol=1e-6)


@settings(deadline=None)
@given(seeds)
def test_probabilities_are_a_distribution(seed: int) -> None:
    p = probabilities(network(seed), faces(seed, size=1e3))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (p >= 0).all()


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.0, 1e-30, 1e-6, 0.01, 1.0, 100.0, 1e6]))
def test_attributions_add_up_to_the_change_of_the_logit(seed: int, size: float) -> None:
    net, difference = network(seed), faces(seed, size=size)
    target = logits(net, difference).argmax(axis=1)
    result = integrated_gradients(net, difference, target)
    change = logits(net, difference) - logits(net, np.zeros_like(difference))
    np.testing.assert_allclose(result.score_change, change[np.arange(len(target)), target], atol=1e-5)
    assert result.completeness_error.max() < 1e-5 + 1e-6 * np.abs(result.attributions).sum(axis=1).max()
    np.testing.assert_allclose(
        result.completeness_error, np.abs(result.attributions.sum(axis=1) - result.score_change), atol=1e-6
    )


def test_a_linear_network_is_explained_by_its_own_terms() -> None:
    """Far above zero SiLU is the identity: attribution is weight times difference, nothing else."""
    net = network(5, np.inf)
    net = net._replace(b1=np.full(HIDDEN, 200, np.float32), b2=-200 * net.w2.sum(axis=0))
    difference = faces(6)
    result = integrated_gradients(net, difference, EVERY_TARGET)
    weights = (net.w1.astype(np.float64) @ net.w2).T[EVERY_TARGET].reshape(difference.shape)
    np.testing.assert_allclose(result.attributions, (weights * difference).sum(axis=2), atol=2e-6)
    assert np.abs(result.attributions).max() > 1


@settings(deadline=None)
@given(seeds, st.sampled_from([0.01, 1.0, 100.0]))
def test_mean_gradients_times_the_difference_are_the_attributions(seed: int, size: float) -> None:
    net, difference = exactly(network(seed)), faces(seed + 1, size=size).astype(np.float64)
    gradients = mean_gradients(net, difference)
    for target in range(gradients.shape[1]):
        expected = integrated_gradients(net, difference, np.full(len(difference), target)).attributions
        by_point = gradients[:, target].reshape(difference.shape) * difference
        np.testing.assert_allclose(by_point.sum(axis=2), expected, atol=1e-9 * (1 + size))


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from([1e-9, 1e-4, 0.01, 1.0, 10.0, 300.0]), st.sampled_from([0.3, 3.0, 30.0]))
def test_attributions_match_a_fine_riemann_sum(seed: int, size: float, bias: float) -> None:
    net = network(seed)
    net = net._replace(b1=bias * net.b1)
    difference = faces(seed + 1, size=size)
    result = integrated_gradients(net, difference, EVERY_TARGET)
    expected = riemann(net, difference.astype(np.float64), EVERY_TARGET)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result.attributions, expected, atol=1e-5 * scale, rtol=1e-4)
    assert scale > 0


def test_attributions_match_central_finite_differences() -> None:
    """Neither the closed form nor a written gradient: differences of logits at 400 points of the path."""
    net, difference = exactly(network(3)), faces(4, count=2).astype(np.float64)
    target, steps, epsilon = np.array([2, 0]), 400, 1e-5
    expected = np.zeros((2, K, 3))
    for alpha in (np.arange(steps) + 0.5) / steps:
        for index in np.ndindex(K, 3):
            nudge = np.zeros((1, K, 3))
            nudge[(0, *index)] = epsilon
            up, down = (logits(net, alpha * difference + sign * nudge)[[0, 1], target] for sign in (1, -1))
            expected[(slice(None), *index)] += (up - down) / (2 * epsilon) / steps
    result = integrated_gradients(net, difference, target)
    np.testing.assert_allclose(result.attributions, (expected * difference).sum(axis=2), atol=1e-6)


def test_the_slope_of_each_coordinate_grows_the_logit_along_the_path() -> None:
    """d/dα of the attributions of α·difference is the gradient at α times the difference, whatever α."""
    net, difference = exactly(network(7)), faces(8, count=1).astype(np.float64)
    target, step = np.array([1]), 1e-4
    for alpha in (0.0, 0.3, 1.0):
        up, down = (
            integrated_gradients(net, (alpha + sign * step) * difference, target).attributions
            for sign in (1, -1)
        )
        x = (alpha * difference).reshape(1, -1) @ net.w1 + net.b1
        gradient = ((silu_slope(x) * net.w2.T[target]) @ net.w1.T).reshape(difference.shape)
        np.testing.assert_allclose((up - down) / (2 * step), (gradient * difference).sum(axis=2), atol=1e-6)


P_VALUES = [0.0, 1e-45, 1e-30, 1e-12, 1e-6, 1e-3, 0.02, 0.3, 1.0, 7.0, 40.0, 1e3, 1e6]
B_VALUES = [-1e3, -60.0, -9.0, -1.0, -1e-3, 0.0, 0.1, 2.0, 9.0, 60.0, 1e3]


@pytest.mark.parametrize("b", B_VALUES)
def test_mean_slope_in_float32_is_that_of_float64(b: float) -> None:
    """From exactly 0 to huge, on both sides, with errors of rounding only."""
    p = np.array([sign * p for p in P_VALUES for sign in (1, -1)])
    alphas = (np.arange(20_000) + 0.5)[:, None] / 20_000
    small = np.abs(p) < 50
    riemann_sum = silu_slope(alphas * p[small] + b).mean(axis=0)
    ends = p[~small] + b
    values = [np.logaddexp(0, -x) for x in (ends, np.float64(b))]
    quotient = (ends * np.exp(-values[0]) - b * np.exp(-values[1])) / p[~small]
    result = mean_slope(p.astype(np.float32)[None], np.full(len(p), b, np.float32))[0]
    assert result.dtype == np.float32
    tolerance = 3e-7 * (1 + abs(b) / 2)  # 1 - tanh tanh is known to a rounding of 1, and then times b/2
    np.testing.assert_allclose(result[small], riemann_sum, atol=tolerance)
    np.testing.assert_allclose(result[~small], quotient, atol=tolerance)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([0.1, 1.0, 50.0]))
def test_a_mirrored_face_has_mirrored_attributions(seed: int, size: float) -> None:
    """In a network whose units come in twins, one the mirror image of the other."""
    twins, flip = np.array([1, 0, 2, 4, 3], np.int32), np.array([-1, 1, 1], np.float32)
    net = with_twins(network(seed), twins)
    assert has_twins(net, twins)
    assert not has_twins(network(seed), twins)
    assert not has_twins(net._replace(b1=net.b1 + np.eye(2 * HIDDEN, dtype=np.float32)[0]), twins)
    difference = faces(seed + 1, size=size)
    one = integrated_gradients(net, difference, EVERY_TARGET)
    other = integrated_gradients(net, difference[:, twins] * flip, EVERY_TARGET)
    scale = max(1.0, float(np.abs(one.attributions).max()))
    np.testing.assert_allclose(other.attributions[:, twins], one.attributions, atol=3e-6 * scale)
    np.testing.assert_allclose(other.score_change, one.score_change, atol=3e-6 * scale)


@settings(deadline=None)
@given(seeds)
def test_a_difference_beyond_the_radius_is_shortened_to_it(seed: int) -> None:
    net, difference = network(seed, radius=2.0), faces(seed, size=100.0)
    lengths = np.linalg.norm(difference.reshape(len(difference), -1) @ net.w1, axis=1)
    shortened = difference * (2.0 / lengths)[:, None, None]
    np.testing.assert_allclose(logits(net, difference), logits(net, shortened), atol=1e-4)
    np.testing.assert_allclose(logits(net, difference), logits(net, 1e4 * difference), atol=1e-4)
    for one, other in zip(
        integrated_gradients(net, difference, EVERY_TARGET),
        integrated_gradients(net, shortened, EVERY_TARGET),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)


@settings(deadline=None)
@given(seeds)
def test_a_difference_that_is_too_long_is_shortened_whatever_w1_sees_of_it(seed: int) -> None:
    net, difference = network(seed)._replace(reach=2.0), faces(seed, size=100.0)
    shortened = difference * (2.0 / np.linalg.norm(difference, axis=(1, 2), keepdims=True))
    np.testing.assert_allclose(logits(net, difference), logits(net, shortened), atol=1e-4)
    np.testing.assert_array_equal(
        logits(net, 0.01 * shortened), logits(net._replace(reach=np.inf), 0.01 * shortened)
    )
    unseen = np.linalg.svd(net.w1.astype(np.float64))[0][:, -1]
    face = (1e6 * unseen).astype(np.float32).reshape(1, K, 3)
    assert integrated_gradients(net, face, np.array([0])).completeness_error < 1e-5


def test_points_that_did_not_move_have_no_attribution() -> None:
    difference = faces(1)
    difference[:, 2] = 0
    result = integrated_gradients(network(1), difference, np.zeros(len(difference), np.int64))
    assert (result.attributions[:, 2] == 0).all()
    assert (np.abs(result.attributions[:, :2]).sum(axis=1) > 0).all()


@pytest.mark.parametrize("shape", [(K, 3), (1, K + 1, 3), (1, K, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"\[B, {K}, 3\]"):
        logits(network(0), np.zeros(shape, np.float32))
