"""Figures against tables worked out by hand, and properties that hold for any answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.judging import accuracy_figures
from models.judging.accuracy_figures import Answered, figures
from models.training.calibration import expected_calibration_error

CLASSES = ("calm", "glad", "sad")

# truth  →  answer (confidence)
# calm   →  calm (.8), calm (.6), glad (.5)
# glad   →  glad (.9), calm (.4, with .4 for glad: the first of equals)
# sad    →  none
P = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.3, 0.5, 0.2], [0.05, 0.9, 0.05], [0.4, 0.4, 0.2]], np.float32
)
LABEL = np.array([0, 0, 0, 1, 1], np.int32)


def test_the_table_worked_out_by_hand() -> None:
    f = figures(P, LABEL, CLASSES, min_confidence=0.55)

    assert f.faces == 5
    assert f.confusion == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert f.accuracy == pytest.approx(3 / 5)
    assert f.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    calm, glad, sad = (f.by_class[name] for name in CLASSES)
    assert (calm.recall, calm.precision) == pytest.approx((2 / 3, 2 / 3))
    assert (glad.recall, glad.precision) == pytest.approx((1 / 2, 1 / 2))
    assert f.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (calm.one_vs_rest_accuracy, glad.one_vs_rest_accuracy) == pytest.approx((3 / 5, 3 / 5))
    # calm: .8 and .6 beat .05 and .4, .3 beats .05 only: 5 of 6. glad: .9 beats three, .4 beats .1 and .3.
    assert (calm.auc, glad.auc) == pytest.approx((5 / 6, 5 / 6))
    assert (sad.faces, sad.recall, sad.precision, sad.f1, sad.auc) == (0, None, None, None, None)
    assert sad.one_vs_rest_accuracy == 1
    assert f.answered == Answered(0.55, 3 / 5, 1.0)


def test_coverage_falls_from_all_answers_to_none() -> None:
    curve = figures(P, LABEL, CLASSES, 0).coverage_curve

    assert [point.min_confidence for point in curve] == pytest.approx(np.arange(101) / 100)
    assert curve[0] == Answered(0.0, 1.0, 3 / 5)
    assert curve[45] == Answered(0.45, 4 / 5, 3 / 4)
    assert curve[85] == Answered(0.85, 1 / 5, 1.0)
    assert curve[100] == Answered(1.0, 0.0, None)


def test_log_loss_is_of_the_labels_probability_and_bounded() -> None:
    p = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], np.float32)
    label = np.array([1, 1], np.int32)

    assert figures(p[:1], label[:1], CLASSES, 0).log_loss == pytest.approx(np.log(4))
    assert figures(p, label, CLASSES, 0).log_loss == pytest.approx((np.log(4) + np.log(1e6)) / 2)


def test_reliability_bins_are_those_of_the_calibration_error() -> None:
    f = figures(P, LABEL, CLASSES, 0)
    gap = sum(b.faces * abs((b.accuracy or 0) - (b.confidence or 0)) for b in f.reliability) / f.faces

    # Each face is in a bin of its own: gaps .2, .4, .5, .1, .4.
    assert f.expected_calibration_error == pytest.approx(1.6 / 5)
    assert gap == pytest.approx(f.expected_calibration_error)
    assert [b.faces for b in f.reliability] == [0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0]
    assert f.reliability[0].accuracy is None


@pytest.mark.parametrize(
    ("score", "positive", "area"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([1, 1, 1, 1], [0, 1, 0, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 0.875),
        ([1, 2], [1, 1], None),
        ([1, 2], [0, 0], None),
    ],
)
def test_area_under_the_curve(score: list[float], positive: list[int], area: float | None) -> None:
    assert accuracy_figures.auc(np.array(score, np.float32), np.array(positive, np.bool_)) == area


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_the_area_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    score = np.array([s for s, _ in pairs], np.float32)
    positive = np.array([p for _, p in pairs])
    gap = score[positive][:, None] - score[~positive][None, :]
    area = accuracy_figures.auc(score, positive)

    if gap.size:
        assert area == pytest.approx(((gap > 0) + 0.5 * (gap == 0)).mean())
    else:
        assert area is None


@st.composite
def answers(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.dirichlet([0.5, 1, 2], n).astype(np.float32), rng.integers(0, 3, n).astype(np.int32)


@given(answers(), st.permutations(range(3)))
def test_figures_do_not_depend_on_the_classes_order(
    case: tuple[NDArray[np.float32], NDArray[np.int32]], order: list[int]
) -> None:
    p, label = case
    names = tuple(CLASSES[i] for i in order)
    one = figures(p, label, CLASSES, 0.5)
    other = figures(p[:, order], np.argsort(order)[label].astype(np.int32), names, 0.5)

    for field in ("accuracy", "balanced_accuracy", "macro_f1", "expected_calibration_error", "log_loss"):
        assert getattr(one, field) == pytest.approx(getattr(other, field), abs=1e-6)
    assert one.answered == other.answered
    for name in CLASSES:
        assert one.by_class[name] == other.by_class[name]


@given(answers())
def test_sums_agree(case: tuple[NDArray[np.float32], NDArray[np.int32]]) -> None:
    p, label = case
    f = figures(p, label, CLASSES, 0.4)

    assert sum(map(sum, f.confusion)) == f.faces == sum(c.faces for c in f.by_class.values())
    weighted = sum(c.faces * (c.recall or 0) for c in f.by_class.values()) / f.faces
    assert weighted == pytest.approx(f.accuracy)
    assert f.expected_calibration_error == expected_calibration_error(p, label)
    coverage = [point.coverage for point in f.coverage_curve]
    assert coverage == sorted(coverage, reverse=True)


@pytest.mark.parametrize(
    ("p", "label", "message"),
    [
        (P[:, :2], LABEL, r"expected probabilities \[5, 3\], not \[5, 2\]"),
        (P[:0], LABEL[:0], "no face"),
        (P, np.array([0, 0, 0, 1, -1], np.int32), "majority"),
        (P, np.array([0, 0, 0, 1, 3], np.int32), "0 to 2"),
    ],
)
def test_what_does_not_fit_is_refused(p: NDArray[np.float32], label: NDArray[np.int32], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures(p, label, CLASSES, 0.5)
