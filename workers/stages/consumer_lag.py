"""How far a worker is: the metric `mien_consumer_lag`, messages that wait in each of its partitions.

And until when everything is done, for a stage that must tell a subject that is gone from work that waits.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams import logs, metrics

LAG_INTERVAL_S = 2.0

log = logs.get("mien.stage")


class LagWatch:
    """Knows which messages are done, and sets the metric every `LAG_INTERVAL_S`."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._next_offset: dict[TopicPartition, int] = {}
        self._ahead: tuple[float, dict[TopicPartition, int]] | None = None
        """When Kafka was so far."""
        self._done_until_s: float | None = None

    def done(self, records: Iterable[Any]) -> None:
        """Notes the records of a batch that was acknowledged, in their order."""
        for record in records:
            self._next_offset[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def forget(self) -> None:
        """After a rebalance: others may have worked on our partitions meanwhile."""
        self._next_offset.clear()
        self._ahead = self._done_until_s = None

    async def keep_watching(self, consumer: Any) -> None:
        """Sets the metric for ever. `consumer` is aiokafka's or Faust's."""
        while True:
            await asyncio.sleep(LAG_INTERVAL_S)
            try:
                lags = await self.lags(consumer)
            except (AssertionError, KafkaError) as exc:  # aiokafka's way to say that a rebalance came between
                log.debug("lag not known", stage=self._stage, error=repr(exc))
                continue
            metrics.consumer_lag.clear()
            for tp, lag in lags.items():
                metrics.consumer_lag.labels(tp.topic, tp.partition).set(lag)

    async def lags(self, consumer: Any) -> dict[TopicPartition, int]:
        """Messages that wait in each assigned partition that ever had one."""
        lags = {}
        for tp in consumer.assignment():
            if end := consumer.highwater(tp):
                lags[tp] = max(0, end - await self._next(consumer, tp))
        return lags

    async def _next(self, consumer: Any, tp: TopicPartition) -> int:
        """The offset of the first message that is not done."""
        return self._next_offset.get(tp) or await consumer.position(tp) or 0

    async def done_until_s(self, consumer: Any) -> float | None:
        """Until this time (of the epoch) all that had come to our partitions is done; None: not known yet.

        Ask often: it looks at how far Kafka is, and remembers it until the work has come as far.
        """
        try:
            if self._ahead is None or await self._have_passed(consumer, self._ahead[1]):
                self._done_until_s = self._ahead[0] if self._ahead else self._done_until_s
                ends = {tp: consumer.highwater(tp) for tp in consumer.assignment()}
                fetched = None not in ends.values()
                self._ahead = (time.time(), ends) if fetched else None
        except (AssertionError, KafkaError) as exc:  # as in `keep_watching`
            log.debug("progress not known", stage=self._stage, error=repr(exc))
            self.forget()
        return self._done_until_s

    async def _have_passed(self, consumer: Any, ends: dict[TopicPartition, int]) -> bool:
        for tp, end in ends.items():
            if await self._next(consumer, tp) < end:
                return False
        return True
