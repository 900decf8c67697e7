"""Facial actions against ICT-FaceKit's shapes, the ground truth of what an action looks like.

`ict_actions.npz` (ICT-FaceKit, MIT licence, © 2020 USC ICT): the shapes that `ACTIONS` names, in the
canonical face frame; of paired shapes the left one.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.arrays import F32
from models.emotion import facial_actions
from models.emotion.facial_actions import ACTIONS, ShownAction
from models.faces.align import align
from models.faces.canonical import CANONICAL, MIRROR, POINTS
from models.faces.landmark_set import ALL, LandmarkSet

with np.load(Path(__file__).with_name("ict_actions.npz")) as stored:
    SHAPES: dict[str, F32] = dict(
        zip(stored["names"].tolist(), stored["shapes"].astype(np.float32), strict=True)
    )
FLIP = np.array([-1, 1, 1], np.float32)
PAIRED = {
    "browDown", "browInnerUp", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide",
    "mouthDimple", "mouthFrown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
}  # fmt: skip


def mirrored(displacement: F32) -> F32:
    flipped: F32 = displacement[MIRROR] * FLIP
    return flipped


def aligned(displacement: F32) -> F32:
    """What remains of a displacement from the canonical face once the face is aligned."""
    moved: F32 = align(((CANONICAL + displacement) * 100)[None].astype(np.float32)).points[0] - CANONICAL
    return moved


def posed(shape: str, weight: float = 1.0) -> F32:
    one = SHAPES[shape]
    return aligned(weight * (one + mirrored(one) if shape in PAIRED else one))


def shown(
    landmark_set: LandmarkSet, displacement: F32, *, own_neutral_face: bool = False
) -> list[ShownAction]:
    """Of one face, [K, 3]."""
    (actions,) = facial_actions.shown(landmark_set, displacement[None], [own_neutral_face])
    return actions


def names(actions: list[ShownAction]) -> list[str]:
    return [action.name for action in actions]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("browInnerUp", ["inner brows raised"]),
        ("browOuterUp", ["outer brows raised"]),
        ("browDown", ["brows lowered", "brows drawn together"]),
        ("eyeWide", ["upper lids raised"]),
        ("eyeSquint", ["cheeks raised", "eyes narrowed"]),  # AU 7 is hardly more than a photo's difference
        ("eyeBlink", ["eyes closed"]),
        ("cheekSquint", ["cheeks raised", "eyes narrowed"]),  # AU 6 narrows the eyes
        ("noseSneer", ["cheeks raised", "nose wrinkled", "upper lip raised"]),  # AU 9 lifts its neighbours
        ("mouthUpperUp", ["nose wrinkled", "upper lip raised"]),  # AU 10 deepens the fold beside the nose
        ("mouthSmile", ["cheeks raised", "lip corners pulled up"]),
        ("mouthDimple", ["lip corners dimpled"]),
        ("mouthFrown", ["lip corners pulled down", "lips stretched"]),
        ("mouthShrugLower", ["chin raised"]),
        ("mouthPucker", ["lips puckered"]),
        ("mouthStretch", ["lips stretched"]),
        ("jawOpen", ["mouth stretched open"]),
    ],
)
def test_each_action_is_named(shape: str, expected: list[str]) -> None:
    assert names(shown(ALL, posed(shape), own_neutral_face=True)) == expected


def test_strength_is_about_one_at_the_shapes_full_weight() -> None:
    for action in ACTIONS:
        for found in shown(ALL, posed(action.ict), own_neutral_face=True):
            if found.action is action:
                assert found.strength == pytest.approx(1, abs=0.2)


def test_pressed_lips_are_named_when_pressed_harder_than_icts() -> None:
    assert names(shown(ALL, posed("mouthPress"))) == []  # as little as neutral faces differ
    assert "lips pressed together" in names(shown(ALL, posed("mouthPress", 2.0)))


def test_the_jaw_drops_before_the_mouth_is_stretched_open() -> None:
    assert names(shown(ALL, posed("jawOpen", 0.4))) == ["lips parted", "jaw dropped"]


@pytest.mark.parametrize("own_neutral_face", [True, False])
def test_nothing_is_shown_without_movement(own_neutral_face: bool) -> None:
    assert shown(ALL, np.zeros((POINTS, 3), np.float32), own_neutral_face=own_neutral_face) == []


def test_a_weak_expression_against_the_own_face_is_told_by_what_it_shows_beyond_rest() -> None:
    """As the mesh shows a frown with raised inner brows, at a quarter of the shapes."""
    weak = aligned(0.25 * (posed("browInnerUp") + posed("mouthFrown", 1.2)))
    assert names(shown(ALL, weak, own_neutral_face=True)) == [
        *("inner brows raised", "lip corners pulled down", "lips stretched")
    ]
    assert shown(ALL, 0.3 * weak, own_neutral_face=True) == []
    assert shown(ALL, weak) == []


def test_less_is_enough_against_the_subjects_own_face() -> None:
    moved = posed("browInnerUp", 0.5)
    assert names(shown(ALL, moved, own_neutral_face=True)) == ["inner brows raised"]
    assert shown(ALL, moved, own_neutral_face=False) == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("mouthSmile", "{} lip corner pulled up"),
        ("mouthFrown", "{} lip corner pulled down"),
        ("mouthDimple", "{} lip corner dimpled"),
        ("browOuterUp", "{} outer brow raised"),
        ("eyeBlink", "{} eye closed"),
        ("cheekSquint", "{} cheek raised"),
    ],
)
def test_one_side_alone_is_named_with_its_side(shape: str, expected: str) -> None:
    left = SHAPES[shape]
    assert expected.format("left") in names(shown(ALL, aligned(left), own_neutral_face=True))
    assert expected.format("right") in names(shown(ALL, aligned(mirrored(left)), own_neutral_face=True))


def test_a_slanted_mouth_is_no_pulled_corner() -> None:
    """One corner up and the other down is a tilted head badly aligned; no muscle does that."""
    slant = posed("mouthSmile") * np.array([0, 1, 0], np.float32) * np.sign(CANONICAL[:, :1])
    assert not any(found.action.au in (12, 15) for found in shown(ALL, slant, own_neutral_face=True))


def swapped(name: str) -> str:
    side, _, rest = name.partition(" ")
    return f"{ {'left': 'right', 'right': 'left'}[side] } {rest}" if side in ("left", "right") else name


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_mirrored_face_shows_mirrored_actions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = np.zeros((POINTS, 3), np.float32)
    for shape in rng.choice(sorted(SHAPES), size=6):
        left, right = rng.uniform(0, 1.2, size=2).astype(np.float32)
        moved += left * SHAPES[shape] + right * mirrored(SHAPES[shape])
    one, other = shown(ALL, moved), shown(ALL, mirrored(moved))
    strength = {found.name: found.strength for found in other}
    expected = {found.name: found.strength for found in one}
    assert set(map(swapped, expected)) == set(strength)
    for name, value in expected.items():
        assert strength[swapped(name)] == pytest.approx(value, rel=1e-3)


@settings(deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3), st.floats(-0.05, 0.05))
def test_motion_of_the_whole_head_is_no_action(shift: list[float], growth: float) -> None:
    moved = posed("mouthSmile") + np.array(shift, np.float32) + np.float32(growth) * CANONICAL
    assert names(shown(ALL, moved.astype(np.float32))) == names(shown(ALL, posed("mouthSmile")))


def test_a_set_without_an_actions_points_does_not_show_it() -> None:
    upper_lids = LandmarkSet("lids", np.array(sorted({p for i in (159, 160) for p in (i, int(MIRROR[i]))})))
    assert shown(upper_lids, posed("eyeWide")[upper_lids.indices]) == []
    with_lower = LandmarkSet("both", np.array(sorted({*upper_lids.indices.tolist(), 145, int(MIRROR[145])})))
    assert names(shown(with_lower, posed("eyeWide")[with_lower.indices])) == ["upper lids raised"]


def test_neighbours_in_the_same_region_stand_in_for_missing_points() -> None:
    """66 is in the brow, but not among the points that tell whether it is drawn together."""
    around = [6, 10, 33, 127]
    for brow, expected in (([], []), ([66], ["brows drawn together"])):
        points = sorted({p for i in [*around, *brow] for p in (i, int(MIRROR[i]))})
        few = LandmarkSet("few", np.array(points))
        found = [a for a in shown(few, posed("browDown", 1.2)[points]) if a.action.did == "drawn together"]
        assert names(found) == expected


def test_a_stand_in_comes_from_the_same_side() -> None:
    few = LandmarkSet("few", np.array([6, 61, 72, 291, 302]))  # 72 and 302: upper lip, right and left
    moved = np.zeros((5, 3), np.float32)
    moved[few.indices == 291, 1] = -0.1
    (alone,) = shown(few, moved)
    moved[few.indices == 72, 1] = -0.1
    (with_right_lip,) = shown(few, moved)
    assert alone.name == with_right_lip.name == "left lip corner pulled up"
    assert alone.strength == pytest.approx(with_right_lip.strength)


@pytest.mark.parametrize("side", ["left", "right", None])
def test_an_action_is_near_the_points_of_its_own_side_and_region(side: str | None) -> None:
    left = SHAPES["mouthSmile"]
    moved = {"left": left, "right": mirrored(left), None: left + mirrored(left)}[side]
    (found,) = [a for a in shown(ALL, aligned(moved), own_neutral_face=True) if a.action.au == 12]
    assert found.side == side
    x = CANONICAL[found.nearness > 0, 0]
    assert (x.min() < -0.1) == (side != "left")
    assert (x.max() > 0.1) == (side != "right")
    assert found.nearness[[61, 291]].tolist() == [side != "left", side != "right"]
    assert not found.nearness[[1, 152, 105, 159]].any()  # nose, chin, brow, lid


@settings(deadline=None)
@given(arrays(np.float32, (6, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_strength_is_positive_and_finite_for_whatever_points(moved: F32) -> None:
    six = LandmarkSet("six", np.array([14, 61, 105, 152, 291, 334]))
    assert all(0 < found.strength < np.inf for found in shown(six, moved))


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"displacements must have shape \[1, 468, 3\], not \[1, 128, 3\]"):
        shown(ALL, np.zeros((128, 3), np.float32))


def test_each_of_many_faces_shows_what_it_shows_alone() -> None:
    moved = np.stack([posed("mouthSmile"), posed("browInnerUp", 0.5), posed("browInnerUp", 0.5)])
    own = [False, True, False]
    alone = [shown(ALL, one, own_neutral_face=mine) for one, mine in zip(moved, own, strict=True)]
    for many, one in zip(facial_actions.shown(ALL, moved, own), alone, strict=True):
        assert [(a.name, a.strength) for a in many] == [(a.name, a.strength) for a in one]
    assert [len(one) for one in alone] == [2, 1, 0]
    assert facial_actions.shown(ALL, moved[:0], []) == []
