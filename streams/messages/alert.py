"""An alert on ``mien.alerts``: key = rule and subject or camera, CloudEvents 1.0 in Kafka's binary mode.

The event's data is the JSON of :class:`Alert`. An alert comes twice under one ``alert_id``: when it begins
to fire and when it is resolved. ``ce_id`` is made from the id and the state, so it tells a message that Kafka
has twice.
"""

import uuid
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec

from streams.errors import BadMessage
from streams.messages.emotion_event import Emotion
from streams.messages.frame_message import Headers
from streams.messages.landmarks_message import CameraId, SubjectId
from streams.messages.unreadable import UNREADABLE
from streams.telemetry import trace_context

CE_TYPE = "mien.alert.v1"

# Fixed for ever: the same rule, subject and beginning must give the same id on every machine.
_NAMESPACE = uuid.UUID("6d69656e-0000-5000-8000-616c65727473")

Severity = Literal["info", "warning", "critical"]
AlertState = Literal["firing", "resolved"]
RuleName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


class AlertEvidence(msgspec.Struct, frozen=True):
    """What speaks for an alert."""

    events: Annotated[
        list[str], msgspec.Meta(description="ids of contributing emotion events, spread over all of them")
    ]
    peak: float
    mean: Annotated[float, msgspec.Meta(description="over the time in which the condition held")]
    emotion: Annotated[Emotion | None, msgspec.Meta(description="that the strongest event names")]
    baseline: Literal["subject", "population"]
    regions: Annotated[dict[str, float], msgspec.Meta(description="of the strongest event, as all below")]
    actions: list[str]
    text: str
    camera: Annotated[
        str, msgspec.Meta(description="what is known of the camera's truth: ok, unknown, frozen …")
    ]
    subjects: Annotated[
        list[str], msgspec.Meta(description="who was counted, of a rule for several faces")
    ] = []


class Alert(msgspec.Struct, frozen=True):
    """A rule's condition that held for as long as the rule asks, or that is over."""

    alert_id: Annotated[str, msgspec.Meta(description="uuid5 of rule, subject or camera, and started_at")]
    rule: RuleName
    severity: Severity
    state: AlertState
    camera_id: CameraId
    subject_id: Annotated[
        SubjectId | None, msgspec.Meta(description="null for a rule that asks for several faces")
    ]
    started_at: Annotated[datetime, msgspec.Meta(tz=True, description="when the condition began to hold")]
    at: Annotated[datetime, msgspec.Meta(tz=True, description="when it began to fire, or was resolved")]
    summary: str
    value: Annotated[float, msgspec.Meta(description="the mean over the time in which the condition held")]
    threshold: float
    labels: dict[str, str]
    evidence: AlertEvidence


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)


def alert_id(rule: str, who: str, started_at_us: int) -> str:
    """The same id whenever and wherever the same events are worked on: a uuid5 (RFC 9562)."""
    return str(uuid.uuid5(_NAMESPACE, f"{rule}\n{who}\n{started_at_us}"))


def message_id(alert: Alert) -> str:
    """What ``ce_id`` holds: another one for firing than for resolved."""
    return str(uuid.uuid5(_NAMESPACE, f"{alert.alert_id}\n{alert.state}"))


def encode(alert: Alert, traceparent: str = "") -> tuple[bytes, bytes, Headers]:
    """Key, value and headers for Kafka; with the context of the event that decided it, if one did."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", message_id(alert).encode()),
        ("ce_source", f"/rules/{quote(alert.rule)}".encode()),
        ("ce_type", CE_TYPE.encode()),
        ("ce_time", alert.at.isoformat().replace("+00:00", "Z").encode()),
        ("ce_subject", (alert.subject_id or alert.camera_id).encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent:
        headers.append((trace_context.CE_HEADER, traceparent.encode()))
    key = f"{alert.rule}/{alert.subject_id or alert.camera_id}"
    return key.encode(), _encoder.encode(alert), headers


def decode(value: bytes | None) -> Alert:
    """The alert that a Kafka message holds.

    Raises:
        BadMessage: if it is not JSON of this schema.
    """
    try:
        return _decoder.decode(value or b"")
    except UNREADABLE as exc:
        raise BadMessage(f"Not an alert: {exc}") from exc
