"""Batches and the offsets that are committed for them: what no integration test can bring about at will."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from workers.stages.consumer_offsets import BatchTransport, round_robin


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
    consumer: Any = object.__new__(BatchTransport.Consumer)
    consumer._unacked_messages = set()
    consumer._acked = {}
    consumer.ack(batch_of(record(0, 5), record(1, 70), record(0, 6)))

    assert {tp: consumer._new_offset(tp) for tp in consumer._acked} == {TP("t", 0): 7, TP("t", 1): 71}

    consumer.ack(batch_of(record(1, 90)))  # others are missing between: transactions leave such gaps
    assert {tp: consumer._new_offset(tp) for tp in consumer._acked} == {TP("t", 0): 7, TP("t", 1): 91}


def test_a_partition_whose_batch_waits_is_not_left_out_of_the_next_fetch() -> None:
    consumer: Any = object.__new__(BatchTransport.Consumer)
    consumer.app = SimpleNamespace(in_recovery=False)
    consumer._active_partitions, consumer._buffered_partitions = {TP("t", 0), TP("t", 1)}, set()
    consumer.on_buffer_full(TP("t", 0))

    assert consumer._get_active_partitions() == {TP("t", 0), TP("t", 1)}
