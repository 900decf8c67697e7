"""Lines between the points of a landmark set, so that a face can be drawn without its picture."""

import numpy as np

from models.arrays import F32


def edges(points: F32) -> list[tuple[int, int]]:
    """The Gabriel graph of points [K, 2 or more], seen from the front: pairs i < j of places in the set.

    Two points are joined if no other one lies within the circle between them, so no lines cross (K. R.
    Gabriel and R. R. Sokal, Systematic Zoology 18, 1969).
    """
    flat = np.asarray(points, dtype=np.float64)[:, :2]
    squared = ((flat[:, None] - flat[None]) ** 2).sum(axis=-1)
    found = []
    for i in range(len(flat)):
        for j in range(i + 1, len(flat)):
            through = squared[i] + squared[j]  # less than the line's own: within the circle (Thales)
            through[[i, j]] = np.inf
            if through.min(initial=np.inf) >= squared[i, j]:
                found.append((i, j))
    return found
