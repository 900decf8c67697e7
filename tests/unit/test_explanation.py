import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.canonical import CANONICAL, COARSE_REGION, COARSE_REGIONS, REGION
from models.explanation import Explanation, explain
from models.landmark_set import ALL, LandmarkSet

MOVES = {
    # what moves: regions (by the beginning of their names), x away from the midline, y down
    "smile": [("mouth corner", 0.08, -0.06)],
    "grief": [("mouth corner", 0, 0.05)],
    "pucker": [("mouth corner", -0.08, 0)],
    "smirk": [("mouth corner, left", 0, -0.049)],
    "part": [("lower lip", 0, 0.08)],
    "press": [("lower lip", 0, -0.06)],
    "gape": [("lower lip", 0, 0.2), ("chin", 0, 0.2), ("jaw", 0, 0.1)],
    "cheeks": [("cheek", 0, -0.05)],
    "wide": [("eyelid, upper", 0, -0.04)],
    "narrow": [("eyelid, upper", 0, 0.04)],
    "brows up": [("brow", 0, -0.08)],
    "brows down": [("brow", 0, 0.06)],
    "knit": [("brow", -0.04, 0)],
    "nothing": [],
}
SMILE = "Mouth corners raised and apart"


def face(*moves: str) -> NDArray[np.float32]:
    points = CANONICAL.copy()
    for move in moves:
        for region, outwards, down in MOVES[move]:
            for i, name in enumerate(REGION):
                if name.startswith(region):
                    points[i, 0] += outwards * np.sign(CANONICAL[i, 0])
                    points[i, 1] += down
    return points


def attributed_to(**regions: float) -> NDArray[np.float32]:
    """Each coarse region has the given attribution, spread evenly over its points."""
    attributions = np.zeros(468, np.float32)
    for region, total in regions.items():
        mask = np.array(COARSE_REGION) == region
        attributions[mask] = total / mask.sum()
    return attributions


def explain_all(emotion: str, points: NDArray[np.float32], **regions: float) -> Explanation:
    attributions = attributed_to(**(regions or dict.fromkeys(COARSE_REGIONS, 1.0)))
    return explain(ALL, attributions, points, CANONICAL, emotion)


@pytest.mark.parametrize(
    ("moves", "emotion", "regions", "text"),
    [
        (["smile", "cheeks"], "happiness", {"mouth": 3, "cheeks": 1}, f"{SMILE}, cheeks lifted."),
        (["smile", "cheeks"], "happiness", {"mouth": 1, "cheeks": 3}, f"Cheeks lifted, {SMILE.lower()}."),
        (["smile", "cheeks"], "happiness", {"mouth": 3, "nose": 1}, f"{SMILE}."),
        (["smile", "cheeks"], "happiness", {"mouth": 95, "cheeks": 5}, f"{SMILE}."),
        (["gape", "brows up"], "surprise", {"jaw": 2, "brows": 1}, "Jaw dropped, brows raised."),
        (["gape"], "surprise", {"mouth": 1}, "Lips parted."),
        (["grief"], "sadness", {"mouth": 1}, "Mouth corners lowered."),
        (["pucker"], "surprise", {"mouth": 1}, "Mouth corners drawn in."),
        (["smirk"], "contempt", {"mouth": 1}, "One mouth corner higher."),
        (["part"], "happiness", {"mouth": 1}, "Lips parted."),
        (["press", "brows down"], "anger", {"mouth": 2, "brows": 1}, "Lips pressed together, brows lowered."),
        (["brows down", "knit"], "anger", {"brows": 1}, "Brows lowered and drawn together."),
        (["wide"], "fear", {"eyes": 1}, "Eyes widened."),
        (["narrow"], "anger", {"eyes": 1}, "Eyes narrowed."),
        (["nothing"], "sadness", {"mouth": 1}, "Little change from the neutral face."),
        (["nothing"], "neutral", {"mouth": 1}, "Little change from the neutral face."),
        (["brows up"], "neutral", {"brows": 1}, "Close to the neutral face, with brows raised."),
        (["brows up"], "sadness", {"mouth": -1}, "Little change from the neutral face."),
    ],
)  # fmt: skip
def test_sentence(moves: list[str], emotion: str, regions: dict[str, float], text: str) -> None:
    assert explain_all(emotion, face(*moves), **regions).text == text


def test_sentence_names_three_subjects_at_most() -> None:
    text = explain_all("surprise", face("gape", "brows up", "wide", "cheeks", "smile")).text
    assert text.count(",") == 2


def test_small_changes_are_called_slight() -> None:
    points = CANONICAL + 0.45 * (face("brows up") - CANONICAL)
    assert explain_all("surprise", points, brows=1).text == "Brows raised slightly."


@settings(deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_sentence_does_not_depend_on_where_the_whole_face_lies(x: float, y: float) -> None:
    moved = face("gape", "brows up") + np.float32([x, y, 0])
    assert explain_all("surprise", moved, jaw=2, brows=1).text == "Jaw dropped, brows raised."


def test_landmarks_come_strongest_first_with_index_region_and_sign() -> None:
    attributions = np.zeros(468, np.float32)
    attributions[[61, 105, 1]] = [0.5, -0.75, 0.25]
    result = explain(ALL, attributions, face("smile"), CANONICAL, "happiness", top=2)
    assert [(x.index, x.region, x.attribution) for x in result.landmarks] == [
        (105, "brow, right", -0.75),
        (61, "mouth corner, right", 0.5),
    ]
    assert result.regions == {"brows": 0.5, "mouth": pytest.approx(1 / 3), "nose": pytest.approx(1 / 6)}


def test_indices_are_those_of_the_whole_mesh() -> None:
    few = LandmarkSet("few", np.array([1, 61, 291]))
    take = few.indices
    result = explain(few, np.float32([0, 2, 1]), face("smile")[take], CANONICAL[take], "happiness")
    assert [x.index for x in result.landmarks] == [61, 291]
    assert result.text == "Mouth corners raised and apart."


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shares_of_regions_sum_to_one(seed: int) -> None:
    attributions = np.random.default_rng(seed).normal(size=468).astype(np.float32)
    result = explain(ALL, attributions, face("smile"), CANONICAL, "happiness")
    assert sum(result.regions.values()) == pytest.approx(1)
    assert list(result.regions.values()) == sorted(result.regions.values(), reverse=True)
    assert set(result.regions) == set(COARSE_REGIONS)
    assert len(result.landmarks) == 10


def test_no_attribution_gives_no_regions() -> None:
    result = explain(ALL, np.zeros(468, np.float32), CANONICAL, CANONICAL, "neutral")
    assert result == Explanation((), {}, "Little change from the neutral face.")


@pytest.mark.parametrize("wrong", ["attributions", "points", "baseline"])
def test_other_shapes_are_refused(wrong: str) -> None:
    arguments = {"attributions": np.zeros(468), "points": CANONICAL, "baseline": CANONICAL}
    arguments[wrong] = arguments[wrong][:128]
    with pytest.raises(ValueError, match=f"{wrong} must have shape"):
        explain(ALL, emotion="neutral", **arguments)
