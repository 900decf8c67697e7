"""Landmark sets compared: the verdict on how they were chosen, and the best of a size."""

import pytest

from models.judging.selection_curve import Cell, Scores, Trained, best, verdict


@pytest.mark.parametrize(
    ("ig", "random", "words"),
    [
        (0.8, [0.7, 0.75], "better than every random set"),
        (0.72, [0.7, 0.75], "no better than chance"),
        (0.75, [0.7, 0.75], "no better than chance"),
        (0.6, [0.7, 0.75], "worse than every random set"),
        (0.8, [0.7], "better than the random set"),
        (0.8, [], None),
    ],
)
def test_verdict(ig: float, random: list[float], words: str | None) -> None:
    def cell(method: str, accuracy: float, size: int = 16) -> Cell:
        return Cell(method, None, size, "set", Scores(10, accuracy, 0.5), {})

    cells = [cell("ig", ig), *(cell("random", one) for one in random), cell("random", 0.99, 32)]
    line = verdict(cells, 16)

    assert line is None if words is None else line is not None and line.endswith(words)


def test_of_equally_accurate_sets_the_more_balanced_is_best() -> None:
    def trained(name: str, *scores: float) -> Trained:
        return Trained(Cell("ig", None, 16, name, Scores(10, *scores), {}), None)  # type: ignore[arg-type]

    tried = [trained("a", 0.7, 0.9), trained("b", 0.8, 0.5), trained("c", 0.8, 0.6)]
    assert best(tried, 16).cell.landmark_set == "c"
    with pytest.raises(ValueError, match="no set of 32"):
        best(tried, 32)
