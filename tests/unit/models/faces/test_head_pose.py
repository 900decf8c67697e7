"""Angles of the head, and which way is positive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import rotation_from

from models.faces.canonical import CANONICAL
from models.faces.head_pose import pose_deg


@settings(deadline=None)
@given(st.floats(-80, 80), st.floats(-80, 80), st.floats(-170, 170))
def test_pose_recovers_the_angles(yaw: float, pitch: float, roll: float) -> None:
    pose = pose_deg(rotation_from(yaw, pitch, roll)[None].astype(np.float32))
    np.testing.assert_allclose(pose, [[yaw, pitch, roll]], atol=1e-2)


@pytest.mark.parametrize(
    ("angle", "axis", "moves_towards"),
    [
        ("yaw", 0, 1),  # the nose tip goes to the right edge of the picture
        ("pitch", 1, -1),  # the nose tip goes up
    ],
)
def test_signs_of_yaw_and_pitch(angle: str, axis: int, moves_towards: int) -> None:
    turn = rotation_from(**{"yaw_deg": 0, "pitch_deg": 0, "roll_deg": 0, f"{angle}_deg": 30})
    nose_tip = (CANONICAL @ turn.T)[1] - CANONICAL[1]
    assert nose_tip[axis] * moves_towards > 0.1


def test_roll_is_clockwise_in_the_picture() -> None:
    forehead = (CANONICAL @ rotation_from(0, 0, 30).T)[10]
    assert forehead[0] > 0.1  # its top leans to the right edge of the picture


def test_bad_rotation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[N, 3, 3\]"):
        pose_deg(np.eye(3, dtype=np.float32))
