from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.arrays import F32
from models.emotion import explanation
from models.emotion.explanation import Explanation
from models.faces.align import align
from models.faces.canonical import CANONICAL, COARSE_REGION, COARSE_REGIONS, MIRROR
from models.faces.landmark_set import ALL, SHIPPED, LandmarkSet
from models.samples.dataset import EMOTIONS
from models.staged.head_warp import load_shapes

with np.load(Path(__file__).with_name("ict_actions.npz")) as stored:  # see test_facial_actions.py
    LEFT: dict[str, F32] = dict(
        zip(stored["names"].tolist(), stored["shapes"].astype(np.float32), strict=True)
    )
WHOLE = ("jawOpen", "mouthPucker", "mouthShrugLower")  # have no left and right


def face(**weights: float) -> F32:
    """The canonical face with ICT-FaceKit's shapes; "mouthSmile_L" moves its left half only."""
    moved = CANONICAL.copy()
    for name, weight in weights.items():
        shape, _, side = name.partition("_")
        left = LEFT[shape]
        right = left[MIRROR] * np.array([-1, 1, 1], np.float32)
        if shape in WHOLE or side != "R":
            moved += np.float32(weight) * left
        if shape not in WHOLE and side != "L":
            moved += np.float32(weight) * right
    aligned: F32 = align(100 * moved[None]).points[0]
    return aligned


def attributed_to(**regions: float) -> F32:
    """Each coarse region has the given attribution, spread evenly over its points."""
    attributions = np.zeros(468, np.float32)
    for region, total in regions.items():
        mask = np.array(COARSE_REGION) == region
        attributions[mask] = total / mask.sum()
    return attributions


def explain(
    landmark_set: LandmarkSet,
    attributions: F32,
    points: F32,
    baseline: F32,
    emotion: str,
    *,
    own: bool = False,
    top: int = 10,
) -> Explanation:
    """Of one face."""
    (result,) = explanation.explain(
        landmark_set, attributions[None], points[None], baseline[None], [emotion], [own], top
    )
    return result


def explain_all(emotion: str, points: F32, **regions: float) -> Explanation:
    attributions = attributed_to(**(regions or dict.fromkeys(COARSE_REGIONS, 1.0)))
    return explain(ALL, attributions, points, CANONICAL, emotion)


@pytest.mark.parametrize(
    ("moves", "emotion", "regions", "text"),
    [
        ({"mouthSmile": 1}, "happiness", {"mouth": 3, "cheeks": 1},
         "Lip corners pulled up, cheeks raised."),
        ({"mouthSmile": 1}, "happiness", {"mouth": 1, "cheeks": 9}, "Cheeks raised, lip corners pulled up."),
        ({"mouthSmile": 1}, "happiness", {"mouth": 3, "nose": 1}, "Lip corners pulled up."),
        ({"mouthSmile": 1}, "happiness", {"mouth": 99, "cheeks": 1}, "Lip corners pulled up."),
        ({"mouthSmile": -1}, "happiness", {"jaw": 1},
         "No facial action stands out; most weight lies on the jaw."),
        ({"mouthSmile_L": 0.7}, "contempt", {"mouth": 1}, "Left lip corner pulled up."),
        ({"mouthSmile_R": 0.7}, "contempt", {"mouth": 1}, "Right lip corner pulled up."),
        ({"mouthDimple_R": 1}, "contempt", {"mouth": 1}, "Right lip corner dimpled."),
        ({"browInnerUp": 1, "browOuterUp": 1}, "surprise", {"brows": 1}, "Brows raised."),
        ({"browInnerUp_L": 1, "browOuterUp_L": 1}, "surprise", {"brows": 1}, "Left brow raised."),
        ({"browInnerUp": 1}, "sadness", {"brows": 1}, "Inner brows raised."),
        ({"browDown": 1.5}, "anger", {"brows": 1}, "Brows lowered and drawn together."),
        ({"jawOpen": 1, "eyeWide": 1.5}, "surprise", {"jaw": 3, "eyes": 1},
         "Mouth stretched open, upper lids raised."),
        ({"jawOpen": 0.4}, "surprise", {"mouth": 1, "jaw": 3}, "Jaw dropped slightly, lips parted slightly."),
        ({"jawOpen": 0.4}, "surprise", {"mouth": 1}, "Lips parted slightly."),
        ({"mouthFrown": 1}, "sadness", {"mouth": 1}, "Lip corners pulled down, lips stretched slightly."),
        ({"mouthPress": 2.5}, "anger", {"mouth": 1}, "Lips pressed together."),
        ({"mouthPucker": 1}, "anger", {"mouth": 1}, "Lips puckered."),
        ({"mouthShrugLower": 1.2}, "anger", {"jaw": 1}, "Chin raised."),
        ({"noseSneer": 1}, "disgust", {"nose": 1}, "Nose wrinkled."),
        ({"eyeBlink": 1}, "sadness", {"eyes": 1}, "Eyes closed."),
        ({}, "sadness", {"mouth": 3, "brows": -2, "jaw": 1},
         "No facial action stands out; most weight lies on the mouth and brows."),
        ({}, "neutral", {"mouth": 1}, "Little change from the neutral face."),
        ({"browOuterUp": 1}, "neutral", {"brows": 1}, "Close to the neutral face, with outer brows raised."),
        ({"browOuterUp": 1}, "neutral", {"mouth": 1}, "Close to the neutral face."),
        ({"browOuterUp": 1}, "sadness", {"mouth": -1},
         "No facial action stands out; most weight lies on the mouth."),
        ({"browOuterUp": 1}, "sadness", {"brows": -1}, "Outer brows raised."),
    ],
)  # fmt: skip
def test_sentence(moves: dict[str, float], emotion: str, regions: dict[str, float], text: str) -> None:
    assert explain_all(emotion, face(**moves), **regions).text == text


