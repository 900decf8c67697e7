"""The loop's order, what a rebalance does to it, and what becomes of it when Kafka refuses it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    KafkaError,
)
from prometheus_client import REGISTRY

from streams.errors import AccessDenied, MienError, RedisUnavailable, ServiceUnavailable, SettingsInvalid
from streams.health import Health
from streams.settings import Settings
from workers.stages import consumer_loop
from workers.stages.consumer_loop import REPEATED_MAX, consume
from workers.stages.handler import CONSUMER_GROUP, Message, Note, Reading

SETTINGS = Settings(kafka_session_timeout_s=1.0)
TOPIC = SETTINGS.topics.frames
FIRST, SECOND = TopicPartition(TOPIC.name, 0), TopicPartition(TOPIC.name, 1)


class FakeConsumer:
    """One member of a group, as aiokafka's consumer; the test plays Kafka."""

    def __init__(self, told: list[str], refuses: KafkaError | None) -> None:
        self.told = told
        self.listener: Any = None
        self.topic_partitions: set[int] | None = {0, 1}
        self.answers: asyncio.Queue[dict[TopicPartition, list[Any]]] = asyncio.Queue()
        self.meanwhile: dict[TopicPartition, list[Any]] = {}
        self.offsets: dict[TopicPartition, int] = {}
        self.refuses_commits = False
        self._ours: set[TopicPartition] = set()
        self._refuses = refuses

    async def start(self) -> None: ...

    def subscribe(self, _topics: Sequence[str], listener: ConsumerRebalanceListener) -> None:
        self.listener = listener

    async def getmany(self, *asked: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        if self._refuses:
            raise self._refuses
        if not asked:
            assert timeout_ms > 0
            return await self.answers.get()
        assert timeout_ms == 0  # some waits already
        (tp,) = asked
        return {tp: self.meanwhile.pop(tp)} if tp in self.meanwhile else {}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.refuses_commits:
            raise CommitFailedError
        self.told.append(f"committed {sorted(offsets.values())}")
        self.offsets |= offsets

    async def committed(self, tp: TopicPartition) -> int | None:
        return self.offsets.get(tp)

    async def stop(self) -> None:
        self.told.append("left")

    def assignment(self) -> set[TopicPartition]:
        return self._ours

    def partitions_for_topic(self, _topic: str) -> set[int] | None:
        return self.topic_partitions

    def highwater(self, _tp: TopicPartition) -> int | None:
        return None

    def pause(self, *partitions: TopicPartition) -> None: ...

    def resume(self, *partitions: TopicPartition) -> None: ...

    def paused(self) -> set[TopicPartition]:
        return set()

    async def assign(self, *partitions: TopicPartition) -> None:
        self._ours = set(partitions)
        await self.listener.on_partitions_assigned(self._ours)

    async def revoke(self) -> None:
        await self.listener.on_partitions_revoked(self._ours)
        self.told.append("gone")

    def answer(self, *offsets: int, tp: TopicPartition = FIRST) -> None:
        self.answers.put_nowait({tp: [record(tp, offset) for offset in offsets]})


def record(tp: TopicPartition, offset: int) -> Any:
    return SimpleNamespace(
        topic=tp.topic, partition=tp.partition, offset=offset, key=b"k", value=b"v", headers=(),
        serialized_value_size=1,
    )  # fmt: skip


class Bench:
    """A loop that runs, the consumers it has made, and a handler that waits to be let on."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.notes: list[list[str]] = []
        self.asked_of: list[set[TopicPartition]] = []
        self.consumers: list[FakeConsumer] = []
        self.refusals: list[KafkaError] = []
        self.notes_refused: list[MienError] = []
        self.health = Health(CONSUMER_GROUP)
        self.stopping = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.leaves_out: set[int] = set()
        self.error: MienError | None = None
        self.running: asyncio.Future[None] | None = None

    def make(self, **options: Any) -> FakeConsumer:
        self.options = options
        self.consumers.append(FakeConsumer(self.told, self.refusals.pop(0) if self.refusals else None))
        return self.consumers[-1]

    async def work_off(self, batch: Sequence[Message]) -> None:
        offsets = [message.offset for message in batch]
        self.told.append(f"began {offsets}")
        await self.may_end.wait()
        if self.error:
            raise self.error
        self.told.append(f"did {offsets}")

    async def settle(self) -> None:
        self.told.append("handed over")

    def note(self, _partition: int, /) -> Note:
        return lambda: ""

    def take_notes(self, notes: Collection[str]) -> None:
        self.notes.append(list(notes))

    def takes(self, message: Message, /) -> bool:
        return message.offset not in self.leaves_out

    def start(self, batch_max: int = 2) -> "asyncio.Future[None]":
        reading = Reading(SETTINGS, "landmarks", TOPIC, batch_max, self.health, self.stopping, self, self)
        self.running = asyncio.ensure_future(consume(reading, self.work_off))
        return self.running

    async def member(self, number: int = 0) -> FakeConsumer:
        """The consumer of that number, when it has joined."""
        await until(lambda: len(self.consumers) > number and self.consumers[number].listener is not None)
        return self.consumers[number]


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    bench = Bench()

    async def committed_notes(
        _settings: Settings, _group: str, partitions: Collection[TopicPartition]
    ) -> list[str]:
        bench.asked_of.append(set(partitions))
        if bench.notes_refused:
            raise bench.notes_refused.pop()
        return ["a note"]

    monkeypatch.setattr(consumer_loop, "committed_notes", committed_notes)
    monkeypatch.setattr(consumer_loop, "AIOKafkaConsumer", bench.make)
    monkeypatch.setattr(consumer_loop, "COMMIT_INTERVAL_S", 0.01)
    monkeypatch.setattr(consumer_loop, "RETRY_BASE_S", 0.0)
    yield bench
    bench.stopping.set()
    bench.may_end.set()
    if bench.running and not bench.running.done():
        await asyncio.wait_for(bench.running, 10)


async def test_a_batch_is_committed_when_it_is_done_and_not_before(bench: Bench) -> None:
    bench.may_end.clear()
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7, 8, 9)
    await until(lambda: bench.told)
    await asyncio.sleep(0.05)
    assert bench.told == ["began [7, 8]"]

    bench.may_end.set()
    await until(lambda: consumer.offsets == {FIRST: 10})
    assert bench.told.index("did [7, 8]") < min(
        place for place, told in enumerate(bench.told) if told.startswith("committed")
    )


async def test_told_to_stop_it_finishes_the_batch_in_hand_commits_it_and_leaves(bench: Bench) -> None:
    bench.may_end.clear()
    running = bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7, 8, 9)
    await until(lambda: bench.told)
    bench.stopping.set()
    await asyncio.sleep(0.05)
    assert not running.done()
    bench.may_end.set()
    await asyncio.wait_for(running, 10)

    assert bench.told == ["began [7, 8]", "did [7, 8]", "committed [9]", "left"]


async def test_it_stops_while_kafka_says_nothing(bench: Bench) -> None:
    running = bench.start()
    await bench.member()
    bench.stopping.set()
    await asyncio.wait_for(running, 10)

    assert bench.told == ["left"]


async def test_partitions_go_when_the_batch_in_hand_is_committed_and_the_rest_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_loop, "COMMIT_INTERVAL_S", 60.0)
    bench.may_end.clear()
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST, SECOND)
    consumer.answer(7, 8, 9)
    await until(lambda: bench.told)
    revoked = asyncio.ensure_future(consumer.revoke())
    await asyncio.sleep(0.05)
    assert not revoked.done()
    assert bench.health.not_ready
    bench.may_end.set()
    await asyncio.wait_for(revoked, 10)
    assert bench.told == ["began [7, 8]", "did [7, 8]", "handed over", "committed [9]", "gone"]

    await consumer.assign(SECOND)
    consumer.answer(3, tp=SECOND)
    await until(lambda: bench.told[-1] == "did [3]")
    assert bench.told[5:] == ["began [3]", "did [3]"]


async def test_a_batch_that_takes_too_long_does_not_hold_up_the_group_and_is_never_committed(
    bench: Bench,
) -> None:
    """Others may work on it again; they, and not we, say how far the partition is."""
    bench.may_end.clear()
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7)
    await until(lambda: bench.told)
    await asyncio.wait_for(consumer.revoke(), 10)
    await consumer.assign(FIRST)
    bench.may_end.set()
    await until(lambda: "did [7]" in bench.told)
    await asyncio.sleep(0.05)

    assert consumer.offsets == {}


@pytest.mark.parametrize(
    ("partitions", "exist", "ready"),
    [((FIRST,), {0, 1}, True), ((), {0, 1}, True), ((), None, False), ((), set(), False)],
    ids=["with one", "others have all", "the topic is deleted", "it has none yet"],
)
async def test_ready_is_who_has_partitions_or_leaves_them_to_others(
    bench: Bench, partitions: tuple[TopicPartition, ...], exist: set[int] | None, ready: bool
) -> None:
    bench.start()
    consumer = await bench.member()
    assert bench.health.not_ready == [CONSUMER_GROUP]
    consumer.topic_partitions = exist
    await consumer.assign(*partitions)
    assert bench.health.not_ready == ([] if ready else [CONSUMER_GROUP])

    consumer.topic_partitions = {0, 1}  # what the group's leader knew, this worker knows a little later
    await until(lambda: not bench.health.not_ready)


def partitions_told(which: str) -> float | None:
    return REGISTRY.get_sample_value(f"mien_{which}_partitions", {"topic": TOPIC.name})


async def test_the_metrics_say_how_many_partitions_it_has_of_how_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_loop, "RETRY_BASE_S", 60.0)
    bench.start()
    consumer = await bench.member()
    consumer.topic_partitions = {0, 1, 2}
    await consumer.assign(FIRST, SECOND)
    assert (partitions_told("assigned"), partitions_told("topic")) == (2, 3)

    consumer.topic_partitions = {0, 1, 2, 3}  # somebody added one
    await until(lambda: partitions_told("topic") == 4)

    consumer._refuses = KafkaConnectionError("away")
    consumer.answer(7)
    await until(lambda: partitions_told("assigned") == 0)


async def test_the_wait_for_kafka_is_measured(bench: Bench) -> None:
    def seconds() -> float:
        at = {"stage": "landmarks", "step": "fetch"}
        return REGISTRY.get_sample_value("mien_stage_duration_seconds_sum", at) or 0.0

    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    before = seconds()
    await asyncio.sleep(0.05)
    consumer.answer(7)
    await until(lambda: consumer.offsets == {FIRST: 8})

    assert seconds() - before >= 0.04


@pytest.mark.parametrize("error", [InconsistentGroupProtocolError(), KafkaConnectionError("away")], ids=repr)
async def test_when_kafka_refuses_us_for_now_another_consumer_tries(bench: Bench, error: KafkaError) -> None:
    bench.refusals = [error, error]
    bench.start()
    consumer = await bench.member(2)
    assert bench.told == ["left", "left"]
    assert bench.health.not_ready == [CONSUMER_GROUP]
    await consumer.assign(FIRST)
    consumer.answer(7)
    await until(lambda: consumer.offsets == {FIRST: 8})

    assert not bench.health.not_ready


@pytest.mark.parametrize(
    ("error", "kind", "telling"),
    [
        (GroupAuthorizationFailedError("mien-landmarks"), AccessDenied, "no right to it.*mien acls"),
        (InvalidSessionTimeoutError(), SettingsInvalid, "MIEN_KAFKA_SESSION_TIMEOUT_S=1:"),
    ],
)
async def test_when_kafka_refuses_us_for_good_the_stage_ends(
    bench: Bench, error: KafkaError, kind: type[MienError], telling: str
) -> None:
    bench.refusals = [error]

    with pytest.raises(kind, match=telling):
        await asyncio.wait_for(bench.start(), 10)
    assert bench.told == ["left"]


async def test_when_the_work_fails_for_good_what_was_done_before_is_committed(bench: Bench) -> None:
    running = bench.start(batch_max=1)
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7)
    await until(lambda: "did [7]" in bench.told)
    bench.error = RedisUnavailable("away")
    consumer.answer(8)

    with pytest.raises(RedisUnavailable):
        await asyncio.wait_for(running, 10)
    assert consumer.offsets == {FIRST: 8}
    assert bench.told[-1] == "left"


async def test_it_keeps_few_frames_in_memory(bench: Bench) -> None:
    """Twice what Kafka answers at once, with the message that goes beyond: in hand, and on the way."""
    bench.start()
    await bench.member()
    megabytes = 2 * (bench.options["fetch_max_bytes"] + SETTINGS.max_frame_bytes) / 2**20

    assert megabytes <= 100


async def test_the_notes_of_who_had_the_partitions_come_before_their_first_batch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_loop, "RETRY_CAP_S", 0.0)
    bench.may_end.clear()
    bench.notes_refused = [ServiceUnavailable("away for a moment")]
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7, 8, 9)
    await until(lambda: bench.told)
    assert bench.notes == [["a note"]]
    bench.may_end.set()
    await until(lambda: consumer.offsets == {FIRST: 10})
    consumer.answer(10)
    await until(lambda: consumer.offsets == {FIRST: 11})
    assert bench.notes == [["a note"]]

    await consumer.revoke()
    await consumer.assign(FIRST)
    consumer.answer(11)
    await until(lambda: consumer.offsets == {FIRST: 12})
    assert bench.notes == [["a note"], ["a note"]]


async def test_a_fetch_that_ends_empty_while_the_group_shares_out_asks_for_no_notes(bench: Bench) -> None:
    """aiokafka lets a fetch that began before run out meanwhile: the notes of what we get were never read."""
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7)
    await until(lambda: consumer.offsets == {FIRST: 8})
    await consumer.revoke()
    consumer.answers.put_nowait({})
    await until(consumer.answers.empty)
    await asyncio.sleep(0.01)
    await consumer.assign(FIRST, SECOND)
    consumer.answer(3, tp=SECOND)
    await until(lambda: consumer.offsets.get(SECOND) == 4)
    assert bench.asked_of == [{FIRST}, {FIRST, SECOND}]


async def test_no_more_is_done_than_may_be_repeated_before_it_is_committed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that slept past its session goes on with what it has fetched: in the chaos run 71 records."""
    monkeypatch.setattr(consumer_loop, "COMMIT_INTERVAL_S", 60.0)
    monkeypatch.setattr(consumer_loop, "COMMIT_RETRY_S", 0.001)
    bench.start(batch_max=REPEATED_MAX // 4)
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.refuses_commits = True  # others have the partition, but we have not heard of it yet
    consumer.answer(*range(3 * REPEATED_MAX))
    await until(lambda: sum(told.startswith("did") for told in bench.told) == 4)
    await asyncio.sleep(0.05)
    assert sum(told.startswith("began") for told in bench.told) == 4

    await consumer.revoke()
    bench.told.clear()
    await asyncio.sleep(0.05)
    assert bench.told == []

    consumer.refuses_commits = False
    await consumer.assign(FIRST)
    consumer.answer(*range(3 * REPEATED_MAX))
    await until(
        lambda: f"did {list(range(3 * REPEATED_MAX - REPEATED_MAX // 4, 3 * REPEATED_MAX))}" in bench.told
    )
    assert [told for told in bench.told if told.startswith("committed")] == [
        f"committed [{done}]" for done in (REPEATED_MAX, 2 * REPEATED_MAX)
    ]


async def test_it_can_be_stopped_while_nothing_can_be_committed(bench: Bench) -> None:
    running = bench.start(batch_max=REPEATED_MAX)
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.refuses_commits = True
    consumer.answer(*range(2 * REPEATED_MAX))
    await until(lambda: any(told.startswith("did") for told in bench.told))
    bench.stopping.set()
    await asyncio.wait_for(running, 10)

    assert sum(told.startswith("began") for told in bench.told) == 1


async def test_a_partitions_backlog_does_not_keep_another_one_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while the backlog is worked on has its turn in the next batch, not behind all of it."""
    monkeypatch.setattr(consumer_loop, "COMMIT_INTERVAL_S", 60.0)
    bench.may_end.clear()
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST, SECOND)
    consumer.answer(*range(9))
    await until(lambda: bench.told)
    consumer.meanwhile[SECOND] = [record(SECOND, 100), record(SECOND, 101)]
    bench.may_end.set()
    await until(lambda: "did [8]" in bench.told)

    began = [told for told in bench.told if told.startswith("began")]
    assert began[:3] == ["began [0, 1]", "began [2, 100]", "began [3, 101]"]
    assert began[-1] == "began [8]"


async def test_what_comes_after_a_rebalance_is_of_the_new_share_and_what_waited_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka gives the first partition to another worker, and aiokafka already has something new of ours."""
    monkeypatch.setattr(consumer_loop, "COMMIT_INTERVAL_S", 60.0)
    bench.may_end.clear()
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST, SECOND)
    consumer.answer(*range(9))
    await until(lambda: bench.told)
    revoked = asyncio.ensure_future(consumer.revoke())
    await asyncio.sleep(0.01)
    bench.may_end.set()
    await asyncio.wait_for(revoked, 10)
    await consumer.assign(SECOND)
    consumer.answer(100, tp=SECOND)
    await until(lambda: "did [100]" in bench.told)

    assert [told for told in bench.told if told.startswith("began")] == ["began [0, 1]", "began [100]"]


async def test_what_the_handler_leaves_out_is_done_by_that_and_takes_no_place_in_a_batch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_loop, "COMMIT_INTERVAL_S", 60.0)
    bench.leaves_out = {8, 9, 11, *range(20, 20 + 2 * REPEATED_MAX)}
    bench.start()
    consumer = await bench.member()
    await consumer.assign(FIRST)
    consumer.answer(7, 8, 9, 10, 11)
    await until(lambda: bench.told)
    assert bench.told[0] == "began [7, 10]"
    consumer.answer(*range(20, 20 + 2 * REPEATED_MAX))
    consumer.answer(500)
    await until(lambda: "did [500]" in bench.told)
    assert not [told for told in bench.told if told.startswith("committed")]  # nothing to be repeated waits

    await consumer.revoke()
    assert consumer.offsets == {FIRST: 501}
