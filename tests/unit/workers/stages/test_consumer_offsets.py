"""Where Faust's Kafka transport is bent: what no integration test can bring about at will."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from workers.stages.consumer_offsets import MessageRate, _ConsumerThread, _Transport, round_robin


class FetchWaitsToTryAgain:
    """What aiokafka's consumer does at its end while one of its fetches waits for a Kafka that is away."""

    def __init__(self) -> None:
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True
        pending = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        pending.cancel()
        await pending


def test_the_consumer_thread_ends_when_a_fetch_lets_out_its_cancellation() -> None:
    thread: Any = object.__new__(_ConsumerThread)
    thread._consumer = FetchWaitsToTryAgain()
    thread._method_queue = None

    asyncio.run(thread.on_thread_stop())

    assert thread._consumer.stopped


@pytest.mark.parametrize(
    ("sequences", "batch_max", "batches"),
    [
        ([], 2, []),
        ([[]], 2, []),
        ([[1, 2, 3]], 2, [[1, 2], [3]]),
        ([[1, 2, 3], [10], [20, 21]], 3, [[1, 10, 20], [2, 21, 3]]),
        ([[1], [10]], 9, [[1, 10]]),
    ],
    ids=str,
)
def test_a_batch_has_one_of_each_partition_in_turn(
    sequences: list[list[int]], batch_max: int, batches: list[list[int]]
) -> None:
    assert list(round_robin(sequences, batch_max)) == batches


def record(partition: int, offset: int) -> Any:
    return SimpleNamespace(topic="t", partition=partition, offset=offset)


def batch_of(*records: Any) -> Any:
    last = records[-1]
    message = ConsumerMessage(last.topic, last.partition, last.offset, 0.0, 0, [], None, None, None)
    message.value = list(records)
    return message


def test_the_last_offset_of_each_partition_is_acknowledged_and_nothing_beyond() -> None:
    consumer: Any = object.__new__(_Transport.Consumer)
    consumer._unacked_messages = set()
    consumer._acked = {}
    consumer.ack(batch_of(record(0, 5), record(1, 70), record(0, 6)))

    assert {tp: consumer._new_offset(tp) for tp in consumer._acked} == {TP("t", 0): 7, TP("t", 1): 71}

    consumer.ack(batch_of(record(1, 90)))  # others are missing between: transactions leave such gaps
    assert {tp: consumer._new_offset(tp) for tp in consumer._acked} == {TP("t", 0): 7, TP("t", 1): 91}


def test_a_partition_whose_batch_waits_is_not_left_out_of_the_next_fetch() -> None:
    consumer: Any = object.__new__(_Transport.Consumer)
    consumer.app = SimpleNamespace(in_recovery=False)
    consumer._active_partitions, consumer._buffered_partitions = {TP("t", 0), TP("t", 1)}, set()
    consumer.on_buffer_full(TP("t", 0))

    assert consumer._get_active_partitions() == {TP("t", 0), TP("t", 1)}


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
