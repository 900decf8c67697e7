"""The API's answers about alerts: what they say, what people say of them, and how often they are right."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka.errors import KafkaError

from streams import broker, metrics
from streams.messages import verdict as verdict_message
from streams.messages.verdict import Verdict
from workers.live.api_types import (
    AlertPage,
    AlertsQuery,
    Asked,
    EvidenceQuery,
    Given,
    HistoryView,
    NewVerdicts,
    OfCameras,
    Page,
    Route,
    VerdictPage,
    VerdictsQuery,
)
from workers.live.asked_cameras import chosen
from workers.live.live_context import Live, refused
from workers.live_feed.alert_precision import Precision, precision
from workers.live_feed.review_book import ReviewedAlert, alert_place, filled, verdict_place
from workers.live_feed.topic_history import epoch_ms

EVIDENCE_MAX: Final = 1_000
EVIDENCE_MAX_S: Final = 7.0
"""It comes in one part, so that it gets longer than a part of a subject's past."""
"""Events of one alert."""
_CURSOR: Final = re.compile(r"(?P<at_us>[0-9]{1,18})/(?P<id>[\x21-\x7e ]{1,140})")


async def alerts(live: Live, asked: Asked) -> Page[ReviewedAlert]:
    query: AlertsQuery = asked.query
    of_camera = chosen(live, asked.who, query)

    def wanted(reviewed: ReviewedAlert) -> bool:
        alert = reviewed.alert
        return (
            of_camera(alert.camera_id)
            and (not query.rule or alert.rule in query.rule)
            and (not query.severity or alert.severity in query.severity)
            and (query.state is None or alert.state == query.state)
            and (not query.emotion or alert.evidence.emotion in query.emotion)
            and (query.verdict is None or (reviewed.verdict or "none") == query.verdict)
            and (query.since is None or alert.at >= query.since)
            and (query.until is None or alert.started_at <= query.until)
        )

    found = live.book.alerts(wanted, before=_before(query.cursor), limit=query.limit + 1)
    more = len(found) > query.limit
    page = found[: query.limit]
    return Page(page, _cursor(*alert_place(page[-1].alert)) if more else None)


async def alert(live: Live, asked: Asked) -> ReviewedAlert:
    """As it was until now: who asks looks at it, and is among those who did from the next answer on."""
    found = live.book.alert(asked.path["alert_id"])
    if found is None or not asked.who.may_see(found.alert.camera_id):
        raise refused(404, "There is no such alert, or it is not yours to see.")
    live.book.take_opened(found.alert.alert_id, asked.who.name, datetime.now(UTC))
    return found


async def evidence(live: Live, asked: Asked) -> HistoryView:
    query: EvidenceQuery = asked.query
    told = (await alert(live, asked)).alert
    if told.subject_id is None:  # of several faces: each has a past of its own
        raise refused(404, "This alert is of several faces: its evidence names them as `subjects`.")
    found = await live.history.of_subject(
        told.subject_id,
        told.camera_id,
        since_ms=epoch_ms(told.started_at - timedelta(seconds=query.before_s)),
        until_ms=epoch_ms(told.at + timedelta(seconds=query.after_s)),
        offset=None,
        limit=EVIDENCE_MAX,
        points=True,
        part_max_s=EVIDENCE_MAX_S,
    )
    return HistoryView(found.events, found.points, None)


async def verdicts(live: Live, asked: Asked) -> Page[Verdict]:
    query: VerdictsQuery = asked.query
    of_camera = chosen(live, asked.who, query)

    def wanted(verdict: Verdict) -> bool:
        camera_id = live.book.camera_of(verdict)
        return (
            (of_camera(camera_id) if camera_id else asked.who.role == "admin")
            and (query.alert is None or verdict.alert_id == query.alert)
            and (query.by is None or verdict.by == query.by)
            and (not query.rule or verdict.rule in query.rule)
        )

    found = live.book.verdicts(wanted, before=_before(query.cursor), limit=query.limit + 1)
    more = len(found) > query.limit
    page = found[: query.limit]
    return Page(page, _cursor(*verdict_place(page[-1])) if more else None)


async def give_verdicts(live: Live, asked: Asked) -> Given:
    """All of them or none is looked up; Kafka has each of them before this answers."""
    said: NewVerdicts = asked.body
    now = datetime.now(UTC)
    given = []
    for alert_id in dict.fromkeys(said.alert_ids):
        found = live.book.alert(alert_id)
        if found is None or not asked.who.may_see(found.alert.camera_id):
            raise refused(
                404, f"There is no alert {alert_id}, or it is not yours to see. No verdict was taken."
            )
        given.append(filled(Verdict(alert_id, said.verdict, asked.who.name, now, said.note), found.alert))
    topic = live.settings.topics.verdicts.name
    try:
        deliveries = []
        for verdict in given:
            key, value, headers = verdict_message.encode(verdict)
            deliveries.append(await live.producer.send(topic, value, key=key, headers=headers))
        await asyncio.gather(*deliveries)
    except KafkaError as exc:
        raise broker.unavailable(live.settings, exc) from exc
    for verdict in given:
        live.book.take_verdict(verdict)  # whoever looks next sees it, before it comes back from Kafka
    metrics.verdicts_total.labels(said.verdict).inc(len(given))
    live.reader.tell_reviews()
    return Given(given)


async def how_precise(live: Live, asked: Asked) -> Precision:
    of_camera = chosen(live, asked.who, asked.query)
    return precision(
        [
            said
            for said in live.book.by_alert()
            if (camera := live.book.camera_of(said[0])) is not None and of_camera(camera)
        ]
    )


def _cursor(at_us: int, name: str) -> str:
    return f"{at_us}/{name}"


def _before(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    found = _CURSOR.fullmatch(cursor)
    if not found:
        raise refused(400, "cursor: not one that this server gives.")
    return int(found["at_us"]), found["id"]


ROUTES: Final = (
    Route("GET", "/alerts", "Alerts, the newest first", alerts, AlertPage, query=AlertsQuery),
    Route("GET", "/alerts/{alert_id}", "One alert", alert, ReviewedAlert),
    Route(
        "GET",
        "/alerts/{alert_id}/evidence",
        "The events and points around an alert, to be played again",
        evidence,
        HistoryView,
        query=EvidenceQuery,
    ),
    Route(
        "GET",
        "/verdicts",
        "What people said of alerts, the newest first",
        verdicts,
        VerdictPage,
        query=VerdictsQuery,
    ),
    Route(
        "POST",
        "/verdicts",
        "Say one word on some alerts",
        give_verdicts,
        Given,
        body=NewVerdicts,
        role="reviewer",
        status=201,
    ),
    Route("GET", "/precision", "How often alerts are right", how_precise, Precision, query=OfCameras),
)
