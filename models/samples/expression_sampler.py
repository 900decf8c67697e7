"""Which facial actions an emotion shows, and how often: draws of expression weights.

The tables say which action units (AU, `models.samples.synthetic_faces` has their names) people show for an
emotion and how many of them do:

- S. Du, Y. Tao, A. Martinez, "Compound facial expressions of emotion", PNAS 2014: prototypical units, and the
  share of people who show the others;
- P. Ekman, W. Friesen, EMFACS: contempt is one-sided, anger may bare its teeth or press its lips;
- P. Lucey and others, "The Extended Cohn-Kanade Dataset (CK+)", CVPR Workshops 2010, table 1: which units an
  expression must have to be called so.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64

SHAPES: Final = (
    *("PupilDilate_L", "PupilDilate_R", "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R"),
    *("browOuterUp_L", "browOuterUp_R", "cheekPuff_L", "cheekPuff_R", "cheekRaiser_L", "cheekRaiser_R"),
    *("cheekSquint_L", "cheekSquint_R", "eyeBlink_L", "eyeBlink_R", "eyeLookDown_L", "eyeLookDown_R"),
    *("eyeLookIn_L", "eyeLookIn_R", "eyeLookOut_L", "eyeLookOut_R", "eyeLookUp_L", "eyeLookUp_R"),
    *("eyeSquint_L", "eyeSquint_R", "eyeWide_L", "eyeWide_R", "jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimple_L", "mouthDimple_R", "mouthFrown_L", "mouthFrown_R", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDown_L", "mouthLowerDown_R", "mouthPress_L", "mouthPress_R", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmile_L", "mouthSmile_R", "mouthStretch_L", "mouthStretch_R", "mouthUpperUp_L"),
    *("mouthUpperUp_R", "noseSneer_L", "noseSneer_R"),
)
"""ICT-FaceKit's expression shapes, in the order of all weights here."""


class Action(NamedTuple):
    """One action unit in ICT-FaceKit's shapes."""

    shapes: tuple[str, ...]  # without their side
    size: float = 1.0  # of its weight at strength 1


ACTION_UNITS: Final[Mapping[str, Action]] = {
    "1": Action(("browInnerUp",)),
    "2": Action(("browOuterUp",)),
    "4": Action(("browDown",)),
    "5": Action(("eyeWide",)),
    "6": Action(("cheekSquint",)),
    "7": Action(("eyeSquint",)),
    "9": Action(("noseSneer",)),
    "10": Action(("mouthUpperUp",)),
    "11": Action(("mouthUpperUp",), 0.3),
    "12": Action(("mouthSmile",)),
    "14": Action(("mouthDimple",)),
    "15": Action(("mouthFrown",)),
    "16": Action(("mouthLowerDown",)),
    "17": Action(("mouthShrugLower",)),
    "20": Action(("mouthStretch",)),
    "22": Action(("mouthFunnel",)),
    "23": Action(("mouthPress",)),
    "24": Action(("mouthPress", "mouthRollLower"), 0.6),
    "25": Action(("mouthLowerDown",), 0.35),
    "26": Action(("jawOpen",), 0.35),
    "43": Action(("eyeBlink",), 0.4),
}
ONE_SIDED: Final = "L"
"""Ends the number of a unit that is shown on one side only: the left one; mirroring is up to the training."""


class Variant(NamedTuple):
    """One way to show an emotion."""

    share: float  # of its emotion's draws
    always: tuple[str, ...]  # action units
    sometimes: Mapping[str, float]  # action unit → how often


