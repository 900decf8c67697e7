"""Quality measures on pictures whose quality is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import Picture
from models.faces.canonical import CANONICAL
from models.faces.quality import inter_ocular_px, sharpness, visible
from models.judging.degrade import moved

BOX = np.array([50, 50, 250, 250], dtype=np.float32)


def texture(seed: int = 0, side: int = 300) -> Picture:
    """Soft random spots, with detail at every scale a face has."""
    noise = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    mixed = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10))
    grey = np.clip(128 + 40 * np.asarray(mixed), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def test_inter_ocular_distance_is_that_of_the_eye_corners_in_space() -> None:
    assert inter_ocular_px(CANONICAL * np.float32(80)) == pytest.approx(80, rel=1e-4)
    turned = CANONICAL @ np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]], dtype=np.float32)
    assert inter_ocular_px(turned * np.float32(80)) == pytest.approx(80, rel=1e-4)


@pytest.mark.parametrize(
    ("x_px", "share"), [(50, 1.0), (0, 0.5), (-49, 0.0), (100, 0.5), (149, 0.0)], ids=str
)
def test_a_face_cut_by_the_border_is_visible_in_part(x_px: float, share: float) -> None:
    """Points on a line of 96 px."""
    points = np.zeros((468, 3), np.float32)
    points[:, 0] = np.linspace(x_px - 48, x_px + 48, 468)
    points[:, 1] = 20

    assert visible(points, (100, 40)) == pytest.approx(share, abs=0.01)
    assert visible(points[:, [1, 0, 2]], (40, 100)) == pytest.approx(share, abs=0.01)


@given(st.integers(0, 20))
def test_more_blur_is_less_sharp(seed: int) -> None:
    picture = texture(seed)
    blurred = [picture, *(cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (1, 2, 4, 8))]
    values = [sharpness(np.asarray(p, dtype=np.uint8), BOX) for p in blurred]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 * values[-1]


@pytest.mark.parametrize("angle_deg", [0, 45, 90, 135, 20])
def test_motion_in_any_direction_is_a_blur(angle_deg: float) -> None:
    picture = texture()
    shaken, more = (sharpness(moved(picture, length_px, angle_deg), BOX) for length_px in (10, 20))
    assert more < shaken < 0.35 * sharpness(picture, BOX)


@given(st.integers(0, 20))
def test_it_is_at_most_the_variance_of_the_laplacian(seed: int) -> None:
    picture = np.asarray(cv2.GaussianBlur(texture(seed, side=128), (0, 0), 1.5), dtype=np.uint8)
    whole = np.array([0, 0, 128, 128], dtype=np.float32)
    grey = picture[..., 0].astype(np.float32)
    laplacian = float(cv2.Laplacian(grey / grey.std(), cv2.CV_32F).var())
    assert 0.5 * laplacian < sharpness(picture, whole) < 1.05 * laplacian


@pytest.mark.parametrize("size", [(3, 200), (200, 3)])
def test_the_least_area_has_a_value(size: tuple[int, int]) -> None:
    assert sharpness(texture()[: size[0], : size[1]], np.array([0, 0, 200, 200], np.float32)) > 0


def test_light_and_contrast_do_not_matter() -> None:
    picture = texture()
    dim = (picture * 0.4 + 10).round().astype(np.uint8)
    assert sharpness(dim, BOX) == pytest.approx(sharpness(picture, BOX), rel=0.1)


def test_only_the_face_counts() -> None:
    picture = texture()
    around = np.asarray(cv2.GaussianBlur(picture, (0, 0), 8), dtype=np.uint8)
    around[50:250, 50:250] = picture[50:250, 50:250]
    assert sharpness(around, BOX) == sharpness(picture, BOX)


@pytest.mark.parametrize(
    "box", [(400, 10, 500, 90), (-90, -90, -10, -10), (20, 20, 20, 80), (80, 80, 20, 20)], ids=str
)
def test_a_box_without_pixels_is_not_sharp(box: tuple[int, ...]) -> None:
    assert sharpness(texture(), np.array(box, dtype=np.float32)) == 0


def test_a_plain_area_is_not_sharp() -> None:
    assert sharpness(np.full((300, 300, 3), 90, dtype=np.uint8), BOX) == 0


def test_a_box_over_the_border_is_cut() -> None:
    over = np.array([-100, -100, 250, 250], dtype=np.float32)
    inside = np.array([0, 0, 250, 250], dtype=np.float32)
    assert sharpness(texture(), over) == sharpness(texture(), inside)
