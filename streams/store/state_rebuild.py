"""Makes the state in Redis again from ``mien.emotions``, while state workers run or before they start.

    1. who is in view   the subjects with an event in the last ``subject_ttl_s``: of others Redis has nothing
    2. apply            all of their events, from the topic's beginning, to shadows (``shadow_state``)
    3. put in place     each shadow that has seen all that the state has seen; the others read on, and again

Each subject's events lie in one partition, in order, and each is applied once: the state is a pure fold of
them, and what comes out is byte for byte what the workers would have made. Where the topic no longer has all
events of a subject that Redis still has, it stays as it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams import broker, logs, metrics
from streams.errors import BadMessage, BrokerUnavailable, MienError, ServiceUnavailable
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import connection
from streams.store.shadow_state import ShadowState
from streams.store.state_watch import StateWatch

LOOK_EVERY_S: Final = 1.0
STALL_S: Final = 30.0
"""Kafka gave nothing for so long, though there is more: it is away."""
BATCH_MAX: Final = 500
ROUNDS_MAX: Final = 100
"""So often those who are behind read on: each time, workers may have gone on too."""
ROUND_S: Final = 0.1

log = logs.get("mien.state")

Offsets = dict[TopicPartition, int]


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild did."""

    events_read: int
    events_applied: int
    """To the subjects in view, each once."""
    replaced: int
    """Subjects whose state is now what the topic says."""
    left: int
    """Subjects that stay as they are: Redis has more of them than the topic."""
    seconds: float


async def keep_whole(settings: Settings, watch: StateWatch) -> None:
    """For ever: makes the state again when Redis has lost of it, or is found without one."""
    while True:
        try:
            if await watch.look():
                async with watch.rebuilding():
                    done = await rebuild(settings)
                metrics.state_rebuilds_total.inc()
                if done.events_read:
                    log.info("state made again from the log", **msgspec.structs.asdict(done))
        except MienError as exc:
            log.warning("the state cannot be made again yet", error=str(exc))
        await asyncio.sleep(LOOK_EVERY_S)


async def rebuild(settings: Settings) -> Rebuilt:
    """Makes the state again; returns when it is in place.

    Raises:
        ServiceUnavailable: if Kafka or Redis does not answer; the state is then as it was, or in part made
            again.
    """
    began_s = time.monotonic()
    async with connection.client(settings, timeout_s=5) as client, _EventLog.open(settings) as events:
        shadow = ShadowState(client, settings)
        try:
            return await _rebuild(settings, events, shadow, began_s)
        except KafkaError as exc:
            raise broker.unavailable(settings, exc) from exc
        finally:
            with suppress(ServiceUnavailable):  # they expire
                await shadow.drop()


async def _rebuild(settings: Settings, events: "_EventLog", shadow: ShadowState, began_s: float) -> Rebuilt:
    ttl_ms = settings.subject_ttl_s * 1000
    oldest_ms = time.time_ns() // 1_000_000 - ttl_ms
    last_ms: dict[str, int] = {}  # of the subjects in view
    until = await events.ends()
    async for records in events.read(await events.since(oldest_ms), until):
        in_view = [record for record in records if record.timestamp >= oldest_ms]
        last_ms |= {_subject_of(record): record.timestamp for record in in_view}
    subjects = set(last_ms)

    replaced = less = read = applied = 0
    at = await events.beginnings()
    for _ in range(ROUNDS_MAX):
        async for records in events.read(at, until):
            read += len(records)
            of_subjects = [record for record in records if _subject_of(record) in subjects]
            last_ms |= {_subject_of(record): record.timestamp for record in of_subjects}
            applied += await shadow.apply(list(filter(None, map(_event, of_subjects))))
        now_ms = time.time_ns() // 1_000_000
        made = subjects & shadow.subject_ids
        left_s = {who: (last_ms[who] + ttl_ms - now_ms) // 1000 for who in made}
        outcomes = await shadow.put_in_place(left_s)
        replaced += list(outcomes.values()).count("replaced")
        less += list(outcomes.values()).count("less")
        subjects = {who for who, outcome in outcomes.items() if outcome == "behind"}
        if not subjects:
            break
        await asyncio.sleep(ROUND_S)
        at, until = until, await events.ends()
    seconds = round(time.monotonic() - began_s, 3)
    return Rebuilt(read, applied, replaced, less + len(subjects), seconds)


def _subject_of(record: Any) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _event(record: Any) -> EmotionEvent | None:
    """What no state worker could read either is left out."""
    try:
        event = emotion_event.decode(record.value)
    except BadMessage:
        return None
    return event if event.subject_id == _subject_of(record) else None


class _EventLog:
    """``mien.emotions`` as a log: no consumer group, nothing committed."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings) -> None:
        self._consumer = consumer
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> "AsyncIterator[_EventLog]":
        consumer = AIOKafkaConsumer(
            settings.topics.emotions.name,
            **broker.connection(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        )
        try:
            await consumer.start()
        except KafkaError as exc:
            await consumer.stop()
            raise broker.unavailable(settings, exc) from exc
        try:
            yield cls(consumer, settings)
        finally:
            await consumer.stop()

    async def beginnings(self) -> Offsets:
        found: Offsets = await self._consumer.beginning_offsets(list(self._consumer.assignment()))
        return found

    async def ends(self) -> Offsets:
        found: Offsets = await self._consumer.end_offsets(list(self._consumer.assignment()))
        return found

    async def since(self, at_ms: int) -> Offsets:
        """Where what is not older begins, or before: the embedded broker does not know times."""
        places = dict.fromkeys(self._consumer.assignment(), at_ms)
        found = await self._consumer.offsets_for_times(places)
        return await self.beginnings() | {tp: at.offset for tp, at in found.items() if at is not None}

    async def read(self, start: Mapping[TopicPartition, int], until: Offsets) -> AsyncIterator[list[Any]]:
        """The records of the partitions in `start` from there on, in batches, at least until the others."""
        for tp, offset in start.items():
            self._consumer.seek(tp, offset)
        progress_s = time.monotonic()
        while True:
            ahead = [tp for tp in start if await self._consumer.position(tp) < until[tp]]
            if not ahead:
                return
            batches = await self._consumer.getmany(*ahead, timeout_ms=1000, max_records=BATCH_MAX)
            for records in batches.values():
                yield records
            if batches:
                progress_s = time.monotonic()
            elif time.monotonic() - progress_s > STALL_S:
                raise BrokerUnavailable(
                    f"Kafka at {self._settings.kafka_bootstrap_servers} gave nothing of "
                    f"{self._settings.topics.emotions.name} for {STALL_S:.0f} s, though it has more."
                )
