"""How many messages wait: after what was done, after a rebalance, and in partitions that never had one."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams import metrics
from workers.stages import consumer_lag
from workers.stages.consumer_lag import LagWatch

FIRST, SECOND, EMPTY = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("t", 2)


class FakeConsumer:
    """What a consumer knows: offsets behind the last message, and from where it reads."""

    def __init__(self) -> None:
        self.rebalances = False

    def assignment(self) -> set[TopicPartition]:
        if self.rebalances:
            raise AssertionError("Partition is not assigned")
        return {FIRST, SECOND, EMPTY}

    def highwater(self, tp: TopicPartition) -> int | None:
        return {FIRST: 10, SECOND: 100}.get(tp)

    async def position(self, tp: TopicPartition) -> int | None:
        return {FIRST: 9}.get(tp)


def record(tp: TopicPartition, offset: int) -> Any:
    return SimpleNamespace(topic=tp.topic, partition=tp.partition, offset=offset)


async def test_what_is_done_counts_and_not_what_is_read() -> None:
    watch = LagWatch("state")
    assert await watch.lags(FakeConsumer()) == {FIRST: 1, SECOND: 100}

    watch.done([record(FIRST, 2), record(SECOND, 98), record(FIRST, 3)])
    assert await watch.lags(FakeConsumer()) == {FIRST: 6, SECOND: 1}

    watch.done([record(SECOND, 120)])  # the end is known from the last fetch, which is older
    assert await watch.lags(FakeConsumer()) == {FIRST: 6, SECOND: 0}

    watch.forget()
    assert await watch.lags(FakeConsumer()) == {FIRST: 1, SECOND: 100}


async def test_a_rebalance_in_between_costs_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_lag, "LAG_INTERVAL_S", 0.001)
    metrics.consumer_lag.clear()
    consumer = FakeConsumer()
    consumer.rebalances = True
    met = asyncio.Event()
    monkeypatch.setattr(consumer_lag.log, "debug", lambda *_, **__: met.set())
    watching = asyncio.ensure_future(LagWatch("state").keep_watching(consumer))
    await asyncio.wait_for(met.wait(), 10)
    assert not watching.done()
    consumer.rebalances = False
    async with asyncio.timeout(10):
        while metrics.consumer_lag.labels("t", 1)._value.get() != 100:
            await asyncio.sleep(0.001)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def test_done_until_is_the_time_at_which_kafka_was_no_further_than_the_work_is_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(consumer_lag.time, "time", lambda: now_s)
    ends = {FIRST: 10, SECOND: None}
    consumer = SimpleNamespace(
        assignment=lambda: set(ends), highwater=ends.get, position=FakeConsumer().position
    )
    watch = LagWatch("alerts")
    watch.done([record(FIRST, 8), record(SECOND, 0)])
    assert await watch.done_until_s(consumer) is None
    assert await watch.done_until_s(consumer) is None  # of one partition nothing was fetched yet

    ends[SECOND] = 1
    now_s = 101.0
    await watch.done_until_s(consumer)
    assert await watch.done_until_s(consumer) is None
    watch.done([record(FIRST, 9)])
    ends[FIRST] = 500  # what comes later does not matter
    now_s = 105.0
    assert await watch.done_until_s(consumer) == 101.0
    assert await watch.done_until_s(consumer) == 101.0

    watch.forget()
    assert await watch.done_until_s(consumer) is None
