"""Synthetic people: ICT-FaceKit's expression and identity shapes added to real neutral faces.

ICT-FaceKit (USC Institute for Creative Technologies, MIT licence) has one shape for each facial action. Which
actions make which emotion follows the prototypes of Ekman and Friesen (FACS Investigator's Guide, 2002;
EMFACS), in ICT-FaceKit's names. FACS numbers its action units (AU):

    1 browInnerUp       6 cheekSquint    12 mouthSmile         17 mouthShrugLower   25 mouthLowerDown
    2 browOuterUp       7 eyeSquint      14 mouthDimple        20 mouthStretch      26, 27 jawOpen
    4 browDown          9 noseSneer      15 mouthFrown         22 mouthFunnel       28 mouthRoll…
    5 eyeWide          10 mouthUpperUp   16 mouthLowerDown     23, 24 mouthPress    45 eyeBlink
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from models.arrays import F32, I32
from models.faces.align import align
from models.faces.canonical import LEFT_EYE_OUTER, POINTS, RIGHT_EYE_OUTER

Recipe: TypeAlias = Mapping[str, tuple[float, float]]
"""Facial action → least and greatest weight. An action without a side (`_L`, `_R`) means both."""

RECIPES: Final[Mapping[str, tuple[Recipe, ...]]] = {
    # Emotion → variants, equally likely. Narrow variants, not one wide recipe that blends them.
    "neutral": (
        {"jawOpen": (0, 0.06), "eyeBlink": (0, 0.3), "mouthPress": (0, 0.15), "browDown": (0, 0.15)},
    ),
    "happiness": (
        {  # 6+12, lips shut
            "mouthSmile": (0.35, 1),
            "cheekSquint": (0.1, 1),
            "eyeSquint": (0, 0.5),
            "mouthDimple": (0, 0.4),
        },
        {  # 6+12+25, teeth
            "mouthSmile": (0.35, 1),
            "cheekSquint": (0.1, 1),
            "eyeSquint": (0, 0.5),
            "mouthUpperUp": (0.1, 0.5),
            "mouthLowerDown": (0, 0.5),
            "jawOpen": (0.02, 0.12),
        },
        {  # 6+12+26, a laugh
            "mouthSmile": (0.4, 1),
            "cheekSquint": (0.3, 1),
            "eyeSquint": (0.1, 0.7),
            "mouthUpperUp": (0, 0.4),
            "jawOpen": (0.12, 0.4),
        },
    ),
    "surprise": (
        {  # 1+2+5+26/27
            "browInnerUp": (0.3, 1),
            "browOuterUp": (0.3, 1),
            "eyeWide": (0.2, 1),
            "jawOpen": (0.25, 1),
            "mouthFunnel": (0, 0.3),
        },
        {  # 1+2+5+25, mild
            "browInnerUp": (0.4, 1),
            "browOuterUp": (0.4, 1),
            "eyeWide": (0.3, 1),
            "jawOpen": (0.06, 0.25),
        },
    ),
    "sadness": (
        {  # 1+4+15(+17)
            "browInnerUp": (0.3, 1),
            "browDown": (0.1, 0.4),
            "mouthFrown": (0.4, 1),
            "mouthShrugLower": (0, 0.6),
            "eyeBlink": (0, 0.4),
        },
        {"browInnerUp": (0.5, 1), "browDown": (0.1, 0.5), "eyeBlink": (0, 0.5)},  # 1+4
        {  # 11+15+17: the lower face alone
            "mouthFrown": (0.5, 1),
            "mouthShrugLower": (0.2, 0.8),
            "mouthUpperUp": (0, 0.15),
            "eyeBlink": (0, 0.4),
        },
    ),
    "anger": (
        {  # 4+5+7+23/24, pressed lips
            "browDown": (0.5, 1),
            "eyeWide": (0, 0.5),
            "eyeSquint": (0.2, 0.8),
            "mouthPress": (0.3, 1),
            "mouthRollLower": (0, 0.5),
            "mouthRollUpper": (0, 0.3),
        },
        {  # 4+7+17+23/24, with a raised chin, as anger is mostly posed
            "browDown": (0.4, 1),
            "eyeSquint": (0.1, 0.7),
            "mouthShrugLower": (0.3, 1),
            "mouthPress": (0.3, 1),
            "mouthRollLower": (0, 0.4),
        },
        {  # 4+7+10+25, bared teeth
            "browDown": (0.5, 1),
            "eyeSquint": (0.2, 0.8),
            "noseSneer": (0, 0.4),
            "mouthUpperUp": (0.2, 0.8),
            "mouthLowerDown": (0.3, 1),
            "jawOpen": (0.02, 0.2),
        },
        {  # 4+5+7+25+26, shouting
            "browDown": (0.5, 1),
            "eyeWide": (0, 0.6),
            "mouthUpperUp": (0, 0.5),
            "mouthLowerDown": (0.3, 1),
            "jawOpen": (0.2, 0.6),
        },
    ),
    "disgust": (
        {  # 9+16+25
            "noseSneer": (0.5, 1),
            "browDown": (0.2, 0.8),
            "eyeSquint": (0, 0.7),
            "mouthUpperUp": (0, 0.4),
            "mouthLowerDown": (0.2, 0.9),
            "jawOpen": (0.02, 0.2),
        },
        {  # 10+17
            "mouthUpperUp": (0.4, 1),
            "mouthShrugLower": (0.2, 0.8),
            "noseSneer": (0.2, 0.7),
            "mouthFrown": (0, 0.4),
            "eyeSquint": (0, 0.5),
        },
        {  # 4+9+10, the whole middle of the face
            "noseSneer": (0.5, 1),
            "mouthUpperUp": (0.3, 1),
            "browDown": (0.2, 0.8),
            "mouthShrugUpper": (0, 0.6),
            "eyeSquint": (0, 0.7),
        },
    ),
    "fear": (
        {  # 1+2+4+5+20+25
            "browInnerUp": (0.4, 1),
            "browOuterUp": (0.1, 0.6),
            "browDown": (0, 0.3),
            "eyeWide": (0.5, 1),
            "mouthStretch": (0.4, 1),
            "jawOpen": (0.03, 0.15),
        },
        {  # 1+2+4+5+20+26
            "browInnerUp": (0.4, 1),
            "browOuterUp": (0.1, 0.6),
            "browDown": (0, 0.3),
            "eyeWide": (0.5, 1),
            "mouthStretch": (0.3, 0.9),
            "jawOpen": (0.12, 0.45),
        },
    ),
    "contempt": (
        {"mouthDimple_L": (0.5, 1), "mouthPress": (0, 0.3)},  # 14, one-sided
        {"mouthSmile_L": (0.3, 0.8), "mouthDimple_L": (0.2, 0.9), "mouthPress": (0, 0.3)},  # 12+14
    ),
}

NEUTRAL: Final = "neutral"
NEUTRALS_A_PERSON: Final = 2
"""Neutral faces of each person: they come first and are each other's baseline."""

