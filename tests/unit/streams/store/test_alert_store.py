"""What another program put under the alerts' keys: told, passed over or refused, and never waited for."""

from collections.abc import AsyncIterator

import pytest
import redis
import structlog

from streams.settings import Settings
from streams.store import alert_store
from streams.store.alert_store import (
    PROGRESS_KEY,
    Active,
    AlertStore,
    Watched,
    Write,
    active_key,
    cameras_key,
    state_key,
    votes_key,
)

ENTRY = Active("lobby", 7, 9, 1.0, [("fear", "warning")])


@pytest.fixture
def raw(redis_url: str) -> "redis.Redis[bytes]":
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    return client


@pytest.fixture
async def store(raw: "redis.Redis[bytes]", redis_url: str) -> AsyncIterator[AlertStore]:
    assert raw.ping()
    async with alert_store.connect(Settings(redis_url=redis_url)) as store:
        yield store


async def everything(store: AlertStore) -> None:
    """What the stage does each second, and with each batch."""
    await store.active(0)
    await store.watched(0)
    await store.note_progress({0: 5.0})
    await store.progress(1)
    await store.vote([("lobby", 7, b"vote")], {(cameras_key(0), "lobby"): Watched(7, 1.0)}, 60)
    await store.votes("lobby", 9)
    await store.drop_votes("lobby", 9)
    await store.write([Write("lobby:a", 0, b"state", active_key(0), ENTRY)], 60)


@pytest.mark.parametrize("key", [active_key(0), cameras_key(0), PROGRESS_KEY, votes_key("lobby")])
async def test_a_key_of_another_kind_is_passed_over(
    store: AlertStore, raw: "redis.Redis[bytes]", key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = structlog.testing.LogCapture()
    monkeypatch.setattr(alert_store, "log", structlog.wrap_logger(None, processors=[told]))
    raw.set(key, "x")
    await everything(store)
    raw.delete(state_key("lobby:a"))
    await everything(store)

    assert raw.get(key) == b"x"
    said = [entry for entry in told.entries if entry["event"] == "not ours in redis"]
    assert 1 <= len(said) <= 2  # once by who reads it, once by who writes it
    assert raw.hget(state_key("lobby:a"), "state") == b"state"


@pytest.mark.parametrize(
    "value", [b"x", b"\xff", b"\xa1\xff", b"\x91" * 100_000, b"nan", b""], ids=lambda v: repr(v[:9])
)
async def test_an_entry_that_cannot_be_read_costs_no_other_entry(
    store: AlertStore, raw: "redis.Redis[bytes]", value: bytes
) -> None:
    await store.write([Write("lobby:a", 0, b"state", active_key(0), ENTRY)], 60)
    await store.vote([], {}, 60)
    await store.vote([("hall", 7, b"vote")], {(cameras_key(0), "hall"): Watched(7, 1.0)}, 60)
    await store.note_progress({0: 5.0, 1: 6.0})
    for key, field in ((active_key(0), "lobby:b"), (cameras_key(0), "lobby"), (PROGRESS_KEY, "1")):
        raw.hset(key, field, value)

    assert list(await store.active(0)) == ["lobby:a"]
    assert list(await store.watched(0)) == ["hall"]
    assert await store.progress(1) == 5
    assert await store.progress(2) is None


async def test_a_subjects_foreign_state_is_refused_with_its_events(
    store: AlertStore, raw: "redis.Redis[bytes]"
) -> None:
    raw.set(state_key("lobby:a"), "x")
    raw.hset(state_key("lobby:b"), "version", "x")
    await store.write([Write("lobby:c", 0, b"state")], 60)
    found = await store.read(["lobby:a", "lobby:b", "lobby:c"])

    assert [bool(one.refusal) for one in found.values()] == [True, True, False]
    assert {one.refusal.reason for one in found.values() if one.refusal} == {"foreign-redis-key"}
    assert (found["lobby:c"].version, found["lobby:c"].state) == (1, b"state")
