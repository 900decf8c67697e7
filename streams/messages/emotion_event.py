"""An emotion event on ``mien.emotions``: key = subject id, CloudEvents 1.0 in Kafka's binary mode.

The event's data is the JSON of :class:`EmotionEvent`; its context is in ``ce_…`` headers
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md).
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, get_args
from urllib.parse import quote

import msgspec

from streams.errors import BadMessage
from streams.messages.frame_message import MAX_TIME_US, Headers
from streams.messages.landmarks_message import (
    CameraId,
    CameraRun,
    FaceBox,
    FrameSeq,
    FrameSource,
    PictureSize,
    Pose,
    Quality,
    Still,
    SubjectId,
)
from streams.messages.unreadable import UNREADABLE
from streams.telemetry import trace_context

CE_TYPE = "mien.emotion.v1"

# Fixed for ever: the same frame and subject must give the same id on every machine.
_NAMESPACE = uuid.UUID("6d69656e-0000-5000-8000-656d6f74696f")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Emotion = Literal["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
Abstention = Literal["low-confidence", "small-face", "extreme-pose", "blurred", "partial-face"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Probabilities(msgspec.Struct, frozen=True):
    """How likely each emotion is; they sum to 1."""

    neutral: Share
    happiness: Share
    surprise: Share
    sadness: Share
    anger: Share
    disgust: Share
    fear: Share
    contempt: Share


class AttributedLandmark(msgspec.Struct, frozen=True):
    """One point of the face, and how much it spoke for the target."""

    index: Annotated[int, msgspec.Meta(ge=0, le=467, description="MediaPipe's number of the point")]
    region: str
    attribution: Annotated[float, msgspec.Meta(description="signed, in logits of the target")]


class FacialAction(msgspec.Struct, frozen=True):
    """A movement of the face in words, with its action unit (P. Ekman, W. Friesen, FACS)."""

    name: Annotated[str, msgspec.Meta(description='such as "lip corners pulled up"')]
    au: Annotated[int, msgspec.Meta(ge=1, description="the action unit's number in FACS")]
    strength: Annotated[float, msgspec.Meta(ge=0, description="about 1 for a distinct action")]
    share: Annotated[Share, msgspec.Meta(description="share of Σ |attribution|; they sum to 1 at most")]


class Explanation(msgspec.Struct, frozen=True):
    """Which points made the model say ``target``: Integrated Gradients from ``baseline`` to the face."""

    method: Literal["integrated-gradients"]
    target: Emotion
    baseline: Literal["subject", "population"]
    score_change: Annotated[float, msgspec.Meta(description="logit of the target: face minus baseline")]
    completeness_error: Annotated[float, msgspec.Meta(ge=0, description="|Σ attributions − score_change|")]
    landmarks: Annotated[list[AttributedLandmark], msgspec.Meta(description="the strongest, strongest first")]
    regions: Annotated[dict[str, Share], msgspec.Meta(description="share of Σ |attribution|; they sum to 1")]
    text: str
    attributions: Annotated[
        list[float],
        msgspec.Meta(description="of every point, in the landmark set's order; they sum to score_change"),
    ]
    actions: Annotated[
        list[FacialAction],
        msgspec.Meta(description="facial actions that carry the attribution, the greatest share first"),
    ] = []


class Model(msgspec.Struct, frozen=True):
    """The model that gave the answer."""

    name: str
    version: Annotated[str, msgspec.Meta(description="first 12 hex digits of the file's sha256")]
    landmark_set: str


class EmotionEvent(msgspec.Struct, frozen=True):
    """What one face shows in one frame. ``emotion`` is null exactly when ``abstained`` gives a reason."""

    event_id: Annotated[str, msgspec.Meta(description="uuid5 of camera, run, frame seq and subject")]
    camera_id: CameraId
    subject_id: SubjectId
    frame_seq: FrameSeq
    captured_at: Annotated[datetime, msgspec.Meta(tz=True)]
    face: FaceBox
    pose: Pose
    emotion: Emotion | None
    confidence: Share
    abstained: Abstention | None
    probabilities: Probabilities
    explanation: Explanation
    model: Model
    run: CameraRun = 0
    source: FrameSource = "live"
    still: Still = False
    quality: Quality | None = None
    picture: PictureSize | None = None

    def __post_init__(self) -> None:
        if (self.emotion is None) != (self.abstained is not None):
            raise ValueError("emotion must be null exactly when abstained gives a reason")
        if not 0 <= captured_at_us(self) <= MAX_TIME_US:  # RFC 3339 can say more than a frame's header
            raise ValueError("captured_at is before 1970 or after 9999")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(EmotionEvent)


def event_id(camera_id: str, run: int, frame_seq: int, subject_id: str) -> str:
    """The same id whenever and wherever the same frame and subject are worked on: a uuid5 (RFC 9562).

    Run 0 is not named in it, so that events of producers that know no runs keep their ids.
    """
    frame = f"{run}\n{frame_seq}" if run else str(frame_seq)
    return str(uuid.uuid5(_NAMESPACE, f"{camera_id}\n{frame}\n{subject_id}"))


def time_of(captured_at_us: int) -> datetime:
    """µs since the epoch → aware UTC datetime, exact to the µs."""
    return _EPOCH + timedelta(microseconds=captured_at_us)


def captured_at_us(event: EmotionEvent) -> int:
    """µs since the epoch, exact."""
    return (event.captured_at - _EPOCH) // timedelta(microseconds=1)


def encode(event: EmotionEvent, traceparent: str = "") -> tuple[bytes, bytes, Headers]:
    """Key, value and headers for Kafka."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_source", f"/cameras/{quote(event.camera_id)}".encode()),
        ("ce_type", CE_TYPE.encode()),
        ("ce_time", event.captured_at.isoformat().replace("+00:00", "Z").encode()),
        ("ce_subject", event.subject_id.encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent:
        headers.append((trace_context.CE_HEADER, traceparent.encode()))
    return event.subject_id.encode(), _encoder.encode(event), headers


def decode(value: bytes | None) -> EmotionEvent:
    """The event that a Kafka message holds.

    Raises:
        BadMessage: if it is not JSON of this schema.
    """
    try:
        return _decoder.decode(value or b"")
    except UNREADABLE as exc:
        raise BadMessage(f"Not an emotion event: {exc}") from exc
