"""Labelled faces that tests make themselves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import ALL, LandmarkSet
from models.samples.dataset import Samples
from models.samples.landmark_files import Arrays


def samples_of(
    points: NDArray[Any],
    label: NDArray[np.int32],
    *,
    landmark_set: LandmarkSet = ALL,
    validation: NDArray[np.bool_] | None = None,
    subject: NDArray[np.int32] | None = None,
) -> Samples:
    """Faces [N, K, 3] that all judges agree on, of one file; none held out and nobody known unless given."""
    n = len(label)
    return Samples(
        points.astype(np.float32),
        np.eye(8, dtype=np.float32)[label],
        label,
        np.zeros(n, np.bool_) if validation is None else validation,
        np.full(n, -1, np.int32) if subject is None else subject,
        np.zeros(n, np.int32),
        ("made-up",),
        landmark_set,
    )


def warped(people: int = 6, seed: int = 0) -> Arrays:
    """A file of warped photos: each person has three quiet faces, two speaking ones, one with shut eyes,
    happiness and surprise."""
    rng = np.random.default_rng(seed)
    label = ["neutral"] * 6 + ["happiness", "surprise"]
    tag = ["", "", "", "speech", "speech", "blink", "", "recipe"]
    chin, eyes, corners = (
        np.array([of.startswith(name) for of in REGION]) for name in ("chin", "eye", "mouth corner")
    )
    faces = []
    for _ in range(people):
        own = CANONICAL + rng.normal(0, 0.02, CANONICAL.shape) * [1, 1, 0.2]
        mine = np.repeat(own[None], len(label), axis=0) + rng.normal(0, 0.0005, (len(label), 468, 3))
        mine[3, chin, 1] += 0.03
        mine[4, chin, 1] += 0.05
        mine[5, eyes, 1] += 0.02
        mine[6, corners, 1] -= 0.1
        mine[7, chin, 1] += 0.15
        faces.append(mine)
    n = people * len(label)
    return {
        "q": np.concatenate(faces).astype(np.float32),
        "scale": np.full(n, 100, np.float32),
        "offset": np.full((n, 3), 300, np.float32),
        "label": np.array(label * people),
        "tag": np.array(tag * people),
        "subject": np.repeat(np.arange(people), len(label)),
    }
