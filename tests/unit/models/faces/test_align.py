import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import rotation_from
from numpy.typing import NDArray

from models.faces.align import Alignment, align, unalign
from models.faces.canonical import CANONICAL, MIRROR
from models.faces.head_pose import pose_deg

seeds = st.integers(0, 2**32 - 1)
angles_deg = st.floats(-60, 60)


def random_faces(seed: int, count: int = 3) -> NDArray[np.float64]:
    """Faces in pixels: the canonical one, deformed, 100 px between the eyes."""
    rng = np.random.default_rng(seed)
    return 100 * (CANONICAL + rng.normal(0, 0.03, (count, 468, 3))) + [320, 240, 0]


def mirrored(landmarks_px: NDArray[np.float64], width_px: float) -> NDArray[np.float64]:
    """The same faces in a mirrored picture: x flipped, each point takes its twin's name."""
    flipped = landmarks_px[:, MIRROR] * [-1, 1, 1]
    return np.add(flipped, [width_px, 0, 0])


@settings(deadline=None)
@given(seeds, angles_deg, angles_deg, st.floats(-180, 180), st.floats(0.2, 5), st.floats(-500, 500))
def test_points_do_not_depend_on_rotation_scale_and_translation(
    seed: int, yaw: float, pitch: float, roll: float, zoom: float, shift_px: float
) -> None:
    faces = random_faces(seed)
    turn = rotation_from(yaw, pitch, roll)
    before, after = align(faces), align(zoom * faces @ turn.T + [shift_px, -shift_px, 0.5 * shift_px])
    np.testing.assert_allclose(after.points, before.points, atol=2e-5)
    np.testing.assert_allclose(after.scale, zoom * before.scale, rtol=1e-4)
    np.testing.assert_allclose(after.rotation, turn @ before.rotation, atol=1e-4)


@settings(deadline=None)
@given(seeds, angles_deg, angles_deg, angles_deg)
def test_unalign_inverts(seed: int, yaw: float, pitch: float, roll: float) -> None:
    faces = random_faces(seed) @ rotation_from(yaw, pitch, roll).T
    np.testing.assert_allclose(unalign(align(faces)), faces, atol=5e-3)


@settings(deadline=None)
@given(seeds, angles_deg, angles_deg, angles_deg)
def test_mirrored_picture_gives_mirrored_points_and_pose(
    seed: int, yaw: float, pitch: float, roll: float
) -> None:
    faces = random_faces(seed) @ rotation_from(yaw, pitch, roll).T
    original, mirror = align(faces), align(mirrored(faces, width_px=640))
    np.testing.assert_allclose(mirror.points, original.points[:, MIRROR] * [-1, 1, 1], atol=2e-5)
    np.testing.assert_allclose(
        pose_deg(mirror.rotation), pose_deg(original.rotation) * [-1, 1, -1], atol=2e-2
    )


def test_canonical_face_is_its_own_alignment() -> None:
    result = align(CANONICAL[None])
    np.testing.assert_allclose(result.points[0], CANONICAL, atol=1e-6)
    np.testing.assert_allclose(result.rotation[0], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(result.scale, [1.0], atol=1e-6)
    assert all(field.dtype == np.float32 for field in result)


def test_no_faces_give_no_points() -> None:
    result = align(np.empty((0, 468, 3), np.float32))
    assert [field.shape for field in result] == [(0, 468, 3), (0,), (0, 3, 3), (0, 3)]
    assert unalign(Alignment(*result)).shape == (0, 468, 3)


@pytest.mark.parametrize(
    ("landmarks_px", "message"),
    [
        (np.zeros((468, 3)), r"shape \[N, 468, 3\], not \[468, 3\]"),
        (np.zeros((1, 478, 3)), r"not \[1, 478, 3\]"),
        (np.full((1, 468, 3), np.nan), "not finite"),
        (np.ones((1, 468, 3)), "coincide"),
    ],
)
def test_bad_landmarks_are_refused(landmarks_px: NDArray[np.float32], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        align(landmarks_px)
