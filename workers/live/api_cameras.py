"""The API's answers about cameras: what is true of them, and where they can read faces."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.errors import ServiceUnavailable
from streams.messages.camera_truth import SILENT_S
from workers.coverage import coverage_report
from workers.coverage.coverage_advice import View
from workers.coverage.coverage_report import Coverage
from workers.live.api_types import (
    Asked,
    CameraPage,
    CameraView,
    CoverageQuery,
    OfCameras,
    Page,
    Route,
    SpanPage,
    SpansQuery,
)
from workers.live.asked_cameras import chosen, known_cameras
from workers.live.live_context import Live, refused
from workers.truth.state_spans import StateSpan

SPANS_S: Final = 3600.0


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
    if counts is None or not (counts.faces or camera_id in known_cameras(live)):
        raise refused(404, "There is no such camera, or it is not yours to see.")
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


ROUTES: Final = (
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
)
