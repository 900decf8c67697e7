"""Fuller fetches on a busy stream: how long a stage's consumer holds back before it asks Kafka again.

aiokafka asks for whatever is there. On a busy stream that makes many small answers, and each costs about as
much as a full one. So from a rate of messages on, the partitions are paused for a moment after an answer, and
what comes meanwhile comes together.
"""

import asyncio
import math
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer

GATHER_FROM_PER_S, GATHER_S, GATHER_BYTES = 50.0, 0.05, 128 * 1024
"""From so many messages a second on, Kafka is asked again only after so long, unless the last answer had so
many bytes: fewer and larger batches cost a fraction of what each message by itself does. Slower streams do
not wait.
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


class Gathering:
    """Pauses a consumer's partitions after an answer, while their stream is busy."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._rate = MessageRate(time.monotonic())
        self._flows = asyncio.Event()
        self._flows.set()

    async def over(self) -> None:
        """Returns when Kafka may be asked again. While it is not, aiokafka would throw away what it has."""
        await self._flows.wait()

    @property
    def is_over(self) -> bool:
        """Whether Kafka may be asked now."""
        return self._flows.is_set()

    def took(self, records: Iterable[Any]) -> None:
        """Notes an answer. Call it before aiokafka's next step, or it has already asked again."""
        sizes = [max(0, record.serialized_value_size) for record in records]
        self._rate.took(len(sizes), time.monotonic())
        if sizes and self._rate.per_s > GATHER_FROM_PER_S and sum(sizes) < GATHER_BYTES:
            self._flows.clear()
            self._consumer.pause(*self._consumer.assignment())
            asyncio.get_running_loop().call_later(GATHER_S, self._flow)

    def _flow(self) -> None:
        self._consumer.resume(*self._consumer.paused())
        self._flows.set()
