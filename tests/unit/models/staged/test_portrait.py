"""The portrait's warps and the pictures of its head."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.staged.expression_scripts import EXPRESSIONS
from models.staged.head_warp import GRID_STEP, HEAD_XYXY, LEVELS, invert, load_shapes, load_warp, smooth_field
from models.staged.portrait import Head, enlarge

CHIN, LOWER_LIP, UPPER_LIP, BROW, NOSE_TIP = 152, 17, 0, 105, 1
CORNERS = [61, 291]


def _shown_at(intensities: dict[str, float], side: int, point: int) -> np.ndarray:
    """Where a mesh point of the face at rest is drawn, in portrait px: solves y + b(y) = rest."""
    warp = load_warp().at(intensities)[side]
    rest = load_shapes().rest_px[point]
    y = rest.astype(np.float32)
    for _ in range(40):
        at = (y - HEAD_XYXY[:2]) / GRID_STEP
        b = cv2.remap(warp, np.float32(at.reshape(1, 1, 2)), None, cv2.INTER_LINEAR)[0, 0, :2]
        y = (y + 0.6 * (rest - y - b)).astype(np.float32)
    return y - rest


def test_intensity_0_leaves_the_face_at_rest() -> None:
    warp = load_warp()
    assert np.array_equal(warp.at(dict.fromkeys(EXPRESSIONS, 0.0)), warp.rest)
    assert not warp.rest[..., :2].any()


@pytest.mark.parametrize("intensity", [0.5, 1.0])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_points_are_drawn_where_the_shape_puts_them(expression: str, intensity: float) -> None:
    shapes = load_shapes()
    for side, point in ((0, BROW), (0, UPPER_LIP), (1, LOWER_LIP), (1, CHIN), (0, NOSE_TIP)):
        wanted = shapes.displacements_px[expression][point] * intensity
        assert _shown_at({expression: intensity}, side, point) == pytest.approx(wanted, abs=0.8)  # smoothing


def test_surprise_drops_the_jaw_and_raises_the_brows() -> None:
    unit = np.linalg.norm(load_shapes().rest_px[33] - load_shapes().rest_px[263])
    lower, upper = (_shown_at({"surprise": 1.0}, side, p)[1] for side, p in ((1, LOWER_LIP), (0, UPPER_LIP)))
    assert lower - upper > 0.1 * unit
    assert _shown_at({"surprise": 1.0}, 0, BROW)[1] < -0.03 * unit


def test_smile_widens_the_mouth_and_frowns_lower_it() -> None:
    right, left = (_shown_at({"happiness": 1.0}, 0, p) for p in CORNERS)
    assert left[0] - right[0] > 2
    assert max(left[1], right[1]) < -1
    assert all(_shown_at({"sadness": 1.0}, 0, p)[1] > 0.5 for p in CORNERS)
    assert _shown_at({"anger": 1.0}, 0, BROW)[1] > 0.5


def test_interpolation_between_levels_meets_them() -> None:
    warp = load_warp()
    for level in range(LEVELS + 1):
        shown = warp.at({"surprise": level / LEVELS})
        assert shown == pytest.approx(warp.rest + warp.change["surprise"][level], abs=1e-4)


def test_no_warp_moves_the_border() -> None:
    for levels in load_warp().change.values():
        xy = levels[..., :2]
        assert (
            max(abs(edge).max() for edge in (xy[:, :, 0], xy[:, :, -1], xy[..., 0, :], xy[..., -1, :])) < 1e-4
        )


def test_smooth_field_reproduces_a_shift_of_many_points() -> None:
    points = load_shapes().rest_px
    field = smooth_field(points, np.tile(np.float32([3, -2]), (468, 1)))
    x, y = ((points[NOSE_TIP] - HEAD_XYXY[:2]) / GRID_STEP).round().astype(int)
    assert field[y, x] == pytest.approx([3, -2], abs=0.2)


def test_invert_undoes_a_warp() -> None:
    y, x = np.mgrid[:60, :60].astype(np.float32)
    bump = np.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 200)
    forward = np.stack([5 * bump, 8 * bump], -1).astype(np.float32)
    backward = invert(forward)
    at = np.stack([x, y], -1) + backward / GRID_STEP
    back_there = cv2.remap(forward, at.astype(np.float32), None, cv2.INTER_LINEAR) + backward
    assert abs(back_there).max() < 0.05


def test_full_happiness_is_the_photograph() -> None:
    head = Head(1.0)
    photo = enlarge(1.0, head.offset_px, head.size_px).astype(int)
    x, y = (load_shapes().landmarks_px[[61, 291], :2].mean(0) - head.offset_px).astype(int)
    mouth = np.s_[y - 20 : y + 30, x - 35 : x + 35]
    smile, rest = (abs(head.draw({"happiness": i})[mouth] - photo[mouth]).mean() for i in (1.0, 0.0))
    assert smile < 8
    assert rest > 1.5 * smile


def test_open_mouth_is_dark_and_closed_mouth_is_not() -> None:
    head = Head(1.0)
    surprise = load_shapes().rest_px + load_shapes().displacements_px["surprise"]
    x, y = ((surprise[13] + surprise[14]) / 2 - head.offset_px).astype(int)
    assert head.draw({"surprise": 1.0})[y, x].mean() < 60
    assert head.draw({})[y, x].mean() > 90


def test_motion_moves_the_face_and_not_the_border() -> None:
    head = Head(1.0)
    shift = np.array([[1, 0, 4.0], [0, 1, 0], [0, 0, 1]])
    still, moved = head.draw({}).astype(int), head.draw({}, shift).astype(int)
    face = np.s_[100:170, 80:150]
    assert abs(moved[100:170, 84:154] - still[face]).mean() < 2
    assert abs(moved[face] - still[face]).mean() > 4
    for border in (np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]):
        assert abs(moved[border] - still[border]).mean() < 0.5


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, landmarks_px=np.zeros((468, 3)))
    with pytest.raises(ValueError, match=r"other.npz: .*displacements_px"):
        load_shapes(path)
    np.savez(
        path, landmarks_px=np.zeros((128, 3)), expressions=["anger"], displacements_px=np.zeros((1, 468, 2))
    )
    with pytest.raises(ValueError, match=r"expected landmarks \[468, 3\].*\[128, 3\]"):
        load_shapes(path)
    np.savez(
        path, landmarks_px=np.zeros((468, 3)), expressions=["anger"], displacements_px=np.zeros((1, 468, 2))
    )
    with pytest.raises(ValueError, match="no shape for happiness, sadness, surprise"):
        load_shapes(path)
    with pytest.raises(OSError, match="missing"):
        load_shapes(tmp_path / "missing.npz")
