"""Reads ``mien.cameras`` for `mien alerts`: all of it at the start, then what comes.

Each worker reads all partitions, by no group: the subjects of its share may be any camera's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams import broker, logs
from streams.backoff import backoff_s
from streams.errors import BadMessage
from streams.messages import camera_truth
from streams.settings import Settings
from workers.alerts.truth_timeline import TruthTimeline

FIRST_READ_S: Final = 20.0
"""So long a starting stage waits for what was told before; then it goes on, and hears of it later."""
RETRY_BASE_S, RETRY_CAP_S = 1.0, 5.0

log = logs.get("mien.alerts")


class TruthReader:
    """Keeps a timeline up to date."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next: dict[int, int] = {}
        """Partition → the offset to come."""
        self._gaps: dict[int, int] = {}
        """Partition → the offset behind the last ones that Kafka no longer has."""
        self._last: dict[str, int] = {}
        """Camera → the offset of its last event."""
        self.timeline = TruthTimeline()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[TruthTimeline]:
        """Gives the timeline when it knows what was told before, and reads on within the block."""
        known = asyncio.Event()
        task = asyncio.ensure_future(self._keep_reading(known))
        try:
            try:
                await asyncio.wait_for(known.wait(), FIRST_READ_S)
            except TimeoutError:
                log.warning("what is true of the cameras is not known yet", waited_s=FIRST_READ_S)
            yield self.timeline
        finally:
            task.cancel()

    async def _keep_reading(self, known: asyncio.Event) -> None:
        for pause_s in backoff_s(RETRY_BASE_S, RETRY_CAP_S):
            try:
                await self._read(known)
            except (KafkaError, OSError) as exc:
                error = broker.unavailable(self._settings, exc)
                log.warning("what is true of the cameras is not read", error=str(error))
            await asyncio.sleep(pause_s)

    async def _read(self, known: asyncio.Event) -> None:
        settings = self._settings
        consumer = AIOKafkaConsumer(
            settings.topics.cameras.name,
            **broker.connection(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        )
        try:
            await consumer.start()
            ends = await consumer.end_offsets(list(consumer.assignment()))
            waiting = {place for place, end in ends.items() if end > await consumer.position(place)}
            while True:
                if not waiting:
                    known.set()
                for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                    for record in records:
                        self.take(record)
                    if records[-1].offset + 1 >= ends.get(place, 0):
                        waiting.discard(place)
        finally:
            await consumer.stop()

    def take(self, record: Any) -> None:
        """Takes one record, as aiokafka gives it; one that was taken already changes nothing."""
        partition, offset = record.partition, record.offset
        expected = self._next.get(partition)
        if expected is not None and offset < expected:
            return  # read once more, after Kafka was away
        if expected is not None and offset > expected:
            self._gaps[partition] = offset
        self._next[partition] = offset + 1
        try:
            truth = camera_truth.decode(record.value)
        except BadMessage as exc:
            log.warning("no truth of a camera", partition=partition, offset=offset, error=str(exc))
            return
        before = self._last.get(truth.camera_id)
        self._last[truth.camera_id] = offset
        self.timeline.add(truth, whole=before is None or self._gaps.get(partition, 0) <= before)
