"""Fuller fetches: the rate from which Kafka is not asked at once, and the pause."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from workers.stages import fetch_gathering
from workers.stages.fetch_gathering import Gathering, MessageRate

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeConsumer:
    """What of aiokafka's consumer tells which partitions are paused."""

    def __init__(self) -> None:
        self.ours = {FIRST, SECOND}
        self._paused: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return self.ours

    def paused(self) -> set[TopicPartition]:
        return self._paused & self.ours

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        assert self.ours >= set(partitions)
        self._paused -= set(partitions)


def records(count: int, n_bytes: int = 100) -> list[Any]:
    return [SimpleNamespace(serialized_value_size=n_bytes)] * count


async def test_a_busy_stream_is_paused_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_gathering, "GATHER_S", 0.01)
    consumer: Any = FakeConsumer()
    gathering = Gathering(consumer)
    gathering.took(records(200))

    assert consumer.paused() == {FIRST, SECOND}
    async with asyncio.timeout(10):
        await gathering.over()
    assert consumer.paused() == set()


async def test_after_a_rebalance_only_what_is_still_ours_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_gathering, "GATHER_S", 0.01)
    consumer: Any = FakeConsumer()
    gathering = Gathering(consumer)
    gathering.took(records(200))
    consumer.ours = {SECOND}
    async with asyncio.timeout(10):
        await gathering.over()

    assert consumer.paused() == set()


@pytest.mark.parametrize(
    "answer",
    [[], records(30), records(200, 1000), [SimpleNamespace(serialized_value_size=-1)]],
    ids=["nothing", "a slow stream", "a full answer", "a message without a value"],
)
async def test_otherwise_kafka_is_asked_at_once(answer: list[Any]) -> None:
    consumer: Any = FakeConsumer()
    gathering = Gathering(consumer)
    gathering.took(answer)

    assert consumer.paused() == set()
    async with asyncio.timeout(10):
        await gathering.over()


@pytest.mark.parametrize(("batch", "interval_s"), [(1, 0.1), (1, 0.01), (5, 0.05), (64, 0.2)])
def test_the_rate_is_what_came_in_the_last_second(batch: int, interval_s: float) -> None:
    rate = MessageRate(now_s=0.0)
    for step in range(1, round(8 / interval_s)):
        rate.took(batch, step * interval_s)

    assert rate.per_s == pytest.approx(batch / interval_s, rel=0.11)

    rate.took(0, 8 / interval_s * interval_s + 5)
    assert rate.per_s < 0.02 * batch / interval_s


def test_the_rate_of_nothing_is_0() -> None:
    rate = MessageRate(now_s=3.0)
    rate.took(0, 4.0)

    assert rate.per_s == 0
