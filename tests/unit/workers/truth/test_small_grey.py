"""The small picture on which everything looks."""

import numpy as np
import pytest

from workers.truth.small_grey import LEAST_PX, WIDTH_PX, small_grey


@pytest.mark.parametrize(
    ("size_px", "small_px"),
    [
        ((1920, 1080), (WIDTH_PX, 180)),
        ((320, 240), (320, 240)),
        ((1, 1), LEAST_PX),
        ((30_000, 3), (WIDTH_PX, LEAST_PX[1])),
    ],
)
def test_it_is_small_whatever_came(size_px: tuple[int, int], small_px: tuple[int, int]) -> None:
    luma = np.full(size_px[::-1], 77, np.uint8)

    grey = small_grey(luma)

    assert grey.shape[::-1] == small_px
    assert (grey == 77).all()
