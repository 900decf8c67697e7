"""Faust's events: acknowledged after the work, not before, nor after a rebalance; and who is in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import UnsupportedVersionError
from prometheus_client import REGISTRY

from streams import broker
from streams.errors import AccessDenied, BrokerUnavailable, MienError, RedisUnavailable
from streams.health import Health
from streams.settings import Settings
from workers.stages import faust_reader
from workers.stages.faust_reader import _group_is_free, _Reader
from workers.stages.handler import CONSUMER_GROUP, Message, Reading, Share

SETTINGS = Settings()
TOPIC = SETTINGS.topics.emotions


class FakeEvent:
    """What of Faust's event is used."""

    def __init__(self, offset: int, acknowledged: list[int]) -> None:
        self.message = SimpleNamespace(
            key=b"k", value=b"v", headers=[], topic=TOPIC.name, partition=0, offset=offset
        )
        self._acknowledged = acknowledged

    def ack(self) -> None:
        self._acknowledged.append(self.message.offset)


class Bench:
    """A reader whose agent the test plays."""

    def __init__(self) -> None:
        self.reading = Reading(SETTINGS, "state", TOPIC, 2, Health(CONSUMER_GROUP), asyncio.Event())
        self.reader = _Reader(self.reading, self.work_off)
        self.began: list[list[int]] = []
        self.acknowledged: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.error: MienError | None = None
        self.running = asyncio.ensure_future(self.reader._work())

    async def work_off(self, batch: Sequence[Message]) -> None:
        self.began.append([message.offset for message in batch])
        await self.may_end.wait()
        if self.error:
            raise self.error

    async def feed(self, *offsets: int) -> None:
        class Stream:
            def noack(self) -> "Stream":
                return self

            async def events(self, acknowledged: list[int] = self.acknowledged) -> AsyncIterator[FakeEvent]:
                for offset in offsets:
                    yield FakeEvent(offset, acknowledged)

        await self.reader._feed(Stream())

    async def rebalance(self) -> None:
        await self.reader._on_revoked(self.reader._app, set())


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(faust_reader, "WATCH_INTERVAL_S", 0.01)
    bench = Bench()
    yield bench
    bench.reading.stopping.set()
    bench.may_end.set()
    await asyncio.wait({bench.running}, timeout=10)


async def test_a_batch_is_acknowledged_when_it_is_done_and_not_before(bench: Bench) -> None:
    bench.may_end.clear()
    feeding = asyncio.ensure_future(bench.feed(7, 8, 9, 10, 11))
    await until(lambda: bench.began)
    await asyncio.sleep(0.02)
    assert bench.acknowledged == []

    bench.may_end.set()
    await feeding
    await until(lambda: bench.acknowledged == [7, 8, 9, 10, 11])
    assert all(len(batch) <= 2 for batch in bench.began)


async def test_what_was_read_before_a_rebalance_is_dropped(bench: Bench) -> None:
    bench.may_end.clear()
    await bench.feed(7)
    await until(lambda: bench.began == [[7]])
    await bench.feed(8, 9)
    await bench.rebalance()
    bench.may_end.set()
    await bench.feed(7)
    await until(lambda: bench.acknowledged)

    assert bench.began == [[7], [7]]  # again: nothing is committed on a rebalance
    assert bench.acknowledged == [7]  # but the first time not, when it could be somebody else's


async def test_the_metrics_say_how_many_partitions_it_has_of_how_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(which: str) -> float | None:
        return REGISTRY.get_sample_value(f"mien_{which}_partitions", {"topic": TOPIC.name})

    mine = {TopicPartition(TOPIC.name, 1)}
    consumer = SimpleNamespace(assignment=lambda: mine, topic_partitions=lambda _: 3)
    monkeypatch.setattr(bench.reader, "_app", SimpleNamespace(consumer=consumer, crashed=False))
    await bench.reader._on_assigned(bench.reader._app, mine)
    assert (told("assigned"), told("topic")) == (1, 3)

    await bench.rebalance()
    assert told("assigned") == 0


