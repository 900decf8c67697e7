"""What is done and what is committed of the partitions that a consumer holds from one rebalance to the next.

A commit says that all before an offset is done. It is made of work that was done in this share alone, one
commit at a time, so a commit that takes long cannot overtake a later one, nor be made for partitions that
have been given to somebody else: a committed offset does not go back.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetMetadataTooLargeError

from streams import broker, logs
from streams.settings import Settings
from workers.stages.handler import Note

COMMIT_TIMEOUT_S = 2.0
"""aiokafka tries for ever, also for a partition that was deleted."""

log = logs.get("mien.stage")


class Share:
    """The partitions of one assignment: the next offset of each, as done and as committed.

    Args:
        session_timeout_s: after so long without a word from Kafka, others may have had the partitions.
    """

    def __init__(self, consumer: AIOKafkaConsumer, stage: str, session_timeout_s: float) -> None:
        self.revoked = False
        self.begun = False
        """Whether anything of it was worked on."""
        self.uncommitted = 0
        """Messages that are done: who had to take over now would do them again."""
        self._consumer = consumer
        self._stage = stage
        self._session_timeout_s = session_timeout_s
        self._done: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._notes: dict[TopicPartition, Note] = {}
        self._one_at_a_time = asyncio.Lock()
        self._heard_s = time.monotonic()

    def done(
        self,
        records: Collection[Any],
        note: Callable[[int], Note] | None = None,
        *,
        worked: int | None = None,
    ) -> None:
        """Notes the records of a batch, in their order, when all that it sent is delivered.

        `worked`: how many of them were worked on, all without it; to leave one out again repeats nothing.

        `note` gives what is to be committed with a partition's offset.
        """
        of_batch = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        self._done |= of_batch
        if note:
            self._notes |= {tp: note(tp.partition) for tp in of_batch}
        self.uncommitted += len(records) if worked is None else worked

    async def commit(self) -> None:
        """Commits what is done. If that fails, it is worked on again, by us or by others."""
        async with self._one_at_a_time:
            count = self.uncommitted
            new = {
                tp: offset
                for tp, offset in self._done.items()
                if self._committed.get(tp) != offset and self._exists(tp)
            }
            if not new:
                return
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_S):
                    if time.monotonic() - self._heard_s > self._session_timeout_s:
                        new = await self._ahead(new)
                    if new:
                        await self._commit(new)
            except (KafkaError, TimeoutError) as exc:
                log.warning("not committed: may be worked on again", stage=self._stage, error=repr(exc))
                return
            self._committed |= new
            self.uncommitted -= count
            self._heard_s = time.monotonic()

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        notes = {tp: self._notes[tp]() for tp in offsets if tp in self._notes}
        try:
            await self._consumer.commit(
                {tp: (o, notes[tp]) if notes.get(tp) else o for tp, o in offsets.items()}
            )
        except OffsetMetadataTooLargeError:  # a broker that takes less than Kafka's default
            await self._consumer.commit(offsets)

    def _exists(self, tp: TopicPartition) -> bool:
        return tp.partition in (self._consumer.partitions_for_topic(tp.topic) or ())

    async def _ahead(self, offsets: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Those that are further than what Kafka has.

        A worker that slept past its session, and finds its group empty again, could put the offsets back to
        where it fell asleep: Kafka takes a commit for an empty group from anybody.
        """
        return {
            tp: offset for tp, offset in offsets.items() if offset > (await self._consumer.committed(tp) or 0)
        }


async def committed_notes(
    settings: Settings, group: str, partitions: Collection[TopicPartition]
) -> list[str]:
    """What was committed with the offsets of a group's partitions.

    Raises:
        ServiceUnavailable: if Kafka does not answer.
        AccessDenied: if it refuses the right.
    """
    async with broker.admin(settings) as admin:
        committed = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    return [offset.metadata for offset in committed.values() if offset.metadata]
