"""What is true of a camera, on ``mien.cameras``: key = camera id, CloudEvents 1.0 in Kafka's binary mode.

The event's data is the JSON of :class:`CameraTruth`. A camera tells it on every change of its state and every
`HEARTBEAT_S`, so who hears nothing for `SILENT_S` may take the camera for lost. The newest of a camera is its
present state.
"""

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, get_args
from urllib.parse import quote

import msgspec

from streams.errors import BadMessage
from streams.messages.emotion_event import time_of
from streams.messages.frame_message import MAX_TIME_US, Headers
from streams.messages.landmarks_message import CameraId, CameraRun
from streams.messages.unreadable import UNREADABLE

CE_TYPE = "mien.camera.v1"
HEARTBEAT_S: Final = 30.0
SILENT_S: Final = 90.0
"""Three heartbeats: one may be late, and one be lost."""

# Fixed for ever: the same camera, run and time must give the same id on every machine.
_NAMESPACE = uuid.UUID("6d69656e-0000-5000-8000-63616d657261")

CameraState = Literal["ok", "frozen", "dark", "covered", "blurred", "moved", "lost", "clock-off"]
CAMERA_STATES: tuple[CameraState, ...] = get_args(CameraState)


class CameraTruth(msgspec.Struct, frozen=True):
    """What a camera's picture is worth, and what was measured."""

    camera_id: CameraId
    run: Annotated[CameraRun, msgspec.Meta(description="as in the camera's frames")]
    at: Annotated[datetime, msgspec.Meta(tz=True, description="when this was found, by the camera's clock")]
    state: CameraState
    since: Annotated[datetime, msgspec.Meta(tz=True, description="when the state began")]
    measures: Annotated[
        dict[str, float], msgspec.Meta(description="what the state rests on; docs/cameras.md names them")
    ]

    def __post_init__(self) -> None:
        for moment in (self.at, self.since):  # RFC 3339 can say more than a frame's header
            if not 0 <= time_us(moment) <= MAX_TIME_US:
                raise ValueError("at or since is before 1970 or after 9999")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(CameraTruth)


def time_us(moment: datetime) -> int:
    """µs since the epoch, exact."""
    return (moment - time_of(0)) // timedelta(microseconds=1)


def event_id(truth: CameraTruth) -> str:
    """The same id for the same event: a uuid5 (RFC 9562)."""
    return str(uuid.uuid5(_NAMESPACE, f"{truth.camera_id}\n{truth.run}\n{time_us(truth.at)}"))


def encode(truth: CameraTruth) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers for Kafka."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id(truth).encode()),
        ("ce_source", f"/cameras/{quote(truth.camera_id)}".encode()),
        ("ce_type", CE_TYPE.encode()),
        ("ce_time", truth.at.isoformat().replace("+00:00", "Z").encode()),
        ("ce_subject", truth.camera_id.encode()),
        ("content-type", b"application/json"),
    ]
    return truth.camera_id.encode(), _encoder.encode(truth), headers


def decode(value: bytes | None) -> CameraTruth:
    """The event that a Kafka message holds.

    Raises:
        BadMessage: if it is not JSON of this schema.
    """
    try:
        return _decoder.decode(value or b"")
    except UNREADABLE as exc:
        raise BadMessage(f"Not the truth of a camera: {exc}") from exc
