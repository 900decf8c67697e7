"""Operating points are chosen on held-out faces."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.emotion.operating_points import OperatingPoint
from models.emotion.probabilities import softmax
from models.training.operating_point_choice import FalseAlarms, choose, choose_own

PRIOR = np.array([0.8, 0.15, 0.05], np.float32)


def held_out(count: int = 3000) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Calibrated log-odds of three classes, of which one is frequent and one is rare."""
    rng = np.random.default_rng(0)
    label = rng.choice(3, count, p=PRIOR).astype(np.int32)
    evidence = rng.normal(0, 1, (count, 3)) + 1.5 * np.eye(3)[label]
    return (1.5 * evidence + np.log(PRIOR)).astype(np.float32), label


def scores(logits: NDArray[np.float32], label: NDArray[np.int32]) -> tuple[float, float]:
    right = logits.argmax(axis=1) == label
    return right.mean(), np.mean([right[label == one].mean() for one in range(3)])


def test_accurate_leaves_the_logits_and_balanced_lifts_the_rare_classes() -> None:
    logits, label = held_out()
    points = choose(logits, label, PRIOR, 0.9, min_accuracy=0.5)
    assert list(points) == ["accurate", "balanced"]
    assert (points["accurate"].bias == 0).all()
    bias = points["balanced"].bias
    assert bias.dtype == np.float32
    assert bias[0] < bias[1] < bias[2]
    assert abs(bias.sum()) < 1e-5
    assert scores(logits + bias, label)[1] > scores(logits, label)[1] + 0.1


@pytest.mark.parametrize("least", [0.6, 0.75, 0.8, 0.85])
def test_balanced_is_the_best_of_those_that_keep_the_accuracy(least: float) -> None:
    logits, label = held_out()
    bias = choose(logits, label, PRIOR, 0.9, least)["balanced"].bias
    accuracy, balance = scores(logits + bias, label)
    assert accuracy >= least
    for tau in np.linspace(0, 2, 41):
        other = scores(logits - tau * np.log(PRIOR), label)
        assert other[0] < least or other[1] <= balance


def test_where_the_accuracy_cannot_be_had_two_points_may_be_lost() -> None:
    logits, label = held_out()
    accuracy, balance = scores(logits, label)
    bias = choose(logits, label, PRIOR, 0.9, min_accuracy=0.99)["balanced"].bias
    lost, better = scores(logits + bias, label)
    assert accuracy - 0.02 <= lost < accuracy
    assert better > balance


def test_each_has_its_own_least_confidence() -> None:
    logits, label = held_out()
    for point in choose(logits, label, PRIOR, 0.95, 0.7).values():
        e = np.exp(logits + point.bias)
        p = e / e.sum(axis=1, keepdims=True)
        given = p.max(axis=1) >= point.min_confidence
        assert 0 < point.min_confidence < 0.99
        assert (p.argmax(axis=1) == label)[given].mean() >= 0.95


def at_rest_and_moved(people: int = 2000) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.str_]]:
    """Logits of eight classes, speaking ones less sure than quiet ones."""
    rng = np.random.default_rng(1)
    label = np.tile(np.arange(8, dtype=np.int32), people)
    tag = np.where((label == 0) & (rng.uniform(size=len(label)) < 0.4), "speech", "")
    logits = rng.normal(0, 1, (len(label), 8)) + 3 * np.eye(8)[label]
    logits[tag == "speech"] /= 2
    return logits.astype(np.float32), label, tag


def alarms(points: dict[str, OperatingPoint], name: str, tag: str) -> float:
    logits, label, tags = at_rest_and_moved()
    chosen = (label == 0) & (tags == tag)
    return float(((logits + points[name].bias)[chosen].argmax(axis=1) != 0).mean())


def test_the_smallest_bias_on_neutral_that_keeps_the_limits() -> None:
    logits, label, tag = at_rest_and_moved()
    points = choose_own(logits, label, tag, FalseAlarms(0.003, 0.5, 0.5, 0.02), 0.9)
    assert list(points) == ["own", "watchful"]
    for name, most in (("own", 0.003), ("watchful", 0.02)):
        bias = points[name].bias
        assert not bias[1:].any()
        assert 0.7 * most < alarms(points, name, "") <= most
        answer = (logits + bias).argmax(axis=1)
        named = softmax(logits + bias)[answer != 0].max(axis=1) >= points[name].min_confidence
        assert (answer == label)[answer != 0][named].mean() >= 0.9
    assert points["own"].bias[0] > points["watchful"].bias[0] > 0


def test_speech_can_ask_for_more_and_a_bias_is_never_negative() -> None:
    logits, label, tag = at_rest_and_moved()
    points = choose_own(logits, label, tag, FalseAlarms(0.5, 0.01, 0.5, 1 - 1e-9), 0.9)
    assert alarms(points, "own", "speech") <= 0.01
    assert points["watchful"].bias[0] == 0
