"""Logits, probabilities and biases, against numbers worked out by hand and for any answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.emotion.probabilities import even_prior_bias, log_odds, only, with_bias

P = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.3, 0.5, 0.2], [0.05, 0.9, 0.05], [0.4, 0.4, 0.2]], np.float32
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.dirichlet([0.5, 1, 2], n).astype(np.float32), rng.integers(0, 3, n).astype(np.int32)


@given(answers(), st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_a_bias_works_as_if_added_before_the_softmax(
    case: tuple[NDArray[np.float32], NDArray[np.int32]], values: list[float]
) -> None:
    z = log_odds(case[0])
    bias = np.array(values, np.float32)
    expected = np.exp(z + bias) / np.exp(z + bias).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(z.sum(axis=1), 0, atol=1e-3)
    np.testing.assert_allclose(with_bias(case[0], bias), expected, atol=1e-5)


def test_classes_that_are_not_there_can_be_ruled_out() -> None:
    got = with_bias(P, only(np.array([True, False, True])))

    np.testing.assert_allclose(got[3], [0.5, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(got[0], [8 / 9, 0, 1 / 9], atol=1e-6)
    sure = np.array([[0, 1, 0]], np.float32)  # the others were rounded to nothing
    np.testing.assert_allclose(
        with_bias(sure, only(np.array([True, False, True]))),
        [[0.5, 0, 0.5]],
    )


def test_an_even_prior_divides_by_what_the_faces_say_on_average() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.7, 0.1, 0.2]], np.float32)
    bias = even_prior_bias(p, np.array([True, True, True]))

    np.testing.assert_allclose(np.exp(bias), [1 / 0.6, 1 / 0.2, 1 / 0.2], rtol=1e-5)
    expected = np.array([[0.5 / 0.6, 0.3 / 0.2, 0.2 / 0.2], [0.7 / 0.6, 0.1 / 0.2, 0.2 / 0.2]])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(with_bias(p, bias), expected, rtol=1e-4)


@given(answers())
def test_an_even_prior_gives_no_chance_to_classes_that_are_not_there(
    case: tuple[NDArray[np.float32], NDArray[np.int32]],
) -> None:
    bias = even_prior_bias(case[0], np.array([True, True, False]))
    got = with_bias(case[0], bias)

    assert math.isinf(bias[2])
    assert (got[:, 2] == 0).all()
    # Without the third class, the means that are divided by add up to 1.
    assert np.exp(-bias[:2]).sum() == pytest.approx(1, abs=1e-4)
