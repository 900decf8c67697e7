"""Boxes and crops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.faces.canonical import CANONICAL
from models.faces.engine import ROI_MARGIN, Roi, box_xyxy_px, iou

TALL = CANONICAL * np.float32(100)


def turned(landmarks: np.ndarray, angle_rad: float) -> np.ndarray:
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return (landmarks @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])).astype(np.float32)


def test_the_box_holds_all_points_and_touches_four() -> None:
    box = box_xyxy_px(TALL)
    assert box.dtype == np.float32
    np.testing.assert_array_equal(box, [*TALL[:, :2].min(0), *TALL[:, :2].max(0)])


@given(st.floats(-3, 3), st.floats(-500, 500), st.floats(-500, 500), st.floats(0.1, 10))
def test_a_crop_follows_its_face(angle_rad: float, x: float, y: float, scale: float) -> None:
    landmarks = turned(TALL * np.float32(scale), angle_rad) + np.array([x, y, 0], dtype=np.float32)
    roi = Roi.around(landmarks)
    x0, y0, x1, y1 = box_xyxy_px(landmarks).tolist()
    assert roi.center_x_px == pytest.approx((x0 + x1) / 2, abs=0.01)
    assert roi.center_y_px == pytest.approx((y0 + y1) / 2, abs=0.01)
    assert roi.size_px == pytest.approx(ROI_MARGIN * max(x1 - x0, y1 - y0), rel=1e-3)
    assert roi.rotation_rad == pytest.approx(angle_rad, abs=0.02)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (0, 0, 1, 1), 1 / 4),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0),
        ((0, 0, 2, 2), (5, 5, 6, 6), 0.0),
        ((1, 1, 1, 1), (1, 1, 1, 1), 0.0),
    ],
)
def test_iou(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    first, second = np.array(a, dtype=np.float32), np.array(b, dtype=np.float32)
    assert iou(first, second) == pytest.approx(expected)
    assert iou(second, first) == pytest.approx(expected)