IDENTITY_CHANGE: Final = 0.3
"""Standard deviation of the weights of the identity shapes, which ICT-FaceKit scales to 1. So it moves the
points by 0.010 inter-ocular distances; real neutral faces differ from their mean by 0.031."""


class SyntheticFaces(NamedTuple):
    """Posed people. Each comes as a block: neutral faces first, then one face for each other emotion."""

    points: F32  # [N, 468, 3], aligned
    label: I32  # [N], into the emotions asked for
    person: I32  # [N]: 0, 1, …


def expression_shapes(shapes: F32, base: F32) -> F32:
    """ICT-FaceKit's shapes [E, 468, 3] in the axes and the unit of the canonical face frame.

    For the identity shapes too. Raises ValueError for other array shapes.
    """
    if shapes.ndim != 3 or shapes.shape[1:] != (POINTS, 3) or base.shape != (POINTS, 3):
        raise ValueError(
            f"expected shapes [E, 468, 3] and base [468, 3], not {shapes.shape} and {base.shape}"
        )
    inter_ocular = np.linalg.norm(base[LEFT_EYE_OUTER] - base[RIGHT_EYE_OUTER])
    turned: F32 = (shapes * np.array([1, -1, -1]) / inter_ocular).astype(np.float32)
    return turned


def synthesise(
    neutral: F32,
    shapes: F32,
    shape_names: Sequence[str],
    emotions: Sequence[str],
    count: int,
    seed: int,
    *,
    identities: F32 | None = None,
    variation: F32 | None = None,
) -> SyntheticFaces:
    """`count` posed faces of people who do not exist; the last person may have fewer faces than the others.

    `neutral` [M, 468, 3] are real aligned neutral faces; every person starts from one of them and is changed
    by `identities` [D, 468, 3]. `shapes` [E, 468, 3] and `identities` come from `expression_shapes`.
    `variation` [V, 468, 3]: how real neutral faces of one person differ from their mean; some of it is added
    to each face, more for some people than for others. One-sided emotions are on the left: mirroring is up
    to the training. Raises ValueError when there is no neutral face or a needed shape is missing.
    """
    if not len(neutral):
        raise ValueError("synthetic expressions need neutral faces to start from: add a file of real faces")
    rng = np.random.default_rng(seed)
    label, person = _plan(emotions, count)
    people = int(person[-1]) + 1 if count else 0
    faces = neutral[rng.integers(len(neutral), size=people)]
    if identities is not None:
        change = rng.normal(0, IDENTITY_CHANGE, (people, len(identities))).astype(np.float32)
        faces = faces + np.einsum("nd,dpx->npx", change, identities)
    sides = _sides_of_actions(shape_names)
    weights = np.zeros((count, len(shape_names)), dtype=np.float32)
    for row, emotion in zip(weights, label, strict=True):
        _pose(row, RECIPES[emotions[emotion]], sides, rng)
    points = faces[person] + np.einsum("ne,epx->npx", weights, shapes)
    if variation is not None and len(variation):
        strength = rng.uniform(0, 1, people).astype(np.float32)[person]
        points += strength[:, None, None] * variation[rng.integers(len(variation), size=count)]
    return SyntheticFaces(align(points).points, label, person)