async def test_the_wait_for_kafka_is_measured(bench: Bench) -> None:
    def seconds() -> float:
        at = {"stage": "state", "step": "fetch"}
        return REGISTRY.get_sample_value("mien_stage_duration_seconds_sum", at) or 0.0

    before = seconds()
    await asyncio.sleep(0.05)
    await bench.feed(7)
    await until(lambda: bench.acknowledged == [7])

    assert seconds() - before >= 0.04


async def test_work_that_fails_for_good_is_not_acknowledged(bench: Bench) -> None:
    bench.error = RedisUnavailable("away")
    await bench.feed(7)

    with pytest.raises(RedisUnavailable):
        await asyncio.wait_for(bench.running, 10)
    assert bench.acknowledged == []


async def test_when_faust_gives_up_the_stage_says_so_and_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bench.reader, "_app", SimpleNamespace(crashed=True, crash_reason=OSError("no thread"))
    )

    with pytest.raises(BrokerUnavailable, match=r"mien\.emotions.*no thread"):
        await asyncio.wait_for(bench.running, 10)


async def test_another_programs_group_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    protocols = ["range", "sticky", ""]
    asked: list[str] = []

    async def group_protocol(_settings: Settings, group: str) -> str:
        asked.append(group)
        return protocols[len(asked) - 1]

    monkeypatch.setattr(broker, "group_protocol", group_protocol)
    monkeypatch.setattr(faust_reader, "RETRY_BASE_S", 0.001)
    monkeypatch.setattr(faust_reader, "RETRY_CAP_S", 0.001)

    assert await asyncio.wait_for(_group_is_free(bench.reading), 10)
    assert asked == ["mien-state"] * 3


async def test_told_to_stop_it_waits_for_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def group_protocol(_settings: Settings, _group: str) -> str:
        return "range"

    monkeypatch.setattr(broker, "group_protocol", group_protocol)
    waiting = asyncio.ensure_future(_group_is_free(bench.reading))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    bench.reading.stopping.set()

    assert await asyncio.wait_for(waiting, 10) is False


async def test_a_kafka_that_does_not_know_the_question_is_no_hindrance(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def group_protocol(_settings: Settings, _group: str) -> str:
        raise UnsupportedVersionError

    monkeypatch.setattr(broker, "group_protocol", group_protocol)

    assert await asyncio.wait_for(_group_is_free(bench.reading), 10)


class FakeConsumer:
    """What of Faust's consumer the ticks ask: two partitions are ours."""

    def __init__(self, end: int | None) -> None:
        self.end = end

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(TOPIC.name, 0), TopicPartition(TOPIC.name, 2)}

    def highwater(self, _tp: TopicPartition) -> int | None:
        return self.end

    async def position(self, _tp: TopicPartition) -> int:
        return 5


async def test_ticks_come_between_batches_and_go_on_when_one_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[Share] = []
    working = False

    async def tick(share: Share) -> None:
        assert not working
        shares.append(share)
        if len(shares) == 2:
            raise RedisUnavailable("away")

    async def work_off(_batch: Sequence[Message]) -> None:
        nonlocal working
        working = True
        await asyncio.sleep(0.03)
        working = False

    reader = _Reader(bench.reading, work_off, tick)
    monkeypatch.setattr(reader, "_app", SimpleNamespace(consumer=FakeConsumer(5), crashed=False))
    running = asyncio.ensure_future(reader._work())
    await asyncio.sleep(0.05)
    assert shares == []  # it has no partitions yet

    reader._has_share = True
    event = FakeEvent(7, [])
    await reader._arrived.put((0, event))
    await until(lambda: len(shares) > 5)
    bench.reading.stopping.set()
    await asyncio.wait_for(running, 10)
    assert {share.partitions for share in shares} == {frozenset({0, 2})}
    assert shares[-1].done_until_s is not None


async def test_a_tick_that_fails_for_good_ends_the_stage(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tick(_share: Share) -> None:
        raise AccessDenied("no")

    reader = _Reader(bench.reading, bench.work_off, tick)
    monkeypatch.setattr(reader, "_app", SimpleNamespace(consumer=FakeConsumer(5), crashed=False))
    reader._has_share = True

    with pytest.raises(AccessDenied):
        await asyncio.wait_for(reader._work(), 10)
