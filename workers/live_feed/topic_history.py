"""Looks back over what Kafka still holds of one subject: its events, and the points of its face.

A subject's events are in one partition, that of its id; its points in that of its camera. Times are those at
which Kafka got a message. Nothing is read by a group, and nothing is committed.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from streams import broker
from streams.errors import BadMessage, BrokerUnavailable
from streams.messages import emotion_event, landmarks_message
from streams.messages.face_points import FacePoints, face_points
from streams.settings import Settings
from streams.topics import Topic

READERS_MAX: Final = 4
"""At once; others wait."""
SCANNED_MAX: Final = 20_000
"""Messages, also those of other subjects; whoever wants more asks again from where it ended."""
PART_MAX_S: Final = 4.0
"""What was found by then is an answer, and says where it goes on: the embedded broker gives one message a
request, so a minute of a face can take as long."""
POINTS_MAX_S: Final = 6.0
"""For the points of such a part; moments without them are shown without a face."""
TIME_MAX_S: Final = 8.0
"""Kafka that is not through by then does not answer."""
POINTS_BEFORE_MS: Final = 2_000
"""So much earlier than its event a face may be in Kafka."""

_partition_of = DefaultPartitioner()


class History(NamedTuple):
    """A part of a subject's past."""

    events: list[msgspec.Raw]
    """As they are on Kafka."""
    points: list[FacePoints]
    next_offset: int | None
    """Where it goes on; None at the end."""


class TopicHistory:
    """Raises BrokerUnavailable if Kafka does not answer."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        """The producer knows how many partitions a topic has."""
        self._settings = settings
        self._producer = producer
        self._readers = asyncio.Semaphore(READERS_MAX)

    async def of_subject(
        self,
        subject_id: str,
        camera_id: str,
        *,
        since_ms: int,
        until_ms: int,
        offset: int | None,
        limit: int,
        points: bool,
        part_max_s: float = PART_MAX_S,
    ) -> History:
        """Up to ``limit`` events from a time (or from the offset where an answer before ended) to another.

        After ``part_max_s`` the answer is what was found until then.
        """
        try:
            async with self._readers, self._consumer() as consumer:
                topics = self._settings.topics
                events: list[msgspec.Raw] = []
                times_ms: list[int] = []
                next_offset: int | None = None
                ends_s = time.monotonic() + part_max_s
                async for record in self._records(
                    consumer, topics.emotions, subject_id, since_ms, until_ms, offset
                ):
                    is_late = record.scanned > 1 and time.monotonic() > ends_s  # each part gets further
                    if len(events) >= limit or record.scanned > SCANNED_MAX or is_late:
                        next_offset = record.offset
                        break
                    if record.key == subject_id.encode() and _is_event(record.value, camera_id):
                        events.append(msgspec.Raw(record.value))
                        times_ms.append(record.at_ms)
                found: list[FacePoints] = []
                if points and times_ms:
                    found = await self._points(consumer, subject_id, camera_id, times_ms[0], times_ms[-1])
                return History(events, found, next_offset)
        except (KafkaError, OSError) as exc:
            raise broker.unavailable(self._settings, exc) from exc

    async def _points(
        self, consumer: AIOKafkaConsumer, subject_id: str, camera_id: str, first_ms: int, last_ms: int
    ) -> list[FacePoints]:
        found = []
        topic = self._settings.topics.landmarks
        since_ms = first_ms - POINTS_BEFORE_MS
        ends_s = time.monotonic() + POINTS_MAX_S
        async for record in self._records(consumer, topic, camera_id, since_ms, last_ms, None):
            if record.scanned > SCANNED_MAX or time.monotonic() > ends_s:
                break
            try:
                face = landmarks_message.decode(record.value)
                if face.subject_id == subject_id and face.camera_id == camera_id:
                    found.append(face_points(face))
            except BadMessage:
                continue
        return found

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = broker.onlooker(self._settings)
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    async def _records(
        self,
        consumer: AIOKafkaConsumer,
        topic: Topic,
        key: str,
        since_ms: int,
        until_ms: int,
        offset: int | None,
    ) -> AsyncIterator["_Record"]:
        """All records of a key's partition between two times, whatever their key."""
        deadline_s = time.monotonic() + TIME_MAX_S
        partitions = sorted(await self._producer.partitions_for(topic.name))
        place = TopicPartition(topic.name, _partition_of(key.encode(), partitions, partitions))
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        if offset is None:
            begin = (await consumer.beginning_offsets([place]))[place]
            found = (await consumer.offsets_for_times({place: since_ms}))[place]
            # Without an answer there is nothing, or it is the embedded broker, which knows no times.
            offset = found.offset if found else await _first_since(consumer, place, since_ms, begin, end)
        consumer.seek(place, offset)
        scanned = 0
        while await consumer.position(place) < end:
            if time.monotonic() > deadline_s:
                raise BrokerUnavailable(f"{topic.name} could not be looked through in {TIME_MAX_S:.0f} s")
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    if record.offset >= end or record.timestamp > until_ms:
                        return
                    scanned += 1
                    if record.timestamp < since_ms:
                        continue
                    yield _Record(record.offset, record.timestamp, record.key, record.value, scanned)


async def _first_since(
    consumer: AIOKafkaConsumer, place: TopicPartition, since_ms: int, begin: int, end: int
) -> int:
    """The offset at which a time begins, by halves; ``end`` if nothing is that new."""
    middle = end - 1  # most often nothing is that new
    while begin < end:
        consumer.seek(place, middle)
        records = (await consumer.getmany(timeout_ms=1_000, max_records=1)).get(place)
        if records and records[0].offset < end and records[0].timestamp < since_ms:
            begin = records[0].offset + 1
        else:
            end = middle
        middle = (begin + end) // 2
    return begin


class _Record(NamedTuple):
    offset: int
    at_ms: int
    key: bytes | None
    value: Any
    scanned: int


def _is_event(value: bytes, camera_id: str) -> bool:
    try:
        return emotion_event.decode(value).camera_id == camera_id
    except BadMessage:
        return False


def epoch_ms(moment: datetime) -> int:
    """ms since the epoch; 0 for all that was before."""
    return max(0, round(moment.timestamp() * 1000))
