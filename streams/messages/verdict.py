"""A person's word on an alert, on ``mien.verdicts``: key = alert id, CloudEvents 1.0 in Kafka's binary mode.

The event's data is the JSON of :class:`Verdict`. Who changes their mind says so in another one: of an alert
the newest verdict counts. Rule, camera and emotion stand in it too: verdicts are kept longer than alerts.
"""

import uuid
from datetime import datetime
from typing import Annotated, Final, Literal, get_args

import msgspec

from streams.errors import BadMessage
from streams.messages.alert import RuleName
from streams.messages.camera_truth import time_us
from streams.messages.emotion_event import Emotion
from streams.messages.frame_message import MAX_TIME_US, Headers
from streams.messages.landmarks_message import CameraId
from streams.messages.unreadable import UNREADABLE

CE_TYPE = "mien.verdict.v1"
NOTE_CHARACTERS_MAX: Final = 1000

# Fixed for ever: the same alert, person and time must give the same id on every machine.
_NAMESPACE = uuid.UUID("6d69656e-0000-5000-8000-766572646963")

VerdictWord = Literal["confirmed", "rejected", "unsure"]
VERDICTS: tuple[VerdictWord, ...] = get_args(VerdictWord)
AlertId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{1,64}$", description="of the alert")]
PersonName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")]
Note = Annotated[str, msgspec.Meta(max_length=NOTE_CHARACTERS_MAX)]


class Verdict(msgspec.Struct, frozen=True):
    """One person's word on one alert."""

    alert_id: AlertId
    verdict: Annotated[VerdictWord, msgspec.Meta(description="was there what the alert says?")]
    by: Annotated[PersonName, msgspec.Meta(description="who said so, as the access file names them")]
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    note: Note = ""
    rule: Annotated[RuleName | None, msgspec.Meta(description="of the alert, as the next two")] = None
    camera_id: CameraId | None = None
    emotion: Emotion | None = None

    def __post_init__(self) -> None:
        if not 0 <= time_us(self.at) <= MAX_TIME_US:  # RFC 3339 can say more than a frame's header
            raise ValueError("at is before 1970 or after 9999")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Verdict)


def event_id(verdict: Verdict) -> str:
    """The same id for the same verdict: a uuid5 (RFC 9562)."""
    return str(uuid.uuid5(_NAMESPACE, f"{verdict.alert_id}\n{verdict.by}\n{time_us(verdict.at)}"))


def encode(verdict: Verdict) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers for Kafka."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id(verdict).encode()),
        ("ce_source", b"/live"),
        ("ce_type", CE_TYPE.encode()),
        ("ce_time", verdict.at.isoformat().replace("+00:00", "Z").encode()),
        ("ce_subject", verdict.alert_id.encode()),
        ("content-type", b"application/json"),
    ]
    return verdict.alert_id.encode(), _encoder.encode(verdict), headers


def decode(value: bytes | None) -> Verdict:
    """The verdict that a Kafka message holds.

    Raises:
        BadMessage: if it is not JSON of this schema.
    """
    try:
        return _decoder.decode(value or b"")
    except UNREADABLE as exc:
        raise BadMessage(f"Not a verdict: {exc}") from exc
