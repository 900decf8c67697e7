"""Folds of cross-validation that no person is in twice."""

import numpy as np
from numpy.typing import NDArray


def subject_folds(subject: NDArray[np.int32], folds: int, seed: int = 0) -> NDArray[np.int32]:
    """The fold, 0 to folds-1, of each face [N]; all faces of a subject [N] are in one.

    Subjects come in random order, those with most faces first; each goes to the fold that has fewest faces
    so far. Raises ValueError for fewer than two folds, for fewer subjects than folds, and when a face is of
    an unknown (negative) subject.
    """
    if folds < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, not {folds}")
    if len(subject) and subject.min() < 0:
        raise ValueError(
            "some faces are of unknown persons, so no folds without a person in two are possible"
        )
    people, person, faces = np.unique(subject, return_inverse=True, return_counts=True)
    if len(people) < folds:
        raise ValueError(f"{len(people)} persons are too few for {folds} folds")
    order = np.random.default_rng(seed).permutation(len(people))
    order = order[np.argsort(-faces[order], kind="stable")]
    size = np.zeros(folds, np.int64)
    fold_of = np.zeros(len(people), np.int32)
    for one in order:
        fold_of[one] = size.argmin()
        size[fold_of[one]] += faces[one]
    return fold_of[person]
