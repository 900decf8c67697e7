"""What the API takes and gives, as types: they check requests, write answers, and become OpenAPI."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request

from streams.messages.alert import AlertState, RuleName, Severity
from streams.messages.camera_truth import CameraState
from streams.messages.emotion_event import Emotion
from streams.messages.face_points import FacePoints
from streams.messages.frame_message import CAMERA_ID
from streams.messages.landmarks_message import CameraId, CameraRun
from streams.messages.verdict import AlertId, Note, PersonName, Verdict, VerdictWord
from streams.store.subject_state import Subject
from workers.access.viewers import Role, Viewer
from workers.live_feed.activity_book import CameraActivity
from workers.live_feed.review_book import ReviewedAlert
from workers.truth.state_spans import StateSpan

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Cursor = Annotated[str, msgspec.Meta(max_length=200, description="`next` of the answer before")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
GroupName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
StreamKind = Literal["emotions", "points", "cameras", "alerts", "verdicts"]
Base64 = Annotated[str, msgspec.Meta(description="K×3 little-endian float16, unit: inter-ocular distance")]

T = TypeVar("T")


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class OfCameras(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which cameras; all that one may see without these."""

    camera: list[CameraId] = []
    group: list[GroupName] = []


class CoverageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    days: (
        Annotated[int, msgspec.Meta(ge=1, le=365, description="today and those before; else all")] | None
    ) = None


class PictureQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    faces: Annotated[
        Literal["hidden", "shown"], msgspec.Meta(description="shown: for who may, and logged")
    ] = "hidden"


class SpansQuery(OfCameras, frozen=True, forbid_unknown_fields=True, kw_only=True):
    since: Annotated[Moment | None, msgspec.Meta(description="an hour ago without it")] = None
    until: Moment | None = None


class ActivityQuery(SpansQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    bucket_s: Annotated[int, msgspec.Meta(ge=2, le=600, multiple_of=2)] = 20
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="cameras")] = 50
    cursor: Annotated[str, msgspec.Meta(max_length=100)] = ""


class StreamQuery(OfCameras, frozen=True, forbid_unknown_fields=True, kw_only=True):
    kinds: Annotated[list[StreamKind], msgspec.Meta(description="all but points without it")] = []
    emotion: list[Emotion] = []
    min_confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    last_event_id: Annotated[str, msgspec.Meta(max_length=16_384)] = ""
    stream_token: Annotated[str, msgspec.Meta(max_length=400)] = ""


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    since: Annotated[Moment | None, msgspec.Meta(description="a minute ago without it")] = None
    until: Moment | None = None
    points: bool = False
    limit: Limit = 100
    cursor: Annotated[str, msgspec.Meta(pattern="^[0-9]{0,18}$")] = ""


class AlertsQuery(OfCameras, frozen=True, forbid_unknown_fields=True, kw_only=True):
    rule: list[RuleName] = []
    severity: list[Severity] = []
    state: AlertState | None = None
    emotion: list[Emotion] = []
    verdict: Literal["confirmed", "rejected", "unsure", "none"] | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Limit = 50
    cursor: Cursor = ""


class EvidenceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    before_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 2.0
    after_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0


class VerdictsQuery(OfCameras, frozen=True, forbid_unknown_fields=True, kw_only=True):
    alert: AlertId | None = None
    by: PersonName | None = None
    rule: list[RuleName] = []
    limit: Limit = 50
    cursor: Cursor = ""


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class NewVerdicts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One word on some alerts."""

    alert_ids: Annotated[list[AlertId], msgspec.Meta(min_length=1, max_length=500)]
    verdict: VerdictWord
    note: Note = ""


class Problem(msgspec.Struct, frozen=True):
    """Why there is no answer (RFC 9457)."""

    title: str
    status: int
    detail: str


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list."""

    items: list[T]
    next: str | None = None


