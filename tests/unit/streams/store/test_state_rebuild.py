"""Rebuilding when Kafka or Redis is away; tests/integration/test_rebuild.py has the rest, on real servers."""

import asyncio
from itertools import count
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.errors import BrokerUnavailable, RedisUnavailable
from streams.settings import Settings
from streams.store import state_rebuild
from streams.store.state_rebuild import Rebuilt, _EventLog, keep_whole
from streams.store.state_watch import StateWatch

PLACE = TopicPartition("mien.emotions", 0)


class SilentConsumer:
    """Of a Kafka that went away: there is more, but it never comes."""

    def __init__(self) -> None:
        self.asked = 0

    def seek(self, _tp: TopicPartition, _offset: int) -> None: ...

    async def position(self, _tp: TopicPartition) -> int:
        return 5

    async def getmany(self, *_tps: TopicPartition, **_: object) -> dict[TopicPartition, list[Any]]:
        self.asked += 1
        return {}


async def test_a_kafka_that_gives_nothing_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer: Any = SilentConsumer()
    clock_s = count(0.0, 10.0)
    monkeypatch.setattr(state_rebuild.time, "monotonic", lambda: next(clock_s))
    reading = _EventLog(consumer, Settings()).read({PLACE: 0}, {PLACE: 9})
    with pytest.raises(BrokerUnavailable, match=r"mien\.emotions for 30 s"):
        await anext(reading)

    assert 1 < consumer.asked < 10


async def test_what_is_read_already_is_not_waited_for() -> None:
    consumer: Any = SilentConsumer()

    assert [batch async for batch in _EventLog(consumer, Settings()).read({PLACE: 5}, {PLACE: 5})] == []
    assert consumer.asked == 0


async def test_while_kafka_or_redis_is_away_it_is_tried_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage goes on meanwhile; a rebuild that failed is not taken for one that is done."""
    settings = Settings(redis_url=redis_url)
    failures: list[Exception] = [BrokerUnavailable("no kafka"), RedisUnavailable("no redis")]
    done = asyncio.Event()

    async def rebuild(_: Settings) -> Rebuilt:
        if failures:
            raise failures.pop()
        done.set()
        return Rebuilt(1, 1, 1, 0, 0.0)

    monkeypatch.setattr(state_rebuild, "rebuild", rebuild)
    monkeypatch.setattr(state_rebuild, "LOOK_EVERY_S", 0.01)
    async with state_rebuild.connection.client(settings, timeout_s=5) as client:
        await client.flushdb()
        keeping = asyncio.ensure_future(keep_whole(settings, StateWatch(client, settings)))
        try:
            async with asyncio.timeout(20):
                await done.wait()
                while await client.get("mien:{state}:whole") != b"whole":
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not keeping.done()
        finally:
            keeping.cancel()

    assert failures == []
