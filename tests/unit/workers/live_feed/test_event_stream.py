"""What one client is sent: its choice, at its pace, and a count of what was left out."""

import asyncio
from typing import Any

import pytest

from workers.live_feed import event_stream, server_sent_events
from workers.live_feed.event_stream import EventStream, StreamChoice, Waiting
from workers.live_feed.live_feed import Kind, LiveFeed, Record

KINDS: frozenset[Kind] = frozenset(("emotions", "points", "cameras", "alerts"))


def everything(_camera: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (StreamChoice(KINDS, everything), {"fear", "unsure", "sure", "points", "alert"}),
        (StreamChoice(frozenset(("alerts",)), everything), {"alert"}),
        (StreamChoice(KINDS, everything, frozenset(("fear",))), {"fear", "points", "alert"}),
        (StreamChoice(KINDS, everything, frozenset(), 0.8), {"sure", "points", "alert"}),
        (StreamChoice(KINDS, everything, frozenset(("fear",)), 0.8), {"points", "alert"}),
    ],
    ids=["all", "kinds", "emotion", "confidence", "both"],
)
def test_what_is_wanted(choice: StreamChoice, wanted: set[str]) -> None:
    records = {
        "fear": Record(1, "emotions", 0, 0, "a", 0, b"", "fear", 0.5),
        "unsure": Record(2, "emotions", 0, 0, "a", 0, b"", None, 0.4),
        "sure": Record(3, "emotions", 0, 0, "a", 0, b"", "happiness", 0.8),
        "points": Record(4, "points", 0, 0, "a", 0, b""),
        "alert": Record(5, "alerts", 0, 0, "a", 0, b""),
    }

    assert {name for name, record in records.items() if choice.wants(record)} == wanted


class Source:
    """Fills a feed."""

    def __init__(self, ring_bytes: int = 10**7) -> None:
        self.feed = LiveFeed(ring_bytes=ring_bytes, keep_s=1e9)
        self._offsets: dict[Kind, int] = {}

    def add(self, kind: Kind = "emotions", count: int = 1, camera: str = "a") -> None:
        for _ in range(count):
            offset = self._offsets.get(kind, 0)
            if not offset:
                self.feed.begin(kind, 0, 0)
            self._offsets[kind] = offset + 1
            sse = server_sent_events.event(kind, str(offset).encode())
            self.feed.add(kind, 0, offset, camera, sse, 0.0)

    def client(self, rate_per_s: int = 100, choice: StreamChoice | None = None) -> Waiting:
        return Waiting(self.feed, choice or StreamChoice(KINDS, everything), rate_per_s)


def sent(part: bytes) -> list[tuple[str, str]]:
    """(name, data) of each event, and (id, position)."""
    found, name = [], ""
    for line in part.decode().splitlines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            found.append((name, value))
        elif field == "id":
            found.append(("id", value))
    return found


def test_a_client_gets_what_comes_and_then_where_it_is() -> None:
    source = Source()
    source.add()
    client = source.client()
    assert client.next_batch() == b""
    source.add()

    assert sent(client.next_batch()) == [("emotions", "1"), ("id", "emotions:2")]
    assert client.next_batch() == b""


def test_no_more_than_its_rate_and_where_it_is_only_when_it_has_all() -> None:
    source = Source()
    client = source.client(rate_per_s=100)  # ten a tick
    source.add(count=25)

    batches = [sent(client.next_batch()) for _ in range(3)]
    assert [len(batch) for batch in batches] == [10, 10, 6]
    assert [name for name, _ in batches[-1]][-1] == "id"


def test_of_too_much_the_oldest_events_are_left_out_and_no_alert() -> None:
    source = Source()
    client = source.client(rate_per_s=10)  # one a tick, and 100 may wait
    source.add("alerts", 3)
    source.add("emotions", 200)
    told = [sent(client.next_batch()) for _ in range(110)]
    flat = [one for batch in told for one in batch]

    assert flat[0] == ("gap", '{"skipped":103}')
    assert [data for name, data in flat if name == "alerts"] == ["0", "1", "2"]
    assert [data for name, data in flat if name == "emotions"] == [str(n) for n in range(103, 200)]


def test_what_is_not_in_memory_any_more_is_a_gap() -> None:
    source = Source(ring_bytes=5 * (len(server_sent_events.event("emotions", b"0")) + 300))
    client = source.client()
    source.add(count=8)

    assert sent(client.next_batch())[0] == ("gap", '{"skipped":3}')


def test_it_goes_on_where_it_was() -> None:
    source = Source()
    source.add(count=5)
    client = source.client()
    client.resume({("emotions", 0): 3})
    source.add()

    assert sent(client.next_batch()) == [*[("emotions", str(n)) for n in (3, 4, 5)], ("id", "emotions:6")]


def test_its_position_speaks_of_what_it_chose_alone() -> None:
    source = Source()
    source.add("points")
    client = source.client(choice=StreamChoice(frozenset(("emotions",)), everything))
    source.add("emotions")

    assert sent(client.next_batch())[-1] == ("id", "emotions:1")


class Client:
    """An ASGI client."""

    def __init__(self, *, takes_nothing: bool = False) -> None:
        self.got: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self._takes_nothing = takes_nothing

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self._takes_nothing and self.got:
            await asyncio.Event().wait()
        self.got.append(message)


async def run(client: Client, source: Source, goes_on: Any) -> set[object]:
    streams: set[object] = set()
    stream = EventStream(source.client(), goes_on, streams)
    await asyncio.wait_for(stream({}, client.receive, client.send), 20)
    return streams


async def test_a_stream_ends_when_it_may_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.0)
    client, ticks = Client(), iter([True, True, False])
    assert await run(client, Source(), lambda: next(ticks)) == set()

    body = b"".join(message.get("body", b"") for message in client.got)
    assert client.got[0]["status"] == 200
    assert client.got[-1]["more_body"] is False
    assert body.startswith(b"retry: 2000\n\n")
    assert b"\n:\n\n" in body


async def test_a_stream_ends_when_its_client_goes() -> None:
    client = Client()
    client.gone.set()

    assert await run(client, Source(), lambda: True) == set()
    assert client.got[0]["status"] == 200


async def test_a_client_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SEND_TIMEOUT_S", 0.05)
    client = Client(takes_nothing=True)

    assert await run(client, Source(), lambda: True) == set()
    assert len(client.got) == 1
