"""The metric `mien_consumer_lag`: how many messages wait in each partition that this worker has."""

import asyncio
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

    def done(self, records: Iterable[Any]) -> None:
        """Notes the records of a batch that was acknowledged, in their order."""
        for record in records:
            self._next_offset[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def forget(self) -> None:
        """After a rebalance: others may have worked on our partitions meanwhile."""
        self._next_offset.clear()

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
                next_offset = self._next_offset.get(tp) or await consumer.position(tp) or 0
                lags[tp] = max(0, end - next_offset)
        return lags
