"""Lines between points: none crosses another, and they hold together."""

import numpy as np
import pytest

from models.emotion import wireframe
from models.faces.canonical import CANONICAL
from models.faces.landmark_set import LandmarkSet


@pytest.mark.parametrize(
    ("points", "edges"),
    [
        ([], []),
        ([[0, 0]], []),
        ([[0, 0], [1, 0]], [(0, 1)]),
        ([[0, 0], [1, 0], [2, 0]], [(0, 1), (1, 2)]),
        ([[0, 0, 9], [1, 0, 0], [0.4, 0.9, 5]], [(0, 1), (0, 2), (1, 2)]),
        ([[0, 0], [2, 0], [1, 0.2]], [(0, 2), (1, 2)]),
    ],
)
def test_small_ones(points: list[list[float]], edges: list[tuple[int, int]]) -> None:
    assert wireframe.edges(np.array(points, np.float32).reshape(len(points), -1 if points else 3)) == edges


def test_the_shipped_face_holds_together_and_no_lines_cross() -> None:
    face = CANONICAL[LandmarkSet.load().indices]
    edges = wireframe.edges(face)

    reached, ahead = set(), {0}
    while ahead:
        reached |= ahead
        ahead = {j for edge in edges for i, j in (edge, edge[::-1]) if i in ahead} - reached
    assert len(reached) == len(face)
    assert len(edges) <= 3 * len(face) - 6  # as many as a plane graph can have
    for a, b in edges:
        for c, d in edges:
            if len({a, b, c, d}) == 4:
                assert not crosses(*(face[place, :2].astype(float) for place in (a, b, c, d)))


def crosses(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