@pytest.mark.parametrize(
    ("emotion", "moves", "text"),
    [
        ("neutral", {}, "Little change from the subject's neutral face."),
        ("neutral", {"jawOpen": 0.4}, "Close to the subject's neutral face, with lips parted slightly."),
    ],
)
def test_sentence_says_whose_neutral_face_it_is(emotion: str, moves: dict[str, float], text: str) -> None:
    result = explain(ALL, attributed_to(mouth=1), face(**moves), CANONICAL, emotion, own=True)
    assert result.text == text


def test_less_is_said_against_the_populations_neutral_face() -> None:
    explained = partial(explain, ALL, attributed_to(brows=1), face(browInnerUp=0.52), CANONICAL, "sadness")
    assert explained(own=True).text == "Inner brows raised."
    assert explained(own=False).text == "No facial action stands out; most weight lies on the brows."


def test_sentence_names_three_parts_of_the_face_at_most() -> None:
    text = explain_all(
        "surprise", face(jawOpen=1, browInnerUp=1, browOuterUp=1, eyeWide=1, mouthSmile=1)
    ).text
    assert text.count(",") == 2


@pytest.mark.parametrize(
    ("emotion", "text"),
    [
        ("happiness", "Lip corners pulled up, lips parted slightly."),
        ("surprise", "Lips parted, brows raised, jaw dropped."),
        ("sadness", "Inner brows raised, lip corners pulled down, lips stretched."),
        ("anger", "Brows lowered and drawn together, upper lip raised, mouth stretched open."),
    ],
)
def test_the_demos_expressions_are_told_in_the_words_of_their_recipes(emotion: str, text: str) -> None:
    shapes = load_shapes()
    rest_px = shapes.landmarks_px.copy()
    rest_px[:, :2] = shapes.rest_px
    shown_px = rest_px.copy()
    shown_px[:, :2] += shapes.displacements_px[emotion]
    rest, shown = align(np.stack([rest_px, shown_px]).astype(np.float32)).points
    attributions = attributed_to(mouth=1, brows=1, jaw=1)
    assert explain(ALL, attributions, shown, rest, emotion, own=True).text == text


def test_actions_are_data_with_number_strength_and_share_strongest_share_first() -> None:
    result = explain_all("happiness", face(mouthSmile=1), mouth=3, cheeks=1)
    assert [(action.au, action.name) for action in result.actions] == [
        (12, "lip corners pulled up"),
        (6, "cheeks raised"),
    ]
    smile, cheeks = result.actions
    assert smile.strength == pytest.approx(1, abs=0.2)
    assert 0.75 >= smile.share > cheeks.share > 0
    assert cheeks.share <= 0.25


def test_a_mirrored_face_has_a_mirrored_explanation() -> None:
    attributions = np.random.default_rng(0).normal(size=468).astype(np.float32)
    one = explain(ALL, attributions, face(mouthSmile_L=0.7), CANONICAL, "contempt")
    other = explain(ALL, attributions[MIRROR], face(mouthSmile_R=0.7), CANONICAL, "contempt")
    assert "Left" in one.text
    assert other.text == one.text.replace("Left", "Right").replace("left", "right")
    assert [a.share for a in other.actions] == pytest.approx([a.share for a in one.actions], rel=1e-4)


