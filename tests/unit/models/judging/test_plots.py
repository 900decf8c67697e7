"""Each figure is a PNG that shows its data: other data, other picture; the same data, the same bytes."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from models.emotion.draw import AGAINST_COLOR, FOR_COLOR
from models.faces.canonical import CANONICAL
from models.judging import plots
from models.judging.accuracy_figures import Answered, ReliabilityBin
from models.judging.attribution_curves import AttributionQuality, Curve, Curves


def quality(end: float) -> AttributionQuality:
    share = np.linspace(0, 1, 17).tolist()
    curve = Curve(share, [end * s for s in share], 0.5, 0.5)
    return AttributionQuality(10, 3, share, Curves(curve, curve), Curves(curve, curve), 0.9, 0.8)


@dataclass
class Case:
    draw: Callable[[float], bytes]


CURVE = [Answered(0.0, 1.0, 0.7), Answered(0.5, 0.6, 0.9), Answered(1.0, 0.0, None)]
CASES = {
    "confusion": Case(lambda x: plots.confusion([[3, int(9 * x)], [0, 0]], ["calm", "glad"], "title")),
    "coverage": Case(lambda x: plots.coverage(CURVE, Answered(0.5, x, 0.9), "title")),
    "nobody answered": Case(lambda x: plots.coverage([*CURVE, Answered(1, x, 0.1)], CURVE[2], "title")),
    "reliability": Case(
        lambda x: plots.reliability([ReliabilityBin(0, None, None), ReliabilityBin(4, 0.5, x)], "title")
    ),
    "curves": Case(lambda x: plots.attribution_curves(quality(x), "title")),
    "selection": Case(
        lambda x: plots.selection(
            [("ig", 16, 0.7, 0.4), ("ig", 128, 0.8, x), ("random", 16, 0.6, 0.4), ("random", 16, 0.7, 0.5)],
            [(128, 0.2), (16, 0.1)],
            "title",
        )
    ),
    "maps": Case(
        lambda x: plots.attribution_maps(
            {"glad": np.array([x, -0.5], np.float32)}, {"glad": 3}, np.array([61, 291])
        )
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_picture_of_the_data(case: Case) -> None:
    once, again, other = case.draw(0.3), case.draw(0.3), case.draw(0.8)

    assert once == again
    assert once != other
    with Image.open(io.BytesIO(once)) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) >= 250


def test_maps_are_warm_for_and_cool_against_at_the_points() -> None:
    attribution = np.where(CANONICAL[:, 0] < 0, 1, -1).astype(np.float32)
    data = plots.attribution_maps({"glad": attribution}, {"glad": 1}, np.arange(468))
    with Image.open(io.BytesIO(data)) as picture:
        rgb = np.array(picture.convert("RGB")).astype(int)

    where = [
        np.flatnonzero((np.abs(rgb - color).sum(axis=2) < 12).any(axis=0))
        for color in (FOR_COLOR, AGAINST_COLOR)
    ]
    assert where[0].size > 30
    assert where[1].size > 30
    assert where[0].max() < where[1].max()
    assert where[0].min() < where[1].min()
