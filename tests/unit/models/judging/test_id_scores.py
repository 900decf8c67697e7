"""Scores of ids against cases that are counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.judging.id_scores import Judged, id_scores, iou_matrix

A, B, FAR = (0.0, 0.0, 10.0, 10.0), (100.0, 0.0, 110.0, 10.0), (500.0, 500.0, 510.0, 510.0)


def frame(
    true: dict[int, tuple[float, ...]], found: dict[str, tuple[float, ...]], hidden: tuple[int, ...] = ()
) -> Judged:
    def boxes(values: list[tuple[float, ...]]) -> np.ndarray:
        return np.array(values, np.float64).reshape(-1, 4)

    counts = [id_ not in hidden for id_ in true]
    return Judged(list(true), boxes([*true.values()]), counts, list(found), boxes([*found.values()]))


def test_a_tracker_that_is_right_has_full_marks() -> None:
    scores = id_scores([frame({0: A, 1: B}, {"a": A, "b": B})] * 3)
    assert scores == (6, 0, 0, 0, 0, 0, 1.0, 1.0)


def test_a_lost_id_is_one_switch_and_half_of_idf1() -> None:
    """Four frames: twice under one id, twice under another. IDTP 2 of 4 truths and 4 answers."""
    scores = id_scores([frame({0: A}, {"a": A})] * 2 + [frame({0: A}, {"b": A})] * 2)
    assert (scores.switches, scores.fragmentations, scores.shared_ids) == (1, 0, 0)
    assert scores.mota == 1 - 1 / 4
    assert scores.idf1 == 2 * 2 / (4 + 4)


def test_exchanged_ids_are_two_switches() -> None:
    scores = id_scores([frame({0: A, 1: B}, {"a": A, "b": B})] * 3 + [frame({0: A, 1: B}, {"a": B, "b": A})])
    assert (scores.switches, scores.shared_ids, scores.misses, scores.false_positives) == (2, 2, 0, 0)
    assert scores.mota == 1 - 2 / 8
    assert scores.idf1 == 2 * 6 / (8 + 8)


def test_a_gap_is_a_fragmentation_and_misses_but_no_switch() -> None:
    """Seen, missed twice, seen; missed at the end, which is no gap."""
    seen, missed = frame({0: A}, {"a": A}), frame({0: A}, {})
    scores = id_scores([missed, seen, missed, missed, seen, missed])
    assert scores == (6, 4, 0, 0, 1, 0, 1 - 4 / 6, 2 * 2 / (6 + 2))


def test_what_nobody_is_is_a_false_positive() -> None:
    scores = id_scores([frame({0: A}, {"a": A, "ghost": FAR})] * 2)
    assert (scores.misses, scores.false_positives) == (0, 2)
    assert scores.mota == 1 - 2 / 2
    assert scores.idf1 == 2 * 2 / (2 + 4)


def test_a_box_that_lies_badly_is_a_miss_and_a_false_positive() -> None:
    shifted = (5.0, 0.0, 15.0, 10.0)  # IoU 1/3
    scores = id_scores([frame({0: A}, {"a": shifted})])
    assert (scores.misses, scores.false_positives, scores.mota) == (1, 1, -1.0)
    assert id_scores([frame({0: A}, {"a": shifted})], min_iou=0.3).mota == 1


def test_who_need_not_be_found_costs_nothing_found_or_not() -> None:
    right = [frame({0: A}, {"a": A})]
    hidden_found = frame({0: A, 1: B}, {"a": A, "x": B}, hidden=(1,))
    hidden_missed = frame({0: A, 1: B}, {"a": A}, hidden=(1,))
    assert id_scores([*right, hidden_found, hidden_missed]) == (3, 0, 0, 0, 0, 0, 1.0, 1.0)


def test_an_occlusion_between_is_no_fragmentation_but_a_switch_counts() -> None:
    seen, gone = frame({0: A}, {"a": A}), frame({0: A}, {}, hidden=(0,))
    assert id_scores([seen, gone, seen]).fragmentations == 0
    back = id_scores([seen, gone, frame({0: A}, {"b": A})])
    assert (back.switches, back.fragmentations) == (1, 0)


def test_who_goes_together_stays_together() -> None:
    """A second answer overlaps better, but the known one is still good enough: no switch."""
    near = (1.0, 0.0, 11.0, 10.0)
    scores = id_scores([frame({0: A}, {"a": A}), frame({0: A}, {"a": near, "b": A})])
    assert (scores.switches, scores.false_positives) == (0, 1)


def test_as_many_as_can_be_are_matched() -> None:
    """The answer that overlaps both is left to the face that has no other."""
    both, only_a = (3.0, 0.0, 13.0, 10.0), (-3.0, 0.0, 7.0, 10.0)
    right = (6.0, 0.0, 16.0, 10.0)
    scores = id_scores([frame({0: A, 1: right}, {"x": both, "y": only_a})])
    assert (scores.misses, scores.false_positives) == (0, 0)


def test_nothing_to_find_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to score"):
        id_scores([frame({}, {"a": A}), frame({0: A}, {}, hidden=(0,))])


@given(
    st.lists(
        st.tuples(*[st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 60), st.floats(1, 60)]), max_size=4
    )
)
def test_iou_is_symmetric_between_0_and_1_and_1_with_itself(
    corners_and_sizes: list[tuple[float, ...]],
) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners_and_sizes]).reshape(-1, 4)
    iou = iou_matrix(boxes, boxes)
    assert iou.shape == (len(boxes), len(boxes))
    np.testing.assert_allclose(np.diag(iou), 1)
    np.testing.assert_allclose(iou, iou.T)
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()


def test_iou_of_boxes_counted_by_hand() -> None:
    iou = iou_matrix(np.array([A, B]), np.array([(5.0, 0.0, 15.0, 10.0), FAR, A]))
    np.testing.assert_allclose(iou, [[1 / 3, 0, 1], [0, 0, 0]])
    assert iou_matrix(np.zeros((0, 4)), np.array([A])).shape == (0, 1)
    assert iou_matrix(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


@given(st.permutations(["a", "b", "c"]))
def test_the_names_of_ids_do_not_matter(names: list[str]) -> None:
    plain = [frame({0: A, 1: B}, {"a": A, "b": B}), frame({0: A, 1: B}, {"a": A, "c": B})]
    to = dict(zip("abc", names, strict=True))
    renamed = [f._replace(found_ids=[to[id_] for id_ in f.found_ids]) for f in plain]
    assert id_scores(renamed) == id_scores(plain)
