"""A face on ``mien.landmarks``: key = camera id, value = MessagePack of :class:`Landmarks`."""

import math
import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from streams.errors import BadMessage
from streams.messages.frame_message import CAMERA_ID, MAX_SEQ, MAX_TIME_US, MAX_WIDTH_PX, Source
from streams.messages.unreadable import UNREADABLE

if TYPE_CHECKING:  # an emotion event shares types with this, and whoever reads only events needs no arrays
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = "mien.landmarks/1"

MAX_COORDINATE = 100.0
"""In inter-ocular distances. A real face ends at about 2; a classifier overflows long after this."""

_Unit = Annotated[float, msgspec.Meta(description="fraction of the picture's width or height")]
_Angle = Annotated[float, msgspec.Meta(ge=-180, le=180)]
"""Bounded, as the state calculates with its square."""

CameraId = Annotated[str, msgspec.Meta(pattern=f"^{CAMERA_ID.pattern}$")]
SUBJECT_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")
SubjectId = Annotated[str, msgspec.Meta(pattern=f"^{SUBJECT_ID.pattern}$")]
"""Both become parts of Redis keys, where a brace would choose another slot."""
FrameSeq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]
CameraRun = Annotated[
    int,
    msgspec.Meta(
        ge=0, le=MAX_SEQ, description="when this run of the camera began, µs since the epoch; 0: not known"
    ),
]
FrameSource = Annotated[
    Source,
    msgspec.Meta(description="file: the time of capture is that of the file's playing, not of a clock"),
]
Still = Annotated[
    bool,
    msgspec.Meta(description="the face has not moved by itself for minutes: a photograph, a poster, a doll"),
]


def check_subject_id(subject_id: str) -> str:
    """Returns the id if it is 1–80 of ``A-Za-z0-9._:-``.

    Raises:
        BadMessage: if it is anything else.
    """
    if not SUBJECT_ID.fullmatch(subject_id):
        raise BadMessage(
            f"Subject id {subject_id[:80]!r} is not 1 to 80 letters, digits, '.', '_', ':' or '-'"
        )
    return subject_id


class FaceBox(msgspec.Struct, frozen=True):
    """Box in fractions of the picture, from the top left."""

    x: _Unit
    y: _Unit
    w: _Unit
    h: _Unit


class Pose(msgspec.Struct, frozen=True):
    """Head pose in degrees; 0, 0, 0 looks into the camera."""

    yaw: _Angle
    pitch: _Angle
    roll: _Angle


class Quality(msgspec.Struct, frozen=True):
    """How well the face can be seen."""

    inter_ocular_px: Annotated[float, msgspec.Meta(ge=0)]
    sharpness: Annotated[float, msgspec.Meta(ge=0)]
    presence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    visible: Annotated[
        float, msgspec.Meta(ge=0, le=1, description="share of the face's points that lie in the picture")
    ] = 1.0


_Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_WIDTH_PX)]


class PictureSize(msgspec.Struct, frozen=True):
    """The picture that the face was seen in."""

    width_px: _Side
    height_px: _Side
    full_width_px: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=MAX_WIDTH_PX, description="of the camera's own picture, before it was scaled down"
        ),
    ]


class Transform(msgspec.Struct, frozen=True):
    """Back to the picture: ``scale_px · points @ rotation.T + translation_px``."""

    scale_px: float
    rotation: Annotated[list[float], msgspec.Meta(min_length=9, max_length=9, description="3×3, row by row")]
    translation_px: Annotated[list[float], msgspec.Meta(min_length=3, max_length=3)]


class Landmarks(msgspec.Struct, frozen=True, tag_field="schema", tag=SCHEMA):
    """One face in one frame."""

    camera_id: CameraId
    frame_seq: FrameSeq
    captured_at_us: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_US, description="µs since the epoch")]
    subject_id: SubjectId
    face: FaceBox
    pose: Pose
    quality: Quality
    landmark_set: str
    points: Annotated[
        bytes, msgspec.Meta(description="K×3 little-endian float32, unit: inter-ocular distance")
    ]
    transform: Transform
    traceparent: str = ""
    run: CameraRun = 0
    source: FrameSource = "live"
    still: Still = False
    picture: PictureSize | None = None

    def __post_init__(self) -> None:
        # MessagePack can say NaN, but the JSON of the event that is made from this cannot.
        box, pose, place = self.face, self.pose, self.transform
        numbers = (box.x, box.y, box.w, box.h, pose.yaw, pose.pitch, pose.roll, place.scale_px)
        measured = (self.quality.inter_ocular_px, self.quality.sharpness, self.quality.presence)
        if not all(map(math.isfinite, (*numbers, *measured, *place.rotation, *place.translation_px))):
            raise ValueError("a number is not finite")


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Landmarks)


def encode(landmarks: Landmarks) -> bytes:
    """The value for Kafka."""
    return _encoder.encode(landmarks)


def decode(value: bytes | None) -> Landmarks:
    """The face that a Kafka message holds.

    Raises:
        BadMessage: if it is not MessagePack of this schema.
    """
    try:
        return _decoder.decode(value or b"")
    except UNREADABLE as exc:
        raise BadMessage(f"Not a {SCHEMA} message: {exc}") from exc


def pack_points(points: "NDArray[np.float32]") -> bytes:
    """Points [K, 3] as the bytes of the field ``points``: little-endian float32."""
    import numpy as np

    return np.ascontiguousarray(points, dtype="<f4").tobytes()


def unpack_points(landmarks: Landmarks, n_points: int) -> "NDArray[np.float32]":
    """The field ``points`` as float32 [n_points, 3].

    Raises:
        BadMessage: if there are more or fewer points, or some are not finite or beyond MAX_COORDINATE.
    """
    import numpy as np

    raw = landmarks.points
    if len(raw) != n_points * 12:
        raise BadMessage(f"points has {len(raw)} bytes; {n_points}×3 float32 are {n_points * 12}")
    points = np.frombuffer(raw, dtype="<f4").reshape(n_points, 3).astype(np.float32)
    if not np.isfinite(points).all():
        raise BadMessage("points holds values that are not finite numbers")
    if np.abs(points).max(initial=0) > MAX_COORDINATE:
        raise BadMessage(f"points holds values beyond {MAX_COORDINATE:g} inter-ocular distances")
    return points
