"""Reads what the chain says of the probe's frames, and no more of its topics than that.

The key of ``mien.landmarks`` is the camera, so one partition has the probe's faces. A face names its subject,
which is the key of ``mien.emotions``: so one partition of it has the answers. When Redis has an answer, the
subject's state says so by the frame's number.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from redis.asyncio import Redis

from streams import broker
from streams.errors import BadMessage
from streams.messages import emotion_event, landmarks_message
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import PROBE_CAMERA
from streams.settings import Settings
from streams.store import connection
from streams.store.subject_state import state_key
from streams.topics import Topic

LOOK_EVERY_S: Final = 0.01
BEFORE_MS: Final = 1_000
"""So much earlier than a face's capture its answer is looked for: clocks differ."""

_partition_of = DefaultPartitioner()


class Answers:
    """Use :meth:`open`. Raises KafkaError."""

    def __init__(
        self,
        settings: Settings,
        run: int,
        producer: AIOKafkaProducer,
        faces: AIOKafkaConsumer,
        events: AIOKafkaConsumer,
    ) -> None:
        self._settings = settings
        self._run = run
        self._producer = producer
        self._faces = faces
        self._events = events
        self._subject_id = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, run: int, producer: AIOKafkaProducer) -> AsyncIterator[Self]:
        """From now on, of this run of the probe. The producer knows how many partitions a topic has."""
        faces, events = (
            AIOKafkaConsumer(
                **broker.connection(settings),
                fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
                auto_offset_reset="latest",
            )
            for _ in range(2)
        )
        try:
            await faces.start()
            await events.start()
            place = await _place(producer, settings.topics.landmarks, PROBE_CAMERA)
            faces.assign([place])
            await faces.seek_to_end(place)
            await faces.position(place)  # before a frame is sent: else its face could be passed over
            yield cls(settings, run, producer, faces, events)
        finally:
            await faces.stop()
            await events.stop()

    async def keep_reading(self, came: Callable[[EmotionEvent, int], None]) -> None:
        """For ever: calls `came` with each answer and the time in µs at which it was there."""
        await asyncio.gather(self._keep_following(), self._keep_reading_events(came))

    async def _keep_following(self) -> None:
        """Learns which subject the probe's face is, and where its events are."""
        async for record in self._faces:
            with suppress(BadMessage):
                face = landmarks_message.decode(record.value)
                if face.run == self._run and face.subject_id != self._subject_id:
                    place = await _place(self._producer, self._settings.topics.emotions, face.subject_id)
                    since_ms = face.captured_at_us // 1000 - BEFORE_MS
                    found = (await self._events.offsets_for_times({place: since_ms}))[place]
                    self._events.assign([place])
                    if found:
                        self._events.seek(place, found.offset)
                    self._subject_id = face.subject_id

    async def _keep_reading_events(self, came: Callable[[EmotionEvent, int], None]) -> None:
        while True:
            if not self._subject_id:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            for records in (await self._events.getmany(timeout_ms=200)).values():
                for record in records:
                    if event := self._ours(record):
                        came(event, time.time_ns() // 1000)

    def _ours(self, record: Any) -> EmotionEvent | None:
        if record.key != self._subject_id.encode():
            return None
        try:
            event = emotion_event.decode(record.value)
        except BadMessage:
            return None
        return event if event.run == self._run else None


async def _place(producer: AIOKafkaProducer, topic: Topic, key: str) -> TopicPartition:
    """The partition of a topic that has a key's messages."""
    everything = sorted(await producer.partitions_for(topic.name))
    return TopicPartition(topic.name, _partition_of(key.encode(), everything, everything))


async def in_redis_at_us(
    settings: Settings, client: Redis, event: EmotionEvent, *, timeout_s: float
) -> int | None:
    """The time in µs at which Redis has an event's frame; None if it has not got it in time.

    Raises:
        ServiceUnavailable: if Redis does not answer.
    """
    key, seq = state_key(event.subject_id), event.frame_seq
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        async with connection.errors_told(client, settings):
            found = await client.hget(key, "frame_seq")
        if found is not None and found.isdigit() and int(found) >= seq:
            return time.time_ns() // 1000
        await asyncio.sleep(LOOK_EVERY_S)
    return None