def recipe_weights(emotion: str, count: int, shape_names: Sequence[str], rng: np.random.Generator) -> F32:
    """Weights [N, E] of the shapes for `count` plays of an emotion's recipes."""
    weights, sides = np.zeros((count, len(shape_names)), np.float32), _sides_of_actions(shape_names)
    for row in weights:
        _pose(row, RECIPES[emotion], sides, rng)
    return weights


def _plan(emotions: Sequence[str], count: int) -> tuple[I32, I32]:
    """Emotion and person of each face."""
    block = [i for i, emotion in enumerate(emotions) if emotion == NEUTRAL] * NEUTRALS_A_PERSON
    block += [i for i, emotion in enumerate(emotions) if emotion != NEUTRAL]
    place = np.arange(count, dtype=np.int32)
    return np.array(block, dtype=np.int32)[place % len(block)], place // np.int32(len(block))


def _sides_of_actions(shape_names: Sequence[str]) -> dict[str, list[int]]:
    """Facial action → its shapes, one or both sides."""
    sides: dict[str, list[int]] = {}
    for i, name in enumerate(shape_names):
        for action in {name, name.removesuffix("_L").removesuffix("_R")}:
            sides.setdefault(action, []).append(i)
    return sides


def _pose(
    weights: F32, variants: Sequence[Recipe], sides: Mapping[str, list[int]], rng: np.random.Generator
) -> None:
    """Fill the weights [E] of the shapes with one play of a recipe."""
    strength = rng.uniform(0.6, 1.0)
    for action, (least, greatest) in variants[rng.integers(len(variants))].items():
        if action not in sides:
            raise ValueError(f"the file of expression shapes lacks {action!r}")
        together = rng.uniform(least, greatest)
        for side in sides[action]:
            weights[side] = strength * together * rng.uniform(0.85, 1.15)
