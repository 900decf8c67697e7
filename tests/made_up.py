"""Labelled faces that tests make themselves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faces.landmark_set import ALL, LandmarkSet
from models.samples.dataset import Samples


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
