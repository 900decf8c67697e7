"""Own neutral faces: of the others, and drawn to the population's by as much as they are worth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import samples_of
from numpy.typing import NDArray

from models.faces.landmark_set import LandmarkSet
from models.samples.dataset import Samples, join
from models.samples.own_neutral import Spread, drawn, of_one_sitting, own_neutral_faces, spread

POPULATION = np.zeros((2, 3), np.float32)


def some_samples(label: list[int], subject: list[int]) -> Samples:
    n = len(label)
    return samples_of(
        np.random.default_rng(0).normal(0, 1, (n, 2, 3)),
        np.array(label, np.int32),
        landmark_set=LandmarkSet("two", np.array([61, 291])),
        subject=np.array(subject, np.int32),
    )


def test_own_neutral_faces_are_the_other_neutral_faces_of_a_person() -> None:
    #                       person 4       5      6   unknown
    samples = some_samples([0, 0, 0, 1, 0, 2, 3, 0, 1], [4, 4, 4, 4, 5, 5, 6, -1, -1])
    faces, known = own_neutral_faces(samples)
    p = samples.points
    assert known.tolist() == [True, True, True, True, False, True, False, False, False]
    assert faces.dtype == np.float32
    np.testing.assert_allclose(faces[0], (p[1] + p[2]) / 2, rtol=1e-5)
    np.testing.assert_allclose(faces[1], (p[0] + p[2]) / 2, rtol=1e-5)
    np.testing.assert_allclose(faces[3], (p[0] + p[1] + p[2]) / 3, rtol=1e-5)
    np.testing.assert_allclose(faces[5], p[4], rtol=1e-5)
    assert (faces[~known] == 0).all()


def test_no_own_neutral_faces_without_neutral_faces() -> None:
    faces, known = own_neutral_faces(some_samples([1, 2], [0, 0]), np.zeros((2, 3), np.float32))
    assert not known.any()
    assert faces.shape == (2, 2, 3)
    assert (faces == 0).all()


def people(
    within: float, between: float, faces: int = 3, count: int = 4000
) -> tuple[Samples, NDArray[np.float64]]:
    """Neutral faces of `count` persons, and each person's true face [count, 2, 3]."""
    rng = np.random.default_rng(1)
    true = rng.normal(0, between, (count, 2, 3))
    points = np.repeat(true, faces, axis=0) + rng.normal(0, within, (count * faces, 2, 3))
    subject = np.repeat(np.arange(count), faces).astype(np.int32)
    two = LandmarkSet("two", np.array([61, 291]))
    return samples_of(points, np.zeros(len(points), np.int32), landmark_set=two, subject=subject), true


def test_the_spread_within_and_between_persons_is_found() -> None:
    found = spread(people(0.03, 0.02)[0], 0, POPULATION)
    assert found.within == pytest.approx(6 * 0.03**2, rel=0.05)
    assert found.between == pytest.approx(6 * 0.02**2, rel=0.05)


def test_a_drawn_mean_is_nearer_to_the_true_face_than_either() -> None:
    samples, true = people(0.03, 0.02)
    truth = np.repeat(true, 3, axis=0)
    error = {
        name: float(((guess - truth) ** 2).mean())
        for name, guess in (
            ("population", np.zeros_like(truth)),
            ("mean", own_neutral_faces(samples)[0]),
            ("drawn", own_neutral_faces(samples, POPULATION)[0]),
        )
    }
    # A mean of two keeps 4 / (4 + 9 / 2) of its difference, and that leaves so much of the variance.
    assert error["drawn"] == pytest.approx(0.02**2 * (9 / 2) / (4 + 9 / 2), rel=0.05)
    assert error["drawn"] < 0.95 * min(error["population"], error["mean"])


def test_faces_that_agree_are_believed() -> None:
    samples, _ = people(0.0003, 0.02)
    np.testing.assert_allclose(
        own_neutral_faces(samples, POPULATION)[0], own_neutral_faces(samples)[0], atol=3e-5
    )


def test_faces_that_tell_nothing_of_the_person_are_not() -> None:
    samples, _ = people(0.03, 0.0)
    assert (
        np.abs(own_neutral_faces(samples, POPULATION)[0]).max()
        < 0.1 * np.abs(own_neutral_faces(samples)[0]).max()
    )


def test_a_file_without_two_faces_of_anybody_is_believed() -> None:
    samples = some_samples([0, 1, 0, 1], [0, 0, 1, 1])
    faces, known = own_neutral_faces(samples, POPULATION)
    assert known.tolist() == [False, True, False, True]
    np.testing.assert_allclose(faces, own_neutral_faces(samples)[0], rtol=1e-6)


def test_each_file_is_believed_by_itself() -> None:
    rough, _ = people(0.03, 0.02, count=500)
    fine, _ = people(0.0003, 0.02, count=500)
    both = join([rough, fine])
    faces, _ = own_neutral_faces(both, POPULATION)
    for part, rows in ((rough, slice(None, 1500)), (fine, slice(1500, None))):
        np.testing.assert_allclose(faces[rows], own_neutral_faces(part, POPULATION)[0], rtol=1e-6)


@given(
    within=st.floats(0, 1),
    between=st.floats(0, 1),
    count=st.integers(1, 100),
    mean=st.floats(-1, 1, width=32),
)
def test_a_drawn_mean_lies_between_the_mean_and_the_population(
    within: float, between: float, count: int, mean: float
) -> None:
    means = np.full((1, 2, 3), mean, np.float32)
    found = drawn(means, np.array([count]), POPULATION, Spread(within, between))
    more = drawn(means, np.array([count + 1]), POPULATION, Spread(within, between))
    assert (np.abs(found) <= np.abs(means) * (1 + 1e-6)).all()
    assert (np.abs(more) >= np.abs(found) * (1 - 1e-6)).all()
    assert (found * means >= 0).all()


def test_who_speaks_or_blinks_is_compared_but_nobodys_baseline() -> None:
    samples = some_samples([0, 0, 0, 0, 1], [4, 4, 4, 4, 4])
    tagged = replace(samples, tag=np.array(["", "", "speech", "blink", ""]))
    faces, known = own_neutral_faces(tagged)
    p = samples.points
    assert known.all()
    np.testing.assert_allclose(faces[0], p[1], rtol=1e-5)
    for row in (2, 3, 4):
        np.testing.assert_allclose(faces[row], (p[0] + p[1]) / 2, rtol=1e-5)


@pytest.mark.parametrize(("within", "alike"), [(0.004, True), (0.016, False)])
def test_faces_of_one_sitting_are_told_from_those_of_years(within: float, alike: bool) -> None:
    assert of_one_sitting(people(within, 0.03, count=200)[0]) is alike


def test_without_two_neutral_faces_of_anybody_nothing_says_that_they_are_of_one_sitting() -> None:
    assert not of_one_sitting(some_samples([0, 0, 1], [1, 2, 2]))
    assert not of_one_sitting(some_samples([], []))
