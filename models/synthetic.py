"""Synthetic expressions: ICT-FaceKit's expression shapes added to real neutral faces.

ICT-FaceKit (USC Institute for Creative Technologies, MIT licence) has one shape for each facial action.
Which actions make which emotion follows Ekman and Friesen's prototypes (FACS Investigator's Guide, 2002),
in ICT-FaceKit's names.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.align import align
from models.canonical import LEFT_EYE_OUTER, POINTS, RIGHT_EYE_OUTER

F32 = NDArray[np.float32]

RECIPES: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = {
    # emotion: facial action → least and greatest weight. "browDown" stands for both of its sides.
    "neutral": {"jawOpen": (0, 0.06), "eyeBlink": (0, 0.3), "mouthPress": (0, 0.15), "browDown": (0, 0.15)},
    "happiness": {
        "mouthSmile": (0.35, 1),
        "cheekSquint": (0.1, 1),
        "eyeSquint": (0, 0.5),
        "jawOpen": (0, 0.3),
        "mouthUpperUp": (0, 0.4),
        "mouthDimple": (0, 0.4),
    },
    "surprise": {
        "jawOpen": (0.25, 1),
        "browInnerUp": (0.3, 1),
        "browOuterUp": (0.3, 1),
        "eyeWide": (0.2, 1),
        "mouthFunnel": (0, 0.3),
    },
    "sadness": {
        "mouthFrown": (0.4, 1),
        "browInnerUp": (0.3, 1),
        "mouthShrugLower": (0, 0.6),
        "eyeBlink": (0, 0.4),
        "browDown": (0, 0.3),
    },
    "anger": {
        "browDown": (0.5, 1),
        "mouthPress": (0.2, 1),
        "eyeSquint": (0, 0.7),
        "noseSneer": (0, 0.4),
        "mouthFrown": (0, 0.3),
        "mouthRollLower": (0, 0.4),
    },
    "disgust": {
        "noseSneer": (0.5, 1),
        "mouthUpperUp": (0.3, 1),
        "browDown": (0.2, 0.8),
        "mouthShrugUpper": (0, 0.6),
        "eyeSquint": (0, 0.7),
    },
    "fear": {
        "eyeWide": (0.5, 1),
        "mouthStretch": (0.4, 1),
        "browInnerUp": (0.4, 1),
        "browOuterUp": (0, 0.5),
        "jawOpen": (0.05, 0.4),
    },
    "contempt": {"mouthSmile_L": (0.4, 0.9), "mouthDimple_L": (0.2, 0.9), "mouthPress": (0, 0.3)},
}


def expression_shapes(shapes: F32, base: F32) -> F32:
    """ICT-FaceKit's shapes [E, 468, 3] in the axes and the unit of the canonical face frame."""
    if shapes.ndim != 3 or shapes.shape[1:] != (POINTS, 3) or base.shape != (POINTS, 3):
        raise ValueError(
            f"expected shapes [E, 468, 3] and base [468, 3], not {shapes.shape} and {base.shape}"
        )
    inter_ocular = np.linalg.norm(base[LEFT_EYE_OUTER] - base[RIGHT_EYE_OUTER])
    turned: F32 = (shapes * np.array([1, -1, -1]) / inter_ocular).astype(np.float32)
    return turned


def synthesise(
    neutral: F32, shapes: F32, shape_names: Sequence[str], emotions: Sequence[str], count: int, seed: int
) -> tuple[F32, NDArray[np.int32]]:
    """`count` posed faces [count, 468, 3], aligned, and the emotion of each, an index into `emotions`.

    `neutral` [M, 468, 3] are real aligned neutral faces; every posed face starts from one of them. `shapes`
    [E, 468, 3] come from `expression_shapes`. Emotions take turns; half of the one-sided ones are mirrored
    by the training itself. Raises ValueError when there is no neutral face or a needed shape is missing.
    """
    if not len(neutral):
        raise ValueError("synthetic expressions need neutral faces to start from: add a file of real faces")
    place = {name: i for i, name in enumerate(shape_names)}
    rng = np.random.default_rng(seed)
    label = np.arange(count, dtype=np.int32) % len(emotions)
    weights = np.zeros((count, len(shape_names)), dtype=np.float32)
    for row, emotion in zip(weights, label, strict=True):
        strength = rng.uniform(0.6, 1.0)
        for action, (least, greatest) in RECIPES[emotions[emotion]].items():
            sides = [name for name in (action, f"{action}_L", f"{action}_R") if name in place]
            if not sides:
                raise ValueError(f"the file of expression shapes lacks {action!r}")
            together = rng.uniform(least, greatest)
            for side in sides:
                row[place[side]] = strength * together * rng.uniform(0.85, 1.15)
    faces = neutral[rng.integers(len(neutral), size=count)] + np.einsum("ne,epx->npx", weights, shapes)
    return align(faces).points, label
