"""Each degradation does to a picture what it says, by the amount it says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from models.arrays import Picture
from models.judging.degrade import compressed, enlarged_from, lit, moved, noisy, out_of_focus, shrunk

PORTRAIT: Picture = np.ascontiguousarray(data.astronaut()[:256, 100:356])


def dot(side: int = 61) -> Picture:
    picture = np.zeros((side, side, 3), np.uint8)
    picture[side // 2, side // 2] = 255
    return picture


def spread_px(picture: Picture) -> tuple[float, float]:
    """Standard deviation of the light along x and y."""
    weight = picture[..., 0].astype(float)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    total = weight.sum()
    return tuple(  # type: ignore[return-value]
        float(np.sqrt((weight * (at - (weight * at).sum() / total) ** 2).sum() / total)) for at in (x, y)
    )


def error(a: Picture, b: Picture) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize(("scale", "shape"), [(1.0, (256, 256)), (0.5, (128, 128)), (0.001, (1, 1))])
def test_shrunk_has_the_size_asked_for_and_the_same_light(scale: float, shape: tuple[int, int]) -> None:
    small = shrunk(PORTRAIT, scale)
    assert small.shape == (*shape, 3)
    assert small.mean() == pytest.approx(PORTRAIT.mean(), abs=1.0)


def test_enlarging_again_keeps_the_size_but_not_the_detail() -> None:
    errors = [error(enlarged_from(PORTRAIT, scale), PORTRAIT) for scale in (1.0, 0.5, 0.25, 0.1)]
    assert enlarged_from(PORTRAIT, 0.1).shape == PORTRAIT.shape
    assert errors[0] == 0
    assert errors == sorted(errors)
    assert errors[-1] > 5


@given(st.floats(1.5, 6))
def test_out_of_focus_spreads_a_dot_by_its_sigma(sigma_px: float) -> None:
    # A bright square, because a single pixel's light would be lost in rounding.
    square = np.zeros((81, 81, 3), np.uint8)
    square[36:45, 36:45] = 255
    own = (9**2 - 1) / 12
    for spread in spread_px(out_of_focus(square, sigma_px)):
        assert spread == pytest.approx(np.sqrt(own + sigma_px**2), rel=0.05)


@given(st.floats(4, 20))
def test_motion_spreads_a_dot_along_its_line_only(length_px: float) -> None:
    x, y = spread_px(moved(dot(), length_px, 0))
    assert x == pytest.approx(length_px / np.sqrt(12), rel=0.1)
    assert y < 0.01
    x, y = spread_px(moved(dot(), length_px, 90))
    assert y == pytest.approx(length_px / np.sqrt(12), rel=0.1)
    assert x < 0.01


def test_motion_along_the_diagonal_goes_down_to_the_right() -> None:
    smeared = moved(dot(), 12, 45)[..., 0]
    assert smeared[33, 33] > 0
    assert smeared[33, 27] == 0


def test_a_lower_jpeg_quality_changes_more() -> None:
    errors = [error(compressed(PORTRAIT, quality), PORTRAIT) for quality in (95, 60, 25, 8)]
    assert errors == sorted(errors)
    assert errors[0] < 2 < errors[-1]


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ({}, [0, 100, 128, 250]),
        ({"gain": 0.5}, [0, 50, 64, 125]),
        ({"gain": 2.0}, [0, 200, 255, 255]),
        ({"contrast": 0.5}, [64, 114, 128, 189]),
        ({"contrast": 0.0}, [128, 128, 128, 128]),
    ],
    ids=str,
)
def test_light(amounts: dict[str, float], expected: list[int]) -> None:
    grey = np.array([[0, 100, 128, 250]], np.uint8)[..., None].repeat(3, axis=2)
    assert lit(grey, **amounts)[0, :, 0].tolist() == expected


def test_noise_has_its_standard_deviation_and_its_seed_decides_it() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = noisy(grey, 8, seed=1).astype(float) - 128
    assert noise.std() == pytest.approx(8, rel=0.02)
    assert abs(noise.mean()) < 0.1
    assert np.array_equal(noisy(grey, 8, seed=1), noisy(grey, 8, seed=1))
    assert not np.array_equal(noisy(grey, 8, seed=1), noisy(grey, 8, seed=2))


@pytest.mark.parametrize(
    "unchanged",
    [
        lambda p: shrunk(p, 1.0),
        lambda p: out_of_focus(p, 0),
        lambda p: moved(p, 0, 30),
        lambda p: lit(p),
        lambda p: noisy(p, 0, 0),
    ],
)
def test_nothing_asked_for_changes_nothing_and_no_input_is_written_to(
    unchanged: Callable[[Picture], Picture],
) -> None:
    before = PORTRAIT.copy()
    result = unchanged(PORTRAIT)
    assert np.array_equal(result, before)
    result[:] = 0
    if result is not PORTRAIT:
        assert np.array_equal(PORTRAIT, before)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: shrunk(PORTRAIT, 0),
        lambda: shrunk(PORTRAIT, 1.5),
        lambda: shrunk(PORTRAIT, float("nan")),
        lambda: out_of_focus(PORTRAIT, -1),
        lambda: moved(PORTRAIT, float("nan"), 0),
        lambda: compressed(PORTRAIT, 0),
        lambda: compressed(PORTRAIT, 101),
        lambda: lit(PORTRAIT, gain=-1),
        lambda: noisy(PORTRAIT, -1, 0),
    ],
)
def test_a_meaningless_amount_is_refused(wrong: Callable[[], Picture]) -> None:
    with pytest.raises(ValueError, match="must"):
        wrong()


def test_the_result_is_what_opencv_takes() -> None:
    for picture in (moved(PORTRAIT, 5, 30), lit(PORTRAIT, gain=0.5), noisy(PORTRAIT, 3, 0)):
        assert picture.dtype == np.uint8
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
