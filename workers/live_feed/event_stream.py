"""One client's stream of events: what it chose and may see, at a bounded rate, without waiting for it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final, NamedTuple

import msgspec
from starlette.types import Receive, Scope, Send

from streams import metrics
from workers.live_feed import server_sent_events
from workers.live_feed.live_feed import Kind, LiveFeed, Record

TICK_S: Final = 0.1
"""So often a client is sent what came: the page draws no faster than a few times that."""
HEARTBEAT_S: Final = 15.0
SEND_TIMEOUT_S: Final = 30.0
"""A client that takes nothing for so long is let go."""
WAITING_S: Final = 10.0
"""So many seconds' worth may wait for a slow client."""
MAY_BE_SKIPPED: Final[frozenset[Kind]] = frozenset(("emotions", "points"))


class StreamChoice(NamedTuple):
    """What a client wants of what it may see."""

    kinds: frozenset[Kind]
    of_camera: Callable[[str], bool]
    """Whether it wants, and may see, a camera."""
    emotions: frozenset[str] = frozenset()
    """Any, where it is empty."""
    min_confidence: float = 0.0

    def wants(self, record: Record) -> bool:
        """Whether a record is for this client, of a camera that is."""
        if record.kind not in self.kinds:
            return False
        if record.kind != "emotions":
            return True
        return (not self.emotions or record.emotion in self.emotions) and (
            record.confidence >= self.min_confidence
        )


class Waiting:
    """What waits for one client: taken from the feed, and given out at a bounded rate."""

    def __init__(self, feed: LiveFeed, choice: StreamChoice, rate_per_s: int) -> None:
        self._feed = feed
        self._choice = choice
        self._batch_max = max(1, round(rate_per_s * TICK_S))
        self._waiting_max = round(rate_per_s * WAITING_S)
        self._records: deque[Record] = deque()
        self._seen = feed.now()
        self._skipped = 0

    def resume(self, positions: server_sent_events.Positions) -> None:
        """Begins where the client was, instead of now."""
        records, lost = self._feed.since(positions, self._choice.of_camera)
        self._records.extend(record for record in records if self._choice.wants(record))
        self._skipped += lost

    def next_batch(self) -> bytes:
        """What is to be sent now, and behind it where the client is, if nothing waits any more."""
        new, lost = self._feed.take(self._seen, self._choice.of_camera)
        self._records.extend(record for record in new if self._choice.wants(record))
        self._skipped += lost
        self._skip(len(self._records) - self._waiting_max)
        batch = [self._records.popleft().sse for _ in range(min(self._batch_max, len(self._records)))]
        metrics.live_events_total.labels("sent").inc(len(batch))
        if self._skipped:
            metrics.live_events_total.labels("skipped").inc(self._skipped)
            gap = msgspec.json.encode({"skipped": self._skipped})
            batch.insert(0, server_sent_events.event("gap", gap))
            self._skipped = 0
        if batch and not self._records:
            batch.append(self.position())
        return b"".join(batch)

    def position(self) -> bytes:
        """Where the client is, when it has been sent all."""
        if self._records:
            return b""
        chosen = {at: to for at, to in self._feed.positions.items() if at[0] in self._choice.kinds}
        return server_sent_events.position(chosen)

    def _skip(self, too_many: int) -> None:
        """Leaves the oldest out, of what may be left out."""
        if too_many <= 0:
            return
        kept: deque[Record] = deque()
        for record in self._records:
            if too_many > 0 and record.kind in MAY_BE_SKIPPED:
                too_many -= 1
                self._skipped += 1
            else:
                kept.append(record)
        self._records = kept


class EventStream:
    """The ASGI application of one stream. Ends when the client goes, or `goes_on` says no."""

    def __init__(self, waiting: Waiting, goes_on: Callable[[], bool], streams: set[object]) -> None:
        """While it is open it is one of the ``streams``."""
        self._waiting = waiting
        self._goes_on = goes_on
        self._streams = streams

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.add(self)
        metrics.live_clients.set(len(self._streams))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send(_START)
                await send(_part(server_sent_events.RETRY + self._waiting.position()))
            await self._send_all(send, gone)
            if not gone.done():
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            pass  # it is let go; it may come back, and says where it was
        finally:
            gone.cancel()
            self._streams.discard(self)
            metrics.live_clients.set(len(self._streams))

    async def _send_all(self, send: Send, gone: "asyncio.Future[None]") -> None:
        sent_s = time.monotonic()
        while self._goes_on() and not gone.done():
            part = self._waiting.next_batch()
            if not part and time.monotonic() - sent_s >= HEARTBEAT_S:
                part = server_sent_events.HEARTBEAT + self._waiting.position()
            if part:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send(_part(part))
                sent_s = time.monotonic()
            await asyncio.wait([gone], timeout=TICK_S)


_START: Final[MutableMapping[str, Any]] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # nginx would hold events back
    ],
}


def _part(body: bytes) -> MutableMapping[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
