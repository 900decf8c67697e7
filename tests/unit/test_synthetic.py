import numpy as np
import pytest

from models.canonical import CANONICAL
from models.synthetic import RECIPES, expression_shapes, synthesise

ACTIONS = sorted({action for recipe in RECIPES.values() for action in recipe})
EMOTIONS = tuple(RECIPES)


def test_shapes_are_turned_and_measured_in_inter_ocular_distances() -> None:
    base = (CANONICAL * [9, -9, -9]).astype(np.float32)  # ICT-FaceKit: y up, z to the camera, 9 cm
    shapes = np.zeros((1, 468, 3), np.float32)
    shapes[0, 152] = [0.9, -1.8, 0.45]  # the chin goes left, down and forward
    turned = expression_shapes(shapes, base)
    np.testing.assert_allclose(turned[0, 152], [0.1, 0.2, -0.05], rtol=1e-5)


def test_actions_of_an_emotion_move_the_neutral_face() -> None:
    """A mouth that only `jawOpen` moves: open in surprise, shut in anger."""
    shapes = np.zeros((len(ACTIONS), 468, 3), np.float32)
    shapes[ACTIONS.index("jawOpen"), [17, 152], 1] = 0.3
    points, label = synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 80, seed=0)
    opened = (points[:, 17, 1] - points[:, 0, 1]) - (CANONICAL[17, 1] - CANONICAL[0, 1])
    assert (opened[label == EMOTIONS.index("surprise")] > 0.03).all()
    np.testing.assert_allclose(opened[label == EMOTIONS.index("anger")], 0, atol=1e-5)
    assert np.bincount(label).tolist() == [10] * 8


def test_both_sides_of_an_action_move() -> None:
    names = [*(action for action in ACTIONS if "mouthSmile" not in action), "mouthSmile_L", "mouthSmile_R"]
    shapes = np.zeros((len(names), 468, 3), np.float32)
    shapes[names.index("mouthSmile_L"), 291, 1] = -0.1
    shapes[names.index("mouthSmile_R"), 61, 1] = -0.1
    points, _ = synthesise(CANONICAL[None], shapes, names, ("happiness",), 20, seed=0)
    raised = CANONICAL[[61, 291], 1] - points[:, [61, 291], 1]
    assert (raised > 0.01).all()


def test_the_same_seed_gives_the_same_faces() -> None:
    shapes = np.random.default_rng(0).normal(0, 0.02, (len(ACTIONS), 468, 3)).astype(np.float32)
    first, second, other = (
        synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 8, seed=seed)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_missing_shape_and_missing_faces() -> None:
    shapes = np.zeros((1, 468, 3), np.float32)
    with pytest.raises(ValueError, match="lacks 'mouthSmile'"):
        synthesise(CANONICAL[None], shapes, ["jawOpen"], ("happiness",), 1, seed=0)
    with pytest.raises(ValueError, match="neutral faces to start from"):
        synthesise(np.empty((0, 468, 3), np.float32), shapes, ["jawOpen"], ("happiness",), 1, seed=0)
    with pytest.raises(ValueError, match=r"\[E, 468, 3\]"):
        expression_shapes(shapes[0], CANONICAL)
