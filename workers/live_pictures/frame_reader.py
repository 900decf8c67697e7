"""Reads `mien.frames` while somebody looks, and only the partitions of cameras that are looked at.

From their end, and by no group, so that it takes nothing from the landmarks stage, and commits nothing.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from streams import broker, logs
from streams.backoff import backoff_s
from streams.errors import BadMessage
from streams.messages import frame_message
from streams.settings import Settings
from workers.live_pictures.picture_book import PictureBook

RETRY_BASE_S, RETRY_CAP_S = 0.5, 5.0
FETCH_MS: Final = 200
FETCH_BYTES: Final = 1024 * 1024
"""Of one partition at once; a frame that is larger comes alone."""

_partition_of = DefaultPartitioner()

log = logs.get("mien.live")


class FrameReader:
    """Fills the book while somebody looks."""

    def __init__(self, settings: Settings, book: PictureBook, producer: AIOKafkaProducer) -> None:
        """The producer knows how many partitions the topic has."""
        self._settings = settings
        self._book = book
        self._producer = producer
        self._looked = asyncio.Event()

    def look(self, camera_id: str) -> None:
        """Somebody looks at a camera now."""
        self._book.look(camera_id, time.monotonic())
        self._looked.set()

    async def keep_reading(self, ended: Callable[[], None]) -> None:
        """For ever; `ended` is called when nobody looks any more."""
        while True:
            await self._looked.wait()
            self._looked.clear()
            for pause_s in backoff_s(RETRY_BASE_S, RETRY_CAP_S):
                try:
                    await self._read()
                    ended()
                    break
                except (KafkaError, OSError) as exc:
                    error = broker.unavailable(self._settings, exc)
                    log.warning("pictures are not read", error=str(error))
                await asyncio.sleep(pause_s)

    async def _read(self) -> None:
        """Until nobody looks."""
        places = await self._places()
        if not places:
            return
        consumer = AIOKafkaConsumer(
            **broker.connection(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=self._settings.kafka_fetch_max_wait_ms,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        read: set[TopicPartition] = set()
        try:
            await consumer.start()
            log.info("pictures are read: somebody looks")
            while places:
                if places != read:
                    await _go_on(consumer, read, places)
                    read = places
                for records in (await consumer.getmany(timeout_ms=FETCH_MS)).values():
                    for record in records:
                        self._take(record.key, record.value, record.headers)
                places = await self._places()
            log.info("pictures are not read any more: nobody looks")
        finally:
            await consumer.stop()

    async def _places(self) -> set[TopicPartition]:
        """The partitions of the cameras that somebody looks at."""
        cameras = self._book.looked_at(time.monotonic())
        if not cameras:
            return set()
        topic = self._settings.topics.frames.name
        partitions = sorted(await self._producer.partitions_for(topic))
        return {
            TopicPartition(topic, _partition_of(camera.encode(), partitions, partitions))
            for camera in cameras
        }

    def _take(self, key: bytes | None, value: bytes | None, headers: frame_message.Headers) -> None:
        try:
            frame = frame_message.decode(key, value, headers)
        except BadMessage:
            return  # the landmarks stage says so, and puts it to the dead letters
        self._book.take_frame(frame, time.monotonic())


async def _go_on(
    consumer: AIOKafkaConsumer, before: set[TopicPartition], places: set[TopicPartition]
) -> None:
    """Reads these partitions: those that were read already where it was, the others from their end."""
    known = {place: await consumer.position(place) for place in before & places}
    consumer.assign(list(places))
    ends = await consumer.end_offsets(list(places - before))
    for place in places:
        consumer.seek(place, known.get(place, ends.get(place, 0)))
