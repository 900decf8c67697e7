import numpy as np
import pytest

from models.faces.canonical import CANONICAL
from models.samples.dataset import EMOTIONS as DATA_EMOTIONS
from models.samples.synthetic_faces import NEUTRALS_A_PERSON, RECIPES, expression_shapes, synthesise

ACTIONS = sorted({action for recipes in RECIPES.values() for recipe in recipes for action in recipe})
EMOTIONS = tuple(RECIPES)


def test_shapes_are_turned_and_measured_in_inter_ocular_distances() -> None:
    base = (CANONICAL * [9, -9, -9]).astype(np.float32)  # ICT-FaceKit: y up, z to the camera, 9 cm
    shapes = np.zeros((1, 468, 3), np.float32)
    shapes[0, 152] = [0.9, -1.8, 0.45]  # the chin goes left, down and forward
    turned = expression_shapes(shapes, base)
    np.testing.assert_allclose(turned[0, 152], [0.1, 0.2, -0.05], rtol=1e-5)


def test_actions_of_an_emotion_move_the_neutral_face() -> None:
    """A mouth that only `mouthSmile` moves: raised corners in happiness, none in anger."""
    shapes = np.zeros((len(ACTIONS), 468, 3), np.float32)
    shapes[ACTIONS.index("mouthSmile"), [61, 291], 1] = -0.3
    faces = synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 81, seed=0)
    rise = (CANONICAL[61, 1] - CANONICAL[0, 1]) - (faces.points[:, 61, 1] - faces.points[:, 0, 1])
    assert (rise[faces.label == EMOTIONS.index("happiness")] > 0.03).all()
    np.testing.assert_allclose(rise[faces.label == EMOTIONS.index("anger")], 0, atol=1e-5)


def test_every_person_shows_every_emotion_and_several_neutral_faces() -> None:
    shapes = np.zeros((len(ACTIONS), 468, 3), np.float32)
    faces = synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 30, seed=0)
    assert np.bincount(faces.person).tolist() == [9, 9, 9, 3]
    for person in range(3):
        counts = np.bincount(faces.label[faces.person == person], minlength=8)
        assert counts[EMOTIONS.index("neutral")] == NEUTRALS_A_PERSON == 2
        assert sorted(counts) == [1] * 7 + [2]
    neutral = EMOTIONS.index("neutral")
    assert (faces.label[faces.person == 3][:2] == neutral).all()  # a person cut short has a baseline too


def test_a_person_keeps_face_and_identity_through_all_emotions() -> None:
    """Shapes that move nothing: all that differs is who it is."""
    shapes = np.zeros((len(ACTIONS), 468, 3), np.float32)
    identities = np.random.default_rng(0).normal(0, 0.02, (5, 468, 3)).astype(np.float32)
    faces = synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 18, seed=0, identities=identities)
    first, second = faces.points[:9], faces.points[9:]
    np.testing.assert_allclose(first, np.broadcast_to(first[:1], first.shape), atol=1e-6)
    np.testing.assert_allclose(second, np.broadcast_to(second[:1], second.shape), atol=1e-6)
    assert np.abs(first[0] - second[0]).max() > 0.005
    assert np.abs(first[0] - CANONICAL).max() > 0.005


def test_variation_differs_from_face_to_face_of_one_person() -> None:
    shapes = np.zeros((len(ACTIONS), 468, 3), np.float32)
    variation = np.random.default_rng(0).normal(0, 0.02, (50, 468, 3)).astype(np.float32)
    faces = synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 90, seed=0, variation=variation)
    by_person = faces.points.reshape(10, 9, 468, 3)
    spread = by_person.std(axis=1).mean(axis=(1, 2))
    assert (spread > 0).all()
    assert spread.max() < 0.025  # never more than the whole of it
    assert spread.max() > 2 * spread.min()  # some people vary more than others


def test_both_sides_of_an_action_move() -> None:
    names = [*(action for action in ACTIONS if "mouthSmile" not in action), "mouthSmile_L", "mouthSmile_R"]
    shapes = np.zeros((len(names), 468, 3), np.float32)
    shapes[names.index("mouthSmile_L"), 291, 1] = -0.1
    shapes[names.index("mouthSmile_R"), 61, 1] = -0.1
    faces = synthesise(CANONICAL[None], shapes, names, ("happiness",), 20, seed=0)
    raised = CANONICAL[[61, 291], 1] - faces.points[:, [61, 291], 1]
    assert (raised > 0.01).all()


def test_the_same_seed_gives_the_same_faces() -> None:
    shapes = np.random.default_rng(0).normal(0, 0.02, (len(ACTIONS), 468, 3)).astype(np.float32)
    first, second, other = (
        synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 8, seed=seed).points for seed in (1, 1, 2)
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


SIDED = [
    "browDown",
    "browInnerUp",
    "browOuterUp",
    "cheekPuff",
    "cheekRaiser",
    "cheekSquint",
    "eyeBlink",
    "eyeSquint",
    "eyeWide",
    "mouthDimple",
    "mouthFrown",
    "mouthLowerDown",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
]
UNSIDED = [
    "jawForward",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
]


def test_recipes_are_made_of_ict_facekits_shapes() -> None:
    known = {*SIDED, *UNSIDED, *(f"{name}_{side}" for name in SIDED for side in "LR")}
    for emotion, recipes in RECIPES.items():
        assert recipes
        for recipe in recipes:
            assert set(recipe) <= known, emotion
            assert all(0 <= least < greatest <= 1 for least, greatest in recipe.values()), emotion
    assert set(RECIPES) == set(DATA_EMOTIONS)


def test_only_contempt_is_one_sided() -> None:
    one_sided = {e for e, recipes in RECIPES.items() for recipe in recipes for a in recipe if a[-2:] == "_L"}
    assert one_sided == {"contempt"}
    assert not [a for recipes in RECIPES.values() for recipe in recipes for a in recipe if a[-2:] == "_R"]


def test_variants_take_turns() -> None:
    """Anger: bared teeth lower the lower lip, pressed lips do not; both happen."""
    shapes = np.zeros((len(ACTIONS), 468, 3), np.float32)
    shapes[ACTIONS.index("mouthLowerDown"), 17, 1] = 0.3
    faces = synthesise(CANONICAL[None], shapes, ACTIONS, EMOTIONS, 9 * 100, seed=0)
    anger = faces.points[faces.label == EMOTIONS.index("anger")]
    lowered = (anger[:, 17, 1] - anger[:, 0, 1]) - (CANONICAL[17, 1] - CANONICAL[0, 1]) > 0.02
    assert 0.3 < lowered.mean() < 0.7
