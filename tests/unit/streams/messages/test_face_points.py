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
from streams.messages.landmarks_message import Landmarks, PictureSize, Transform


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


def test_a_place_in_the_picture_leads_back_to_its_pixels(make_landmarks: Callable[..., Landmarks]) -> None:
    point = np.array([[0.5, -0.25, 0.1]], np.float32)
    turn = [0.0, -1, 0, 1, 0, 0, 0, 0, 1]
    face = make_landmarks(
        points=landmarks_message.pack_points(point),
        transform=Transform(64.0, turn, [320.0, 240.0, 5.0]),
        picture=PictureSize(640, 480, 1920),
    )
    place = face_points(face).place

    assert place is not None
    told_px = 640 * (place.scale * (point @ np.array(turn).reshape(3, 3).T)[0, :2] + (place.x, place.y))
    assert told_px.tolist() == pytest.approx([320 + 64 * 0.25, 240 + 64 * 0.5], abs=0.01)
    assert face_points(make_landmarks(picture=None)).place is None
