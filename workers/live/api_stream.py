"""The API's stream of events."""

from functools import cache
from typing import Final

from workers.live.api_types import (
    Asked,
    Route,
    StreamQuery,
)
from workers.live.asked_cameras import chosen
from workers.live.live_context import Live, refused
from workers.live_feed import server_sent_events
from workers.live_feed.event_stream import EventStream, StreamChoice, Waiting
from workers.live_feed.live_feed import Kind

ALL_BUT_POINTS: Final[tuple[Kind, ...]] = ("emotions", "cameras", "alerts", "verdicts")


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


ROUTES: Final = (
    Route(
        "GET", "/events", "The stream of events (Server-Sent Events)", events, EventStream, query=StreamQuery
    ),
)