VARIANTS: Final[Mapping[str, tuple[Variant, ...]]] = {
    "happiness": (
        Variant(0.55, ("12", "6"), {"25": 0.6, "7": 0.3, "26": 0.15, "10": 0.2}),
        Variant(0.3, ("12", "25"), {"6": 0.5, "26": 0.3}),
        Variant(0.15, ("12",), {"6": 0.3}),
    ),
    "surprise": (
        Variant(0.6, ("1", "2", "25", "26"), {"5": 0.66}),
        Variant(0.25, ("1", "2", "5"), {"25": 0.6, "26": 0.5}),
        Variant(0.15, ("1", "2", "26"), {"22": 0.3, "5": 0.4}),
    ),
    "sadness": (
        Variant(0.4, ("1", "4", "15"), {"17": 0.67, "6": 0.2, "43": 0.3, "11": 0.26, "7": 0.2}),
        Variant(0.25, ("4", "15"), {"1": 0.6, "17": 0.67, "6": 0.5, "11": 0.26}),
        Variant(0.2, ("15", "17"), {"1": 0.4, "4": 0.3, "43": 0.2}),
        Variant(0.15, ("1", "15"), {"17": 0.6, "4": 0.4}),
    ),
    "anger": (
        Variant(0.35, ("4", "7", "24"), {"17": 0.52, "23": 0.29, "10": 0.26, "5": 0.2}),
        Variant(0.3, ("4", "7", "23", "24"), {"17": 0.6, "5": 0.2}),
        Variant(0.15, ("23", "24", "17"), {"4": 0.8, "7": 0.6}),
        Variant(0.1, ("4", "5", "7", "25"), {"10": 0.4, "26": 0.4, "16": 0.3}),
        Variant(0.1, ("4", "7", "10", "25"), {"9": 0.4, "16": 0.5, "26": 0.3}),
    ),
    "disgust": (
        Variant(0.4, ("9",), {"4": 0.5, "10": 0.4, "17": 0.5, "7": 0.5, "25": 0.3, "6": 0.4}),
        Variant(0.35, ("9", "10", "17"), {"4": 0.31, "24": 0.26, "7": 0.4}),
        Variant(0.25, ("10",), {"17": 0.5, "15": 0.3, "9": 0.3, "25": 0.5, "16": 0.2, "4": 0.3, "7": 0.3}),
    ),
    "fear": (
        Variant(0.45, ("1", "4", "20", "25"), {"2": 0.57, "5": 0.63, "26": 0.33}),
        Variant(0.3, ("1", "2", "4", "25"), {"5": 0.7, "20": 0.5, "26": 0.4}),
        Variant(0.15, ("1", "2", "4", "5"), {"20": 0.5, "25": 0.6}),
        Variant(0.1, ("1", "4"), {"20": 0.4, "25": 0.8, "5": 0.5, "7": 0.2}),
    ),
    "contempt": (
        Variant(0.7, ("14L",), {"12L": 0.35, "10L": 0.1, "24": 0.2, "17": 0.2, "7": 0.15}),
        Variant(0.2, ("14",), {"24": 0.2, "17": 0.2}),
        Variant(0.1, ("12L",), {"14L": 0.5}),
    ),
}

_UNIT_STRENGTH: Final = (0.5, 1.3)  # of one unit against the expression's
_TILT: Final = 0.12  # standard deviation by which one side is stronger, the other weaker
_SHAPE_STRENGTH: Final = (0.9, 1.1)
_BUSY: Final = 0.06  # share of all shapes that move a little, whatever the emotion
_BUSY_UP_TO: Final = 0.15
_GREATEST: Final = 1.5
_STILL: Final = ("eyeLook", "Pupil")  # shapes that do not move without being asked to
_PLACE: Final = {name: place for place, name in enumerate(SHAPES)}


def sample_weights(
    emotion: str, count: int, rng: np.random.Generator, low: float = 0.2, high: float = 1.2
) -> F32:
    """Weights [N, 57] of the shapes for `count` people who show the emotion; neutral ones are hardly active.

    Each draws a variant and a strength from U(low, high); each of its units has a strength of its own, and
    the sides differ a little. Raises KeyError for an emotion of another name.
    """
    weights = np.zeros((count, len(SHAPES)), np.float32)
    if emotion != "neutral":
        variants = VARIANTS[emotion]
        shares = np.array([variant.share for variant in variants])
        chosen = rng.choice(len(variants), size=count, p=shares / shares.sum())
        strength = rng.uniform(low, high, count)
        for number, variant in enumerate(variants):
            rows = np.flatnonzero(chosen == number)
            for unit, often in {**dict.fromkeys(variant.always, 1.0), **variant.sometimes}.items():
                shown = rows[rng.uniform(size=len(rows)) < often]
                _add(weights, shown, unit, strength[shown] * rng.uniform(*_UNIT_STRENGTH, len(shown)), rng)
    moves = np.array([not name.startswith(_STILL) for name in SHAPES])
    busy = (rng.uniform(size=weights.shape) < _BUSY) & moves
    weights += busy * rng.uniform(0, _BUSY_UP_TO, weights.shape)
    drawn: F32 = np.clip(weights, 0, _GREATEST)
    return drawn


def _add(weights: F32, rows: NDArray[np.int64], unit: str, strength: F64, rng: np.random.Generator) -> None:
    """Add one action unit to the weights of some rows."""
    action = ACTION_UNITS[unit.removesuffix(ONE_SIDED)]
    sides = ("_L",) if unit.endswith(ONE_SIDED) else ("_L", "_R")
    for shape in action.shapes:
        tilt = rng.normal(0, _TILT, len(rows))
        places = [(_PLACE[shape], 0 * tilt)] if shape in _PLACE else []
        places += [(_PLACE[shape + side], tilt if side == "_L" else -tilt) for side in sides if not places]
        for place, more in places:
            weights[rows, place] += (
                action.size * strength * (1 + more) * rng.uniform(*_SHAPE_STRENGTH, len(rows))
            )
