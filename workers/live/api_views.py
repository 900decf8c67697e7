"""The API's answers about cameras, subjects and the stream of events; and of who asks."""

import base64
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import msgspec
import numpy as np
from starlette.responses import Response

from models.emotion import wireframe
from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import LandmarkSet
from streams.errors import ServiceUnavailable
from streams.messages.camera_truth import SILENT_S
from streams.messages.emotion_event import time_of
from streams.messages.landmarks_message import CameraId
from streams.store.neutral_face_store import NeutralFace
from streams.store.subject_state import Subject
from workers.access.signed_tokens import STREAM_S
from workers.access.viewers import Viewer, matches
from workers.coverage import coverage_report
from workers.coverage.coverage_advice import View
from workers.coverage.coverage_report import Coverage
from workers.live import front_door, server_sent_events
from workers.live.api_types import (
    Asked,
    CameraPage,
    CameraView,
    CoverageQuery,
    HistoryQuery,
    HistoryView,
    LandmarkSetView,
    Me,
    NeutralFaceView,
    OfCameras,
    Page,
    Route,
    SignIn,
    SpanPage,
    SpansQuery,
    StreamQuery,
    StreamToken,
    SubjectPage,
    SubjectView,
)
from workers.live.event_stream import EventStream, StreamChoice, Waiting
from workers.live.live_context import Live, refused
from workers.live.live_feed import Kind
from workers.truth.state_spans import StateSpan

HISTORY_S: Final = 60.0
SPANS_S: Final = 3600.0
ALL_BUT_POINTS: Final[tuple[Kind, ...]] = ("emotions", "cameras", "alerts", "verdicts")


async def me(live: Live, asked: Asked) -> Me:
    who, access = asked.who, live.access.current()
    seen = {
        name for camera in known_cameras(live) if who.may_see(camera) for name in access.groups_of(camera)
    }
    groups = sorted(seen | set(who.groups))
    return Me(who.name, who.role, list(who.groups), list(who.patterns), groups, not live.access.is_open)


async def sign_in(live: Live, asked: Asked) -> Response:
    viewer, value = front_door.sign_in(live, asked.request, asked.body.token)
    answer = Response(
        msgspec.json.encode(await me(live, asked._replace(who=viewer))), media_type="application/json"
    )
    if value:
        front_door.set_cookie(live, asked.request, answer, value)
    return answer


async def sign_out(live: Live, asked: Asked) -> Response:
    front_door.refuse_other_sites(asked.request)
    answer = Response(status_code=204)
    front_door.set_cookie(live, asked.request, answer, "")
    return answer


async def stream_token(live: Live, asked: Asked) -> StreamToken:
    expires_s = int(time.time()) + STREAM_S
    return StreamToken(live.signer.sign("stream", asked.who, expires_s), time_of(expires_s * 1_000_000))


async def landmark_set(_live: Live, _asked: Asked) -> LandmarkSetView:
    return _shipped_set()


async def cameras(live: Live, asked: Asked) -> Page[CameraView]:
    now_s = time.time()
    try:
        subjects: Counter[str] | None = Counter(subject.camera_id for subject in await live.subjects())
    except ServiceUnavailable:
        subjects = None  # all else is known without Redis
    firing = Counter(alert.camera_id for alert in live.book.firing())
    events_s = live.feed.last_event_s()
    wanted = chosen(live, asked.who, asked.query)
    known = known_cameras(live) | (subjects.keys() if subjects is not None else set())
    return Page(
        [
            _camera(live, camera, now_s, events_s.get(camera), subjects, firing[camera])
            for camera in sorted(filter(wanted, known))
        ]
    )


async def coverage(live: Live, asked: Asked) -> Coverage:
    camera_id: str = asked.path["camera_id"]
    days = asked.query.days or live.settings.coverage_days
    counts = await live.coverage.read(camera_id, days) if asked.who.may_see(camera_id) else None
    if counts is None or not counts.faces:
        raise refused(404, "There is no such camera with faces counted, or it is not yours to see.")
    return coverage_report.coverage(
        camera_id, days, counts, View(live.settings.min_inter_ocular_px, counts.picture)
    )


async def camera_states(live: Live, asked: Asked) -> Page[StateSpan]:
    query: SpansQuery = asked.query
    now = datetime.now(UTC)
    until = query.until or now
    since = query.since or until - timedelta(seconds=SPANS_S)
    wanted = chosen(live, asked.who, query)
    return Page(
        [
            span
            for camera in sorted(filter(wanted, live.reader.spans))
            for span in live.reader.spans[camera].between(since, until, now)
        ]
    )


async def subjects(live: Live, asked: Asked) -> Page[Subject]:
    wanted = chosen(live, asked.who, asked.query)
    return Page([subject for subject in await live.subjects() if wanted(subject.camera_id)])


async def subject(live: Live, asked: Asked) -> SubjectView:
    found = [one for one in await live.subjects() if one.subject_id == asked.path["subject_id"]]
    if not found or not asked.who.may_see(found[0].camera_id):
        raise refused(404, "There is no such subject, or it is not yours to see.")
    face = await live.neutral_faces.look(found[0].subject_id)
    return SubjectView(found[0], found[0].last_explanation.baseline, _neutral(face) if face else None)


