"""The Faust app of a stage, and where Faust's Kafka transport is bent to our needs."""

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from typing import Any

import faust
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from streams import broker
from streams.settings import Settings
from streams.topics import Topic

COMMIT_INTERVAL_S = 1.0
BUFFER_POLL_S = 0.005

_faust_logger = logging.getLogger("faust.transport")


def faust_app(settings: Settings, name: str, loop: asyncio.AbstractEventLoop, buffer_max: int) -> faust.App:
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
        stream_buffer_maxsize=buffer_max,
        producer_max_request_size=settings.topics.dead_letters.max_message_bytes,
        producer_acks=-1,
        producer_request_timeout=10.0,  # Faust waits 20 minutes, and so would a stage that is told to stop
    )
    app.transport = _Transport(app.conf.broker, app, loop, fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms)
    return app


def raw_topic(app: faust.App, topic: Topic) -> Any:
    """Bytes in, bytes out: encoding is the business of ``streams``."""
    return app.topic(
        topic.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )


class _Transport(Transport):  # type: ignore[misc]
    """Faust's Kafka transport, but with ``fetch_max_wait_ms``, which Faust fixes at 1500."""

    def __init__(self, *args: Any, fetch_max_wait_ms: int) -> None:
        super().__init__(*args)
        self.fetch_max_wait_ms = fetch_max_wait_ms

    class Consumer(Consumer):  # type: ignore[misc]
        logger = _faust_logger

        async def _wait_next_records(self, timeout: float) -> Any:
            """Sooner than Faust, which after one full buffer waits a second for the other partitions,
            though they may be empty, and so has the worker idle most of the time under load.
            """
            if not self._buffered_partitions:
                return await super()._wait_next_records(timeout)
            for _ in range(round(timeout / BUFFER_POLL_S)):
                if self._get_active_partitions() or self.should_stop:
                    break
                await asyncio.sleep(BUFFER_POLL_S)
            return await super()._wait_next_records(BUFFER_POLL_S)

        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _ConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    logger = _faust_logger

    def _create_worker_consumer(self, transport: _Transport) -> Any:
        """With the sticky assignor of KIP-54: shares differ by one at most, and few cameras change hands.
        Faust's own lets each worker keep ⌈partitions / workers⌉, so that a third one may get nothing.
        """
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = (StickyPartitionAssignor,)
        consumer._fetch_max_wait_ms = transport.fetch_max_wait_ms
        return consumer

    async def on_thread_stop(self) -> None:
        """Ends although aiokafka lets out the cancellation of a fetch of its own, which happens when the
        fetch waits to be tried again because Kafka is away. The thread would die of it with a traceback,
        and whoever waits for its end would wait for ever.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()
