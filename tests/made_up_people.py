"""A file of warped photos of people who do not exist."""

import numpy as np

from models.faces.canonical import CANONICAL, REGION
from models.samples.landmark_files import Arrays


def warped(people: int = 6, seed: int = 0) -> Arrays:
    """Each person has three quiet faces, two speaking ones, one with shut eyes, happiness and surprise."""
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
