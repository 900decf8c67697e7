"""Offsets that are committed: only of what is done, one commit at a time, and never back."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, OffsetMetadataTooLargeError

from workers.stages import consumer_offsets
from workers.stages.consumer_offsets import Share

FIRST, SECOND, DELETED = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("gone", 0)


class FakeKafka:
    """Takes commits down, as aiokafka's consumer."""

    def __init__(self) -> None:
        self.offsets: dict[TopicPartition, int] = {}
        self.commits: list[dict[TopicPartition, int]] = []
        self.asked = 0
        self.note_max = 4096
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0, 1} if topic == "t" else None

    async def commit(self, offsets: dict[TopicPartition, Any]) -> None:
        self.commits.append(offsets)
        await self.answers.wait()
        if self.error:
            raise self.error
        if any(len(at[1]) > self.note_max for at in offsets.values() if isinstance(at, tuple)):
            raise OffsetMetadataTooLargeError
        self.offsets |= {tp: at[0] if isinstance(at, tuple) else at for tp, at in offsets.items()}

    async def committed(self, tp: TopicPartition) -> int | None:
        self.asked += 1
        return self.offsets.get(tp)


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


def share_of(kafka: Any, session_timeout_s: float = 60.0) -> Share:
    return Share(kafka, "landmarks", session_timeout_s)


def record(tp: TopicPartition, offset: int) -> Any:
    return SimpleNamespace(topic=tp.topic, partition=tp.partition, offset=offset)


async def test_the_offset_behind_the_last_message_of_each_partition_is_committed_once(
    kafka: FakeKafka,
) -> None:
    share = share_of(kafka)
    await share.commit()
    share.done([record(FIRST, 5), record(SECOND, 70), record(FIRST, 6)])
    await share.commit()
    await share.commit()
    share.done([record(SECOND, 90)])  # others are missing between: transactions leave such gaps
    await share.commit()

    assert kafka.commits == [{FIRST: 7, SECOND: 71}, {SECOND: 91}]
    assert kafka.asked == 0


async def test_a_commit_that_takes_long_is_not_overtaken(kafka: FakeKafka) -> None:
    share = share_of(kafka)
    kafka.answers.clear()
    share.done([record(FIRST, 5)])
    first = asyncio.ensure_future(share.commit())
    await asyncio.sleep(0)
    share.done([record(FIRST, 8)])
    second = asyncio.ensure_future(share.commit())
    await asyncio.sleep(0.01)
    assert kafka.commits == [{FIRST: 6}]
    kafka.answers.set()
    await asyncio.gather(first, second)

    assert kafka.commits == [{FIRST: 6}, {FIRST: 9}]


async def test_a_commit_without_an_answer_is_given_up_and_made_again(
    kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka would go on trying, and put the offset back when the partition is somebody else's."""
    monkeypatch.setattr(consumer_offsets, "COMMIT_TIMEOUT_S", 0.01)
    share = share_of(kafka)
    kafka.answers.clear()
    share.done([record(FIRST, 5)])
    await share.commit()
    assert kafka.offsets == {}
    kafka.answers.set()
    await share.commit()

    assert kafka.offsets == {FIRST: 6}


async def test_a_refused_commit_is_made_again(kafka: FakeKafka) -> None:
    share = share_of(kafka)
    kafka.error = CommitFailedError()
    share.done([record(FIRST, 5)])
    await share.commit()
    kafka.error = None
    await share.commit()

    assert kafka.commits == [{FIRST: 6}, {FIRST: 6}]


async def test_who_slept_past_its_session_does_not_put_the_offsets_of_others_back(kafka: FakeKafka) -> None:
    share = share_of(kafka, session_timeout_s=0.0)
    share.done([record(FIRST, 5), record(SECOND, 70)])
    kafka.offsets = {FIRST: 900, SECOND: 3}  # another worker had the partitions meanwhile, and is gone
    await share.commit()

    assert kafka.offsets == {FIRST: 900, SECOND: 71}


async def test_an_offset_of_a_new_share_starts_from_what_is_done_in_it(kafka: FakeKafka) -> None:
    """A partition that went and came back: what we did before, others may have gone beyond."""
    before = share_of(kafka)
    before.done([record(FIRST, 5)])
    await before.commit()
    kafka.offsets[FIRST] = 40
    after = share_of(kafka)
    await after.commit()
    assert kafka.offsets == {FIRST: 40}

    before.done([record(FIRST, 6)])  # a batch that was in hand for longer than the group waits
    after.done([record(FIRST, 40)])
    await after.commit()
    assert kafka.offsets == {FIRST: 41}


async def test_a_partition_that_is_no_more_is_left_out(kafka: FakeKafka) -> None:
    """Kafka answers that it knows no such topic, and aiokafka tries it again for ever."""
    share = share_of(kafka)
    share.done([record(DELETED, 5), record(FIRST, 2)])
    await share.commit()

    assert kafka.offsets == {FIRST: 3}


async def test_what_the_handler_knew_behind_a_batch_is_committed_with_its_offset(kafka: FakeKafka) -> None:
    share, knows = share_of(kafka), {0: "first", 1: ""}

    def note(partition: int) -> Any:
        known = knows[partition]
        return lambda: known

    share.done([record(FIRST, 5), record(SECOND, 70)], note)
    knows[0] = "of the next batch, in hand when the commit is made"
    await share.commit()

    assert kafka.commits == [{FIRST: (6, "first"), SECOND: 71}]


async def test_a_broker_that_takes_no_such_note_gets_the_offset_alone(kafka: FakeKafka) -> None:
    share = share_of(kafka)
    kafka.note_max = 3
    share.done([record(FIRST, 5)], lambda _: lambda: "four")
    await share.commit()

    assert kafka.offsets == {FIRST: 6}
    assert share.uncommitted == 0


async def test_it_counts_what_would_be_done_again(kafka: FakeKafka) -> None:
    share = share_of(kafka)
    share.done([record(FIRST, 5), record(FIRST, 6)])
    kafka.answers.clear()
    committing = asyncio.ensure_future(share.commit())
    await asyncio.sleep(0)
    share.done([record(FIRST, 7)])  # meanwhile
    assert share.uncommitted == 3
    kafka.answers.set()
    await committing
    assert share.uncommitted == 1

    kafka.error = CommitFailedError()
    await share.commit()
    assert share.uncommitted == 1