async def subject_events(live: Live, asked: Asked) -> HistoryView:
    """Also of a subject that Redis has forgotten: its id begins with its camera's."""
    subject_id, query = asked.path["subject_id"], asked.query
    camera_id = subject_id.partition(":")[0]
    if not asked.who.may_see(camera_id):
        raise refused(404, "There is no such subject, or it is not yours to see.")
    until = query.until or datetime.now(UTC)
    since = query.since or until - timedelta(seconds=HISTORY_S)
    found = await live.history.of_subject(
        subject_id,
        camera_id,
        since_ms=epoch_ms(since),
        until_ms=epoch_ms(until),
        offset=int(query.cursor) if query.cursor else None,
        limit=query.limit,
        points=query.points,
    )
    following = None if found.next_offset is None else str(found.next_offset)
    return HistoryView(found.events, found.points, following)


async def events(live: Live, asked: Asked) -> EventStream:
    query: StreamQuery = asked.query
    if len(live.streams) >= live.settings.live_clients_max:
        raise refused(
            429, f"{len(live.streams)} streams are open already (MIEN_LIVE_CLIENTS_MAX).", retry_after="5"
        )
    came_from = asked.request.headers.get("last-event-id") or query.last_event_id
    choice = StreamChoice(
        frozenset(query.kinds or ALL_BUT_POINTS),
        cache(chosen(live, asked.who, query)),
        frozenset(query.emotion),
        query.min_confidence,
    )
    waiting = Waiting(live.feed, choice, live.settings.live_client_events_per_s)
    if came_from:
        try:
            waiting.resume(server_sent_events.read_cursor(came_from))
        except ValueError as exc:
            raise refused(400, f"Last-Event-ID: {exc}.") from exc

    def goes_on() -> bool:
        return not live.stopping and live.access.current().viewers.get(asked.who.name) == asked.who

    return EventStream(waiting, goes_on, live.streams)


def chosen(live: Live, who: Viewer, query: OfCameras) -> Callable[[str], bool]:
    """Whether a camera is one that was asked for, and that may be seen."""
    groups = live.access.current().groups

    def wanted(camera_id: str) -> bool:
        of_group = any(matches(groups.get(name, ()), camera_id) for name in query.group)
        named = not (query.camera or query.group) or camera_id in query.camera or of_group
        return named and who.may_see(camera_id)

    return wanted


def known_cameras(live: Live) -> set[CameraId]:
    return live.reader.truths.keys() | live.feed.last_event_s().keys()


def epoch_ms(moment: datetime) -> int:
    """ms since the epoch; 0 for all that was before."""
    return max(0, round(moment.timestamp() * 1000))


def _camera(
    live: Live,
    camera_id: str,
    now_s: float,
    event_s: float | None,
    subjects: Counter[str] | None,
    alerts_firing: int,
) -> CameraView:
    truth = live.reader.truths.get(camera_id)
    age_s = max(0.0, now_s - truth.at.timestamp()) if truth else None
    silent = age_s is not None and age_s > SILENT_S
    return CameraView(
        camera_id=camera_id,
        groups=live.access.current().groups_of(camera_id),
        state="unknown" if truth is None else "lost" if silent else truth.state,
        since=truth.since if truth else None,
        run=truth.run if truth else 0,
        measures=truth.measures if truth else {},
        truth_age_s=_rounded(age_s),
        event_age_s=_rounded(None if event_s is None else max(0.0, now_s - event_s)),
        subjects=None if subjects is None else subjects[camera_id],
        alerts_firing=alerts_firing,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _neutral(face: NeutralFace) -> NeutralFaceView:
    points = np.frombuffer(face.points, dtype="<f4")
    return NeutralFaceView(face.landmark_set, _base64(points), round(face.weight, 3), face.readings)


def _base64(points: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> str:
    return base64.b64encode(points.astype("<f2").tobytes()).decode()


@cache
def _shipped_set() -> LandmarkSetView:
    chosen_points = LandmarkSet.load()
    face = CANONICAL[chosen_points.indices]
    regions: Sequence[str] = [REGION[index] for index in chosen_points.indices]
    return LandmarkSetView(
        chosen_points.id,
        chosen_points.indices.tolist(),
        list(regions),
        [list(edge) for edge in wireframe.edges(face)],
        _base64(face),
    )


ROUTES: Final = (
    Route("GET", "/me", "Who you are, and what you may see", me, Me),
    Route("POST", "/session", "Sign in: sets a cookie", sign_in, Me, body=SignIn, public=True),
    Route("DELETE", "/session", "Sign out", sign_out, None, status=204, public=True),
    Route(
        "POST",
        "/stream-token",
        "A token with which a stream can be opened, for a minute",
        stream_token,
        StreamToken,
    ),
    Route(
        "GET",
        "/landmark-set",
        "The points of a face, and the lines between them",
        landmark_set,
        LandmarkSetView,
    ),
    Route("GET", "/cameras", "Cameras, and what is true of them", cameras, CameraPage, query=OfCameras),
    Route(
        "GET",
        "/camera-states",
        "What was true of cameras over time",
        camera_states,
        SpanPage,
        query=SpansQuery,
    ),
    Route(
        "GET",
        "/cameras/{camera_id}/coverage",
        "Where in a camera's picture faces can be read, and what would help",
        coverage,
        Coverage,
        query=CoverageQuery,
    ),
    Route("GET", "/subjects", "Subjects in view", subjects, SubjectPage, query=OfCameras),
    Route("GET", "/subjects/{subject_id}", "One subject, with its own neutral face", subject, SubjectView),
    Route(
        "GET",
        "/subjects/{subject_id}/events",
        "What Kafka still holds of a subject",
        subject_events,
        HistoryView,
        query=HistoryQuery,
    ),
    Route(
        "GET", "/events", "The stream of events (Server-Sent Events)", events, EventStream, query=StreamQuery
    ),
)