class Me(msgspec.Struct, frozen=True):
    name: str
    role: Role
    groups: list[str]
    cameras: Annotated[list[str], msgspec.Meta(description="patterns; an admin sees all")]
    all_groups: Annotated[list[str], msgspec.Meta(description="with a camera that one may see")]
    signed_in: Annotated[bool, msgspec.Meta(description="false where nobody has to sign in")]
    pictures: Annotated[bool, msgspec.Meta(description="whether pictures of cameras are to be had")]
    may_show_faces: Annotated[bool, msgspec.Meta(description="whether one may see faces in them")]


class StreamToken(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime


class JpegPicture:
    """Stands for an answer that is a JPEG, or nothing yet (204)."""


class LandmarkSetView(msgspec.Struct, frozen=True):
    """The points that events and `points` speak of, in their order."""

    landmark_set: str
    indices: Annotated[list[int], msgspec.Meta(description="MediaPipe's numbers")]
    regions: list[str]
    edges: Annotated[list[list[int]], msgspec.Meta(description="pairs of places in the set")]
    canonical: Annotated[Base64, msgspec.Meta(description="a face at rest")]


class CameraView(msgspec.Struct, frozen=True):
    """A camera now."""

    camera_id: CameraId
    groups: list[str]
    state: CameraState | Literal["unknown"]
    since: datetime | None
    run: CameraRun
    measures: dict[str, float]
    truth_age_s: Annotated[float | None, msgspec.Meta(description="since it told its state last")]
    event_age_s: Annotated[float | None, msgspec.Meta(description="since Kafka got an emotion event of it")]
    subjects: Annotated[int | None, msgspec.Meta(description="null while Redis is away")]
    alerts_firing: int


class ActivityView(msgspec.Struct, frozen=True):
    """A part of the cameras, with what their faces showed when."""

    items: list[CameraActivity]
    counted_since: Annotated[
        datetime, msgspec.Meta(description="of what was before, some may be missing, or all")
    ]
    next: str | None


class NeutralFaceView(msgspec.Struct, frozen=True):
    landmark_set: str
    points: Base64
    weight_s: Annotated[float, msgspec.Meta(description="of a calm face, seen for so long")]
    readings: int


class SubjectView(msgspec.Struct, frozen=True):
    subject: Subject
    baseline: Annotated[
        Literal["subject", "population"], msgspec.Meta(description="what its last event was compared with")
    ]
    neutral: NeutralFaceView | None


class HistoryView(msgspec.Struct, frozen=True):
    """A part of a subject's past."""

    items: Annotated[list[msgspec.Raw], msgspec.Meta(description="emotion events as they are on Kafka")]
    points: list[FacePoints]
    next: str | None


class Given(msgspec.Struct, frozen=True):
    items: list[Verdict]


class Asked(NamedTuple):
    """A request that was checked."""

    who: Viewer
    path: dict[str, str]
    query: Any
    body: Any
    request: Request


PATH_PATTERNS: Final = {
    "camera_id": CAMERA_ID,
    "subject_id": re.compile(r"[A-Za-z0-9._:-]{1,80}"),
    "alert_id": re.compile(r"[A-Za-z0-9-]{1,64}"),
}
"""What may stand in a path for each of its names."""


class Route(NamedTuple):
    """One method of one path."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """Below `/api/v1`."""
    summary: str
    handler: Callable[[Any, Asked], Awaitable[Any]]
    """Takes the `Live` and what was asked."""
    reply: Any
    """The type of its answer; None for one without content."""
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    role: Role = "viewer"
    status: int = 200
    public: bool = False
    """Whether nobody has to be signed in."""
    logs_itself: bool = False
    """Whether its handler writes down who looked: it is asked too often for a line each."""


AlertPage = Page[ReviewedAlert]
VerdictPage = Page[Verdict]
CameraPage = Page[CameraView]
SpanPage = Page[StateSpan]
SubjectPage = Page[Subject]
