"""The points of a face as a page draws them: small, and named like the emotion event that they belong to."""

import base64
from datetime import datetime
from typing import Annotated

import msgspec

from streams.errors import BadMessage
from streams.messages import emotion_event, landmarks_message
from streams.messages.emotion_event import time_of
from streams.messages.landmarks_message import CameraId, FrameSeq, Landmarks, SubjectId


class PlaceInPicture(msgspec.Struct, frozen=True):
    """Where a face is in its picture: ``scale · points @ rotation.T + (x, y)``, in widths of the picture."""

    scale: float
    x: float
    y: float


class FacePoints(msgspec.Struct, frozen=True):
    """One face in one frame."""

    event_id: Annotated[str, msgspec.Meta(description="of the emotion event of the same face")]
    camera_id: CameraId
    subject_id: SubjectId
    frame_seq: FrameSeq
    captured_at: Annotated[datetime, msgspec.Meta(tz=True)]
    landmark_set: str
    points: Annotated[
        str, msgspec.Meta(description="base64 of K×3 little-endian float16, unit: inter-ocular distance")
    ]
    rotation: Annotated[
        list[float], msgspec.Meta(description="3×3, row by row: as the head is held, points @ rotation.T")
    ]
    place: Annotated[
        PlaceInPicture | None, msgspec.Meta(description="null where the picture's size was not told")
    ] = None


def face_points(face: Landmarks) -> FacePoints:
    """The points of a landmarks message.

    Raises:
        BadMessage: if its points are none.
    """
    if len(face.points) % 12:
        raise BadMessage(f"points has {len(face.points)} bytes, which are no K×3 float32")
    points = landmarks_message.unpack_points(face, len(face.points) // 12)
    return FacePoints(
        emotion_event.event_id(face.camera_id, face.run, face.frame_seq, face.subject_id),
        face.camera_id,
        face.subject_id,
        face.frame_seq,
        time_of(face.captured_at_us),
        face.landmark_set,
        base64.b64encode(points.astype("<f2").tobytes()).decode(),
        [round(value, 4) for value in face.transform.rotation],
        _place(face),
    )


def _place(face: Landmarks) -> PlaceInPicture | None:
    if face.picture is None:
        return None
    width_px, (x_px, y_px, _) = face.picture.width_px, face.transform.translation_px
    return PlaceInPicture(*(round(px / width_px, 5) for px in (face.transform.scale_px, x_px, y_px)))
