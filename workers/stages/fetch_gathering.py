"""Fuller fetches on a busy stream: the thread of a stage's consumer, and what it asks Kafka for.

aiokafka asks for whatever is there. On a busy stream that makes many small answers, and each costs about as
much as a full one. So from a rate of messages on, this thread asks Kafka to wait until there is more.
"""

import asyncio
import contextlib
import logging
import math
import time
from typing import Any

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

GATHER_FROM_PER_S, GATHER_MS, GATHER_BYTES = 50.0, 50, 128 * 1024
"""From so many messages a second on, Kafka is to answer a fetch only after so long, or with so many bytes:
fewer and larger batches cost a fraction of what each message by itself does. Slower streams do not wait.
"""


class MessageRate:
    """How many messages a second come: an exponential average over about a second."""

    def __init__(self, now_s: float) -> None:
        self.per_s = 0.0
        self._last_s = now_s

    def took(self, count: int, now_s: float) -> None:
        """Notes so many messages that came just now."""
        # Each message is a pulse of area 1 that fades with the time constant of a second.
        self.per_s = self.per_s * math.exp(self._last_s - now_s) + count
        self._last_s = now_s


class GatheringThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's thread for aiokafka's consumer, with the sticky assignor and with fuller fetches."""

    logger = logging.getLogger("faust.transport")

    def _create_worker_consumer(self, transport: Any) -> Any:
        """aiokafka's consumer, with the sticky assignor of KIP-54: shares differ by one at most, and few
        cameras change hands. Faust's own lets each worker keep ⌈partitions / workers⌉: a third one may get
        nothing.
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
