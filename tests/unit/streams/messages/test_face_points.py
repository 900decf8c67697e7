"""A face's points as a page draws them."""

import base64
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BadMessage
from streams.messages import emotion_event, landmarks_message
from streams.messages.face_points import face_points
from streams.messages.landmarks_message import Landmarks


@given(
    values=st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=30).map(lambda v: v[: len(v) // 3 * 3])
)
def test_points_are_as_near_as_can_be_drawn(
    make_landmarks: Callable[..., Landmarks], values: list[float]
) -> None:
    points = np.array(values, np.float32).reshape(-1, 3)
    face = make_landmarks(points=landmarks_message.pack_points(points))
    drawn = face_points(face)

    read = np.frombuffer(base64.b64decode(drawn.points), "<f2").reshape(-1, 3)
    assert read == pytest.approx(points, abs=2e-3)
    assert drawn.event_id == emotion_event.event_id(face.camera_id, face.run, face.frame_seq, face.subject_id)
    assert len(drawn.rotation) == 9


@pytest.mark.parametrize("points", [b"x", b"\x00\x00\xc0\x7f" * 3], ids=["no whole ones", "not finite"])
def test_what_cannot_be_drawn(make_landmarks: Callable[..., Landmarks], points: bytes) -> None:
    with pytest.raises(BadMessage, match="points"):
        face_points(make_landmarks(points=points))
