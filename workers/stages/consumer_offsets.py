"""The Faust app of a stage, and where Faust's Kafka transport is bent to our needs."""

import asyncio
import contextlib
import logging
import math
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import faust
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from streams import broker
from streams.settings import Settings
from streams.topics import Topic

COMMIT_INTERVAL_S = 0.5
GATHER_FROM_PER_S, GATHER_MS, GATHER_BYTES = 50.0, 50, 128 * 1024
"""From so many messages a second on, Kafka is to answer a fetch only after so long, or with so many bytes:
fewer and larger batches cost a fraction of what each message by itself does. Slower streams do not wait.
"""
_NONE: Any = object()

T = TypeVar("T")

_faust_logger = logging.getLogger("faust.transport")


def faust_app(settings: Settings, name: str, loop: asyncio.AbstractEventLoop, batch_max: int) -> faust.App:
    """Its events are batches of up to ``batch_max`` records."""
    app = faust.App(
        settings.group(name),
        broker=broker.faust_url(settings),
        broker_credentials=broker.faust_credentials(settings),
        loop=loop,
        autodiscover=False,
        store="memory://",
        datadir=Path(tempfile.gettempdir(), f"mien-{name}"),  # stays empty, but Faust makes it
        table_standby_replicas=0,  # no tables: any assignor will do
        web_enabled=False,
        topic_allow_declare=False,  # `mien topics` creates them; the embedded broker cannot be asked to
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=COMMIT_INTERVAL_S,
        stream_wait_empty=False,  # would wait at the end for what we did not take on, and never acknowledge
        broker_session_timeout=settings.kafka_session_timeout_s,
        broker_heartbeat_interval=settings.kafka_session_timeout_s / 4,
        stream_buffer_maxsize=1,  # batches; Faust reads no more from Kafka while one waits there
    )
    app.transport = _Transport(
        app.conf.broker,
        app,
        loop,
        fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        batch_max=batch_max,
    )
    return app


def topic_of_batches(app: faust.App, topic: Topic) -> Any:
    """For an agent whose events are batches of records."""
    return app.topic(topic.name, schema=_AsTheyAre())


class _AsTheyAre(faust.Schema):  # type: ignore[misc]
    """Nothing to decode: that is the business of ``streams``."""

    def compile(self, app: faust.App, **_options: Any) -> Any:
        async def decode(message: Any, **_options: Any) -> Any:
            return app.create_event(message.key, message.value, message.headers, message)

        return decode


class _Transport(Transport):  # type: ignore[misc]
    """Faust's Kafka transport, but with ``fetch_max_wait_ms``, which Faust fixes at 1500, and with batches.

    An event of Faust's costs more than most of our messages' work. So an event here is a batch: its value is
    the list of records, of any partitions, and the rest is the last record's.
    """

    def __init__(self, *args: Any, fetch_max_wait_ms: int, batch_max: int) -> None:
        super().__init__(*args)
        self.fetch_max_wait_ms = fetch_max_wait_ms
        self.batch_max = batch_max

    class Consumer(Consumer):  # type: ignore[misc]
        logger = _faust_logger

        async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
            """As Faust's, but in batches, and each has one record of every partition in turn."""
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
            """Nothing: a batch that waits stops the reading. Faust would leave the partition out of the
            next fetch, and wait a second for the other ones, though they may be empty.
            """

        async def _seek_back(self) -> None:
            try:
                await self.perform_seek()
            except Exception as exc:  # noqa: BLE001  as in Faust: after the rebalance it seeks again
                self.log.warning("no seek while the flow is stopped: %r", exc)

        def ack(self, message: Any) -> bool:
            """The stage acknowledges in order, so a partition's last offset stands for all before it."""
            message.acked = True
            self._unacked_messages.discard(message)
            for record in message.value:
                self._acked[TP(record.topic, record.partition)] = [record.offset]
            return True

        def _new_offset(self, tp: TP) -> int | None:
            offset: int = self._acked[tp][0]
            return offset + 1

        async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
            """What is between two batches' last offsets is no gap."""

        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


def round_robin(sequences: Sequence[Sequence[T]], batch_max: int) -> Iterator[list[T]]:
    """Batches with one item of each sequence in turn, so that a long one does not keep the others waiting."""
    in_order = [
        item for turn in zip_longest(*sequences, fillvalue=_NONE) for item in turn if item is not _NONE
    ]
    return (in_order[start : start + batch_max] for start in range(0, len(in_order), batch_max))


class MessageRate:
    """How many messages a second come: an exponential average over about a second."""

    def __init__(self, now_s: float) -> None:
        self.per_s = 0.0
        self._last_s = now_s

    def took(self, count: int, now_s: float) -> None:
        # Each message is a pulse of area 1 that fades with the time constant of a second.
        self.per_s = self.per_s * math.exp(self._last_s - now_s) + count
        self._last_s = now_s


class _ConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    logger = _faust_logger

    def _create_worker_consumer(self, transport: _Transport) -> Any:
        """With the sticky assignor of KIP-54: shares differ by one at most, and few cameras change hands.
        Faust's own lets each worker keep ⌈partitions / workers⌉, so that a third one may get nothing.
        """
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = (StickyPartitionAssignor,)
        consumer._fetch_max_wait_ms = self._fetch_max_wait_ms = transport.fetch_max_wait_ms
        self._rate = MessageRate(time.monotonic())
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        records = await super()._fetch_records(consumer, *args, **options)
        self._rate.took(sum(map(len, records.values())), time.monotonic())
        fetcher = consumer._fetcher  # which sends its next request when we have returned
        gather = self._rate.per_s > GATHER_FROM_PER_S
        fetcher._fetch_min_bytes = GATHER_BYTES if gather else 1
        fetcher._fetch_max_wait_ms = GATHER_MS if gather else self._fetch_max_wait_ms
        return records

    async def on_thread_stop(self) -> None:
        """Ends although aiokafka lets out the cancellation of a fetch of its own, which happens when the
        fetch waits to be tried again because Kafka is away. The thread would die of it with a traceback,
        and whoever waits for its end would wait for ever.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()
