from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.network import (
    Network,
    gauss_legendre,
    integrated_gradients,
    logits,
    probabilities,
)

K, HIDDEN, CLASSES = 5, (12, 7), 4
seeds = st.integers(0, 2**32 - 1)


def network(seed: int, radius: float = 20.0) -> Network:
    rng = np.random.default_rng(seed)
    sizes = [3 * K, *HIDDEN, CLASSES]
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [rng.normal(0, fan_in**-0.5, (fan_in, fan_out)), rng.normal(0, 0.3, fan_out)]
    return Network(*(layer.astype(np.float32) for layer in layers), radius)


def faces(seed: int, count: int = 6, size: float = 1.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, size, (count, K, 3)).astype(np.float32)


def test_logits_by_hand() -> None:
    """Two hidden units, one after the other; silu(0) = 0 and silu(1) = sigmoid(1) = 0.731…"""
    w1 = np.zeros((3, 1), np.float32)
    w1[0] = 2
    one = np.ones((1, 1), np.float32)
    net = Network(w1, np.zeros(1), one, np.zeros(1), np.array([[1, -1]], np.float32), np.array([0.5, 0]), 10)
    first = 1 / (1 + np.exp(-1))
    second = first / (1 + np.exp(-first))
    result = logits(net, np.array([[[0.5, 9, 9]], [[0, 0, 0]]], np.float32))
    np.testing.assert_allclose(result, [[second + 0.5, -second], [0.5, 0]], rtol=1e-6)


@settings(deadline=None)
@given(seeds)
def test_probabilities_are_a_distribution(seed: int) -> None:
    p = probabilities(network(seed), faces(seed, size=1e3))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (p >= 0).all()


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([0.01, 1.0, 100.0, 1e6]))
def test_attributions_add_up_to_the_change_of_the_logit(seed: int, size: float) -> None:
    net, difference = network(seed), faces(seed, size=size)
    target = logits(net, difference).argmax(axis=1)
    result = integrated_gradients(net, difference, target)
    change = logits(net, difference) - logits(net, np.zeros_like(difference))
    np.testing.assert_allclose(result.score_change, change[np.arange(len(target)), target], atol=1e-5)
    np.testing.assert_allclose(result.attributions.sum(axis=1), result.score_change, atol=1e-4)
    np.testing.assert_allclose(
        result.completeness_error, np.abs(result.attributions.sum(axis=1) - result.score_change), atol=1e-6
    )


def test_attributions_match_a_numerical_integral_of_a_numerical_gradient() -> None:
    net, difference, target = network(3, np.inf), faces(4, count=1).astype(np.float64), 2
    net = Network(*(np.asarray(w, np.float64) for w in net[:6]), np.inf)
    steps, epsilon = 400, 1e-5
    expected = np.zeros((K, 3))
    for alpha in (np.arange(steps) + 0.5) / steps:
        for index in np.ndindex(K, 3):
            nudge = np.zeros((1, K, 3))
            nudge[(0, *index)] = epsilon
            up, down = (logits(net, alpha * difference + sign * nudge)[0, target] for sign in (1, -1))
            expected[index] += (up - down) / (2 * epsilon) / steps * difference[(0, *index)]
    result = integrated_gradients(net, difference, np.array([target]))
    np.testing.assert_allclose(result.attributions[0], expected.sum(axis=1), atol=1e-4)


@settings(deadline=None)
@given(seeds)
def test_a_difference_beyond_the_radius_is_shortened_to_it(seed: int) -> None:
    net, difference = network(seed, radius=2.0), faces(seed, size=100.0)
    lengths = np.linalg.norm(difference.reshape(len(difference), -1) @ net.w1, axis=1)
    shortened = difference * (2.0 / lengths)[:, None, None]
    np.testing.assert_allclose(logits(net, difference), logits(net, shortened), atol=1e-4)
    np.testing.assert_allclose(logits(net, difference), logits(net, 1e4 * difference), atol=1e-4)


def test_points_that_did_not_move_have_no_attribution() -> None:
    difference = faces(1)
    difference[:, 2] = 0
    result = integrated_gradients(network(1), difference, np.zeros(len(difference), np.int64))
    assert (result.attributions[:, 2] == 0).all()
    assert (np.abs(result.attributions[:, :2]).sum(axis=1) > 0).all()


def test_gauss_legendre_is_exact_for_polynomials() -> None:
    nodes, weights = gauss_legendre(4)
    assert ((nodes > 0) & (nodes < 1)).all()
    for degree in range(8):
        assert (weights * nodes**degree).sum() == pytest.approx(1 / (degree + 1), rel=1e-5)


@pytest.mark.parametrize("shape", [(K, 3), (1, K + 1, 3), (1, K, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"\[B, {K}, 3\]"):
        logits(network(0), np.zeros(shape, np.float32))
