"""Greedy selection against brute force, and what it must know: twins, redundancy, the training part alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up import samples_of
from numpy.typing import NDArray

from models.faces.canonical import CANONICAL, MIRROR, REGION
from models.faces.landmark_set import LandmarkSet, select
from models.samples.dataset import Samples
from models.training import landmark_selection
from models.training.landmark_selection import greedy, shuffled
from models.training.network import Network
from models.training.shape_modes import spread


def pair(name: str) -> list[int]:
    """A pair of mirror twins in that region."""
    first = next(i for i in range(468) if REGION[i].startswith(name) and MIRROR[i] != i)
    return sorted({first, int(MIRROR[first])})


CORNERS, CHEEKS, BROWS = pair("mouth corner"), pair("cheek"), pair("brow")


def samples(seed: int = 0, count: int = 300) -> Samples:
    """Emotion 1 moves the corners, and the cheeks in the same way; emotion 2 moves the brows, less."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count).astype(np.int32)
    points = CANONICAL + rng.normal(0, 0.002, (count, 468, 3)).astype(np.float32)
    smile = rng.normal(0.1, 0.02, count) * (label == 1) + rng.normal(0, 0.02, count)
    for points_of, movement in ((CORNERS, smile), (CHEEKS, 0.9 * smile)):
        points[:, points_of, 1] -= movement[:, None].astype(np.float32)
    brows = 0.03 * (label == 2) + rng.normal(0, 0.015, count)
    points[:, BROWS, 1] -= brows[:, None].astype(np.float32)
    return samples_of(points, label, validation=np.arange(count) % 5 == 0)


SAMPLES = samples()


@pytest.fixture(scope="module")
def importance() -> NDArray[Any]:
    return greedy(SAMPLES, 32)


def test_what_is_said_already_adds_nothing(importance: NDArray[Any]) -> None:
    """The cheeks say nearly as much as the corners, but nothing more: the brows come second."""
    chosen = {size: select(f"greedy{size}", importance, size) for size in (2, 4)}

    assert chosen[2].indices.tolist() == CORNERS
    assert chosen[4].indices.tolist() == sorted(CORNERS + BROWS)


def test_every_point_has_a_place_and_twins_share_it(importance: NDArray[Any]) -> None:
    assert (importance > 0).all()
    np.testing.assert_array_equal(importance, importance[MIRROR])
    sets = {size: select("greedy", importance, size) for size in (16, 64, 128)}
    assert [len(chosen) for chosen in sets.values()] == [16, 64, 128]
    assert set(sets[16].indices) < set(sets[64].indices) < set(sets[128].indices)


def regression() -> tuple[NDArray[Any], NDArray[Any]]:
    """Coordinates [N, 468, 3] and labels [N, 8] of faces and their mirror images."""
    fit = SAMPLES.points[~SAMPLES.validation].astype(np.float64)
    y = SAMPLES.probabilities[~SAMPLES.validation].astype(np.float64)
    y = y - y.mean(axis=0)
    y = y / np.where(y.std(axis=0) > 0, y.std(axis=0), 1)
    both = np.concatenate([fit, fit[:, MIRROR] * [-1, 1, 1]])
    both -= both.mean(axis=0)
    return both, np.concatenate([y, y])


def ridge_error(both: NDArray[Any], y: NDArray[Any], points_of: list[int]) -> float:
    """The regression's error with these points, worked out directly."""
    x = both[:, points_of].reshape(len(both), -1)
    ridge = len(both) * landmark_selection.NOISE**2
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    return float(np.square(y - x @ weights).sum() + ridge * np.square(weights).sum())


def test_each_step_takes_what_brute_force_would(importance: NDArray[Any]) -> None:
    groups = [sorted({i, int(MIRROR[i])}) for i in range(468) if i <= MIRROR[i]]
    order = sorted(groups, key=lambda group: -importance[group[0]])
    chosen: list[int] = []
    both, y = regression()
    for taken in order[:3]:
        before = ridge_error(both, y, chosen)
        rest = [group for group in groups if group[0] not in chosen]
        fall = [(before - ridge_error(both, y, chosen + group)) / len(group) for group in rest]
        assert taken == rest[int(np.argmax(fall))]
        chosen += taken


def test_held_out_faces_are_never_looked_at(importance: NDArray[Any]) -> None:
    spoilt = SAMPLES.points.copy()
    spoilt[SAMPLES.validation] += 1
    again = greedy(replace(SAMPLES, points=spoilt), 32)

    np.testing.assert_array_equal(again, importance)


def detector(*moving: list[int]) -> Network:
    """Each list of points moves one logit as it goes up, and nothing else does."""
    w1 = np.zeros((1404, len(moving)), np.float32)
    w2 = np.zeros((len(moving), 8), np.float32)
    for unit, points in enumerate(moving):
        w1[[3 * point + 1 for point in points], unit] = -10
        w2[unit, unit + 1] = 1
    return Network(w1, np.full(len(moving), 5, np.float32), w2, np.zeros(8, np.float32), np.inf)


def test_directions_are_those_in_which_the_answers_move() -> None:
    directions = landmark_selection.sensitivity(detector(CORNERS), SAMPLES.points[:50] - CANONICAL)

    strength = np.linalg.norm(directions, axis=1)
    assert strength[1] < 1e-3 * strength[0]
    along = np.zeros((468, 3))
    along[CORNERS, 1] = np.sqrt(0.5)
    assert abs(directions[0] @ along.ravel()) == pytest.approx(strength[0], rel=1e-4)


def test_informed_takes_what_tells_the_directions_and_nothing_twice() -> None:
    """The cheeks move with the corners, but tell nothing that the corners do not tell."""
    difference = SAMPLES.points - CANONICAL
    directions = landmark_selection.sensitivity(detector(CORNERS, BROWS), difference[:50])
    covariance = spread(difference, MIRROR).covariance
    importance = landmark_selection.informed(covariance, directions, 8)
    chosen = {size: select("informed", importance, size) for size in (2, 4)}

    assert chosen[2].indices.tolist() == CORNERS
    assert chosen[4].indices.tolist() == sorted(CORNERS + BROWS)


def test_where_no_direction_matters_all_points_are_equal() -> None:
    importance = landmark_selection.informed(np.eye(1404), np.zeros((1, 1404)), 2)

    assert np.isfinite(importance).all()
    assert len(select("informed", importance, 16)) == 16


def test_random_sets_are_mirrored_and_differ_by_seed() -> None:
    one, same, other = (select("random", shuffled(seed), 32) for seed in (0, 0, 1))

    assert one == same
    assert one != other
    assert len(one) == 32


def test_what_cannot_be_chosen_from() -> None:
    few = SAMPLES.take(LandmarkSet("few", np.array(CORNERS)))
    with pytest.raises(ValueError, match="out of all 468, not out of 'few-"):
        greedy(few)
    with pytest.raises(ValueError, match="there is none"):
        greedy(replace(SAMPLES, validation=np.ones(len(SAMPLES), np.bool_)))
