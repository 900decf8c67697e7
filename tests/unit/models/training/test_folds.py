import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.folds import subject_folds


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.integers(2, 5), st.integers(0, 5))
def test_nobody_is_in_two_folds_and_folds_are_even(subjects: list[int], folds: int, seed: int) -> None:
    subject = np.array(subjects, np.int32)
    people, faces = np.unique(subject, return_counts=True)
    if len(people) < folds:
        with pytest.raises(ValueError, match="too few"):
            subject_folds(subject, folds, seed)
        return
    fold = subject_folds(subject, folds, seed)

    assert set(fold) == set(range(folds))
    for person in people:
        assert len(set(fold[subject == person])) == 1
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= faces.max()


def test_the_seed_decides() -> None:
    subject = np.arange(50, dtype=np.int32)

    assert (subject_folds(subject, 5, 0) == subject_folds(subject, 5, 0)).all()
    assert (subject_folds(subject, 5, 0) != subject_folds(subject, 5, 1)).any()
    assert np.bincount(subject_folds(subject, 5)).tolist() == [10] * 5


@pytest.mark.parametrize(
    ("subject", "folds", "message"), [([0, 1], 1, "at least 2"), ([0, 1, -1], 2, "unknown persons")]
)
def test_what_cannot_be_split(subject: list[int], folds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        subject_folds(np.array(subject, np.int32), folds)
