"""Fills the book of activity with what Kafka had before this process began to read: once, behind all else.

It reads from its own consumer, a part at a time, and rests three times as long as a part took. So it takes a
quarter of a core at most, and neither readiness nor answers wait for it.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams import broker, logs
from streams.backoff import backoff_s
from streams.messages.emotion_event import Emotion
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.landmarks_message import CameraId
from streams.messages.unreadable import UNREADABLE
from streams.settings import Settings
from workers.live_feed.activity_book import KEEP_S, ActivityBook

RETRY_BASE_S, RETRY_CAP_S = 0.5, 30.0
PART_MAX: Final = 500
"""Events at a time."""
REST: Final = 3.0
"""So many times as long as a part took."""

log = logs.get("mien.live")


class _Glimpse(msgspec.Struct):
    """Of an emotion event what is counted; reading all of it would take three times as long."""

    camera_id: CameraId
    captured_at: Annotated[datetime, msgspec.Meta(tz=True)]
    emotion: Emotion | None


_decoder: Final = msgspec.json.Decoder(_Glimpse)


class ActivityReadBack:
    """Reads ``mien.emotions`` from an hour ago up to where the reader began, but no more than is set."""

    def __init__(self, settings: Settings, book: ActivityBook) -> None:
        self._settings = settings
        self._book = book
        self._ends: dict[TopicPartition, int] = {}
        self._at: dict[TopicPartition, int] = {}
        """Where it is in each partition."""
        self._cut: set[TopicPartition] = set()
        """Those of which an older part is not read, or gone: their first event tells since when all is."""
        self.counted_since = datetime.now(UTC)
        """From when on the book has all."""

    async def run(self, ends: Mapping[int, int]) -> None:
        """Until all of it is read; `ends` are the partitions' first offsets that the reader has itself."""
        name = self._settings.topics.emotions.name
        self._ends = {TopicPartition(name, partition): end for partition, end in ends.items()}
        if not self._ends or not self._settings.live_read_back_events:
            return
        since_s = time.time() - KEEP_S
        for pause_s in backoff_s(RETRY_BASE_S, RETRY_CAP_S):
            try:
                since_s = await self._read(since_s)
            except (KafkaError, OSError) as exc:
                log.warning("the past is not read", error=str(broker.unavailable(self._settings, exc)))
                await asyncio.sleep(pause_s)
                continue
            self.counted_since = min(self.counted_since, datetime.fromtimestamp(since_s, UTC))
            log.info("the past is read", counted_since=self.counted_since.isoformat(timespec="seconds"))
            return

    async def _read(self, since_s: float) -> float:
        """Goes on where it was; since when all is counted."""
        consumer = broker.onlooker(self._settings)
        try:
            await consumer.start()
            consumer.assign(list(self._ends))
            if not self._at:
                self._at = await self._begin(consumer, since_s)
            places = {place: at for place, at in self._at.items() if at < self._ends[place]}
            # Paused, not assigned anew without them: aiokafka's stop() can hang right behind that.
            consumer.pause(*(self._ends.keys() - places.keys()))
            for place, at in places.items():
                consumer.seek(place, at)
            while places:
                began_s = time.monotonic()
                for place, records in (await consumer.getmany(timeout_ms=500, max_records=PART_MAX)).items():
                    since_s = max(since_s, self._take(place, records))
                for place in [
                    place for place in places if await consumer.position(place) >= self._ends[place]
                ]:
                    del places[place]
                    consumer.pause(place)
                await asyncio.sleep(REST * (time.monotonic() - began_s))
            return since_s
        finally:
            await consumer.stop()

    async def _begin(self, consumer: AIOKafkaConsumer, since_s: float) -> dict[TopicPartition, int]:
        """Where the time begins, or later, where that would be too many events."""
        places = list(self._ends)
        most = max(1, self._settings.live_read_back_events // len(places))
        found = await consumer.offsets_for_times(dict.fromkeys(places, round(since_s * 1000)))
        begins = await consumer.beginning_offsets(places)
        for place, end in (await consumer.end_offsets(places)).items():
            self._ends[place] = min(self._ends[place], end)  # the topic may have been made again
        at = {}
        for place, end in self._ends.items():
            begin, known = begins[place], found[place]
            # Without an answer there is nothing, or it is the embedded broker, which knows no times.
            at[place] = max(known.offset if known else begin, end - most, begin)
            if at[place] > (known.offset if known else begin) or at[place] == begin > 0:
                self._cut.add(place)
        return at

    def _take(self, place: TopicPartition, records: list[Any]) -> float:
        """Counts them; since when all is counted as far as this partition tells, 0 where it tells nothing."""
        now_s = time.time()
        for record in records:
            if record.offset < self._ends[place]:
                try:
                    seen = _decoder.decode(record.value)
                except (*UNREADABLE, TypeError):
                    continue  # the stages have sent it to the dead letters
                if seen.camera_id != PROBE_CAMERA:
                    self._book.take(seen.camera_id, seen.captured_at.timestamp(), seen.emotion, now_s)
        self._at[place] = records[-1].offset + 1
        if place in self._cut:
            self._cut.discard(place)
            return float(records[0].timestamp) / 1000
        return 0.0
