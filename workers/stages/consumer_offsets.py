"""Batches of messages, and the offsets that are committed for them: ack, commit, seek after a rebalance.

The stage acknowledges a batch when all that it sent is delivered (``stage``). Then each partition's last
offset in the batch, plus one, is what Faust commits next. After a rebalance it seeks to what is committed.
"""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import zip_longest
from typing import Any, TypeVar

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from workers.stages.fetch_gathering import GatheringThread

_NONE: Any = object()

T = TypeVar("T")


class BatchTransport(Transport):  # type: ignore[misc]
    """Faust's Kafka transport, but with ``fetch_max_wait_ms``, which Faust fixes at 1500, and with batches.

    An event of Faust's costs more than most of our messages' work. So an event here is a batch: its value is
    the list of records, of any partitions, and the rest is the last record's.
    """

    def __init__(self, *args: Any, fetch_max_wait_ms: int, batch_max: int) -> None:
        super().__init__(*args)
        self.fetch_max_wait_ms = fetch_max_wait_ms
        self.batch_max = batch_max

    class Consumer(Consumer):  # type: ignore[misc]
        logger = logging.getLogger("faust.transport")

        async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
            """Gives batches, each with one record of every partition in turn, where Faust gives records."""
            records, active = await self._wait_next_records(timeout)
            generation = self.app.consumer_generation_id
            if records is None or self.should_stop:
                return
            if not self.flow_active:  # a rebalance has begun
                await self._seek_back()
                return
            for batch in round_robin(
                [records[tp] for tp in records if tp in active], self.transport.batch_max
            ):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return  # what is left is read again: Faust seeks after a rebalance
                last = batch[-1]
                message = self._to_message(TP(last.topic, last.partition), last)
                message.value = batch
                yield message.tp, message

        def on_buffer_full(self, tp: TP) -> None:
            """Does nothing: a batch that waits stops the reading anyway.

            Faust would leave the partition out of the next fetch, and wait a second for the other ones,
            though they may be empty.
            """

        async def _seek_back(self) -> None:
            try:
                await self.perform_seek()
            except Exception as exc:  # noqa: BLE001  as in Faust: after the rebalance it seeks again
                self.log.warning("no seek while the flow is stopped: %r", exc)

        def ack(self, message: Any) -> bool:
            """Acknowledges a batch: each partition's last offset stands for all before it.

            The stage acknowledges batches in their order, so nothing before is still open.
            """
            message.acked = True
            self._unacked_messages.discard(message)
            for record in message.value:
                self._acked[TP(record.topic, record.partition)] = [record.offset]
            return True

        def _new_offset(self, tp: TP) -> int | None:
            offset: int = self._acked[tp][0]
            return offset + 1

        async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
            """Does nothing: what is between two batches' last offsets is no gap."""

        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return GatheringThread(self, loop=self.loop, beacon=self.beacon)


def round_robin(sequences: Sequence[Sequence[T]], batch_max: int) -> Iterator[list[T]]:
    """Batches with one item of each sequence in turn, so that a long one does not keep the others waiting."""
    in_order = [
        item for turn in zip_longest(*sequences, fillvalue=_NONE) for item in turn if item is not _NONE
    ]
    return (in_order[start : start + batch_max] for start in range(0, len(in_order), batch_max))