def test_the_strongest_landmarks_come_first_whatever_their_sign() -> None:
    attributions = np.zeros(468, np.float32)
    attributions[[61, 105, 1]] = [0.5, -0.75, 0.25]
    result = explain(ALL, attributions, face(mouthSmile=1), CANONICAL, "happiness", top=2)
    assert result.strongest == [105, 61]
    assert result.regions == {"brows": 0.5, "mouth": pytest.approx(1 / 3), "nose": pytest.approx(1 / 6)}


def test_of_a_smaller_set_places_count_within_it() -> None:
    few = LandmarkSet("few", np.array([1, 61, 291]))
    take = few.indices
    result = explain(
        few, np.array([0, 2, 1], np.float32), face(mouthSmile=1)[take], CANONICAL[take], "happiness"
    )
    assert result.strongest == [1, 2]
    assert [(a.au, a.share) for a in result.actions] == [(12, 1.0)]
    assert result.text == "Lip corners pulled up."


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shares_of_regions_sum_to_one(seed: int) -> None:
    attributions = np.random.default_rng(seed).normal(size=468).astype(np.float32)
    result = explain(ALL, attributions, face(mouthSmile=1), CANONICAL, "happiness")
    assert sum(result.regions.values()) == pytest.approx(1)
    assert list(result.regions.values()) == sorted(result.regions.values(), reverse=True)
    assert set(result.regions) == set(COARSE_REGIONS)
    assert len(result.strongest) == 10


@settings(deadline=None)
@given(
    arrays(np.float32, 128, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    arrays(np.float32, (128, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.sampled_from(EMOTIONS),
    st.booleans(),
)
def test_any_finite_face_is_explained(attributions: F32, points: F32, emotion: str, own: bool) -> None:
    shipped = LandmarkSet.load(SHIPPED)
    baseline = CANONICAL[shipped.indices]
    result = explain(shipped, attributions, points, baseline, emotion, own=own)
    assert result.text.endswith(".")
    assert result.text[0].isupper()
    assert all(0 <= share <= 1 for share in result.regions.values())
    assert all(0 < a.strength < np.inf and 0 < a.share <= 1 for a in result.actions)
    assert sum(a.share for a in result.actions) <= 1 + 1e-6


@settings(deadline=None)
@given(st.sets(st.sampled_from(COARSE_REGIONS)), st.integers(0, 2**32 - 1))
def test_a_region_without_attribution_is_not_named(regions: set[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    moves = {name: float(rng.uniform(0, 1.3)) for name in LEFT}
    result = explain(ALL, attributed_to(**dict.fromkeys(regions, 1.0)), face(**moves), CANONICAL, "anger")
    words = {
        "mouth": ("lip", "mouth"), "cheeks": ("cheek",), "eyes": ("lid", "eye"), "brows": ("brow",),
        "nose": ("nose",), "jaw": ("jaw", "chin", "mouth"), "forehead": ("brow",),
    }  # fmt: skip
    allowed = {word for region in regions for word in words[region]}
    assert all(any(word in action.name for word in allowed) for action in result.actions)


def test_no_attribution_gives_no_regions() -> None:
    result = explain(ALL, np.zeros(468, np.float32), CANONICAL, CANONICAL, "neutral")
    assert result == Explanation([], {}, [], "Little change from the neutral face.")


def test_each_of_many_faces_is_explained_as_it_is_alone() -> None:
    rng = np.random.default_rng(0)
    points = np.stack([face(mouthSmile=1), face(browInnerUp=0.52), face(browInnerUp=0.52), CANONICAL])
    attributions = rng.normal(size=(4, 468)).astype(np.float32)
    attributions[3] = 0
    emotions, own = ["happiness", "sadness", "sadness", "neutral"], [False, True, False, False]
    many = explanation.explain(
        ALL, attributions, points, np.stack([CANONICAL] * 4), emotions, own_neutral_face=own, top=3
    )
    assert many == [
        explain(ALL, attributions[i], points[i], CANONICAL, emotions[i], own=own[i], top=3) for i in range(4)
    ]
    assert len({each.text for each in many}) == 4


@pytest.mark.parametrize("wrong", ["attributions", "points", "baselines"])
def test_other_shapes_are_refused(wrong: str) -> None:
    arguments: dict[str, Any] = {
        "attributions": np.zeros((1, 468), np.float32),
        "points": CANONICAL[None],
        "baselines": CANONICAL[None],
    }
    arguments[wrong] = arguments[wrong][:, :128]
    with pytest.raises(ValueError, match=f"{wrong} must have shape"):
        explanation.explain(ALL, **arguments, emotions=["neutral"], own_neutral_face=[False])
