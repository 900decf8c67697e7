"""Where on the curve of accuracy against balance a network is used: a bias, and when to say nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import F32

ACCURATE: Final = "accurate"
BALANCED: Final = "balanced"
OWN: Final = "own"
"""For faces compared with the subject's own neutral face: hardly ever names a face at rest otherwise."""
WATCHFUL: Final = "watchful"
"""The same for those who would rather see too much."""


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """What is added to the logits, and the confidence below which the answer is not to be given."""

    bias: F32  # [C]
    min_confidence: float


def to_json(points: Mapping[str, OperatingPoint]) -> str:
    """{name: {"bias": [C numbers], "min_confidence": number}}; float32 values come back as they were."""
    return json.dumps(
        {
            name: {"bias": point.bias.tolist(), "min_confidence": point.min_confidence}
            for name, point in points.items()
        }
    )


def from_json(text: str, classes: int, needed: str = ACCURATE) -> dict[str, OperatingPoint]:
    """The points that `to_json` wrote. ValueError when it is not such a text for so many classes, or lacks
    the `needed` point."""
    try:
        points = {
            str(name): OperatingPoint(np.array(point["bias"], np.float32), float(point["min_confidence"]))
            for name, point in json.loads(text).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"these are no operating points: {exc!r}") from exc
    for name, point in points.items():
        if point.bias.shape != (classes,) or not np.isfinite(point.bias).all():
            raise ValueError(f"operating point {name!r}: the bias must be {classes} finite numbers")
        if not 0 <= point.min_confidence <= 1:
            raise ValueError(f"operating point {name!r}: min_confidence must lie in [0, 1]")
    if needed not in points:
        raise ValueError(f"there is no operating point {needed!r} among {sorted(points)}")
    return points
