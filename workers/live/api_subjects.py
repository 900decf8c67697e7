"""The API's answers about subjects: now, in the past, and with which points faces are drawn."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np

from models.emotion import wireframe
from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import LandmarkSet
from streams.store.neutral_face_store import NeutralFace
from streams.store.subject_state import Subject
from workers.live.api_types import (
    Asked,
    HistoryQuery,
    HistoryView,
    LandmarkSetView,
    NeutralFaceView,
    OfCameras,
    Page,
    Route,
    SubjectPage,
    SubjectView,
)
from workers.live.asked_cameras import chosen
from workers.live.live_context import Live, refused
from workers.live_feed.topic_history import epoch_ms

HISTORY_S: Final = 60.0


async def landmark_set(_live: Live, _asked: Asked) -> LandmarkSetView:
    return _shipped_set()


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
    Route(
        "GET",
        "/landmark-set",
        "The points of a face, and the lines between them",
        landmark_set,
        LandmarkSetView,
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
)
