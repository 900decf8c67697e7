"""`mien dead-letters`: reads what stages refused, and sends it back where it came from.

A letter that was sent back is marked on the topic itself, behind it, so that the mark lives as long as the
letter. The order is: send, wait for the delivery, mark. Cut off in between, it can be sent back twice.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams import broker
from streams.errors import InputRefused, SourceNotFound
from streams.messages import dead_letter
from streams.messages.dead_letter import DeadLetter
from streams.settings import Settings

POLL_MS = 1000


class WholeLetter(msgspec.Struct, frozen=True):
    """A letter with all that it holds."""

    letter: DeadLetter
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    """Those that the message came with."""


class SentBack(msgspec.Struct, frozen=True):
    """What became of a letter that was chosen."""

    place: str
    topic: str
    outcome: str
    """``replayed``; ``already`` (before, and not asked for again); ``left-out`` (the letter is not whole);
    ``foreign-topic`` (it names a topic that is none of ours); ``too-large`` (for its topic); ``gone``
    (expired meanwhile)."""


class DeadLetters:
    """The topic of the dead letters. Use :func:`connect`."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings) -> None:
        self._consumer = consumer
        self._settings = settings
        self._topic = settings.topics.dead_letters.name

    async def all(self) -> list[DeadLetter]:
        """Those that are there now, without their values, newest last."""
        found: list[DeadLetter] = []
        replayed: set[str] = set()
        async for record in self._records():
            if (place := dead_letter.replayed_place(record.headers)) is not None:
                replayed.add(place)
            else:
                found.append(_letter(record))
        found.sort(key=lambda letter: letter.at_us)
        return [
            msgspec.structs.replace(letter, replayed=True) if letter.place in replayed else letter
            for letter in found
        ]

    async def whole(self, letter: DeadLetter) -> WholeLetter:
        """A letter with its value.

        Raises:
            SourceNotFound: if it expired meanwhile.
        """
        partition, offset = place(letter.place)
        tp = TopicPartition(self._topic, partition)
        self._consumer.assign([tp])
        first = (await self._consumer.beginning_offsets([tp]))[tp]
        end = (await self._consumer.end_offsets([tp]))[tp]
        if first <= offset < end:
            self._consumer.seek(tp, offset)
            record = await self._consumer.getone()
            if record.offset == offset:
                return WholeLetter(
                    letter, record.key, record.value, dead_letter.foreign_headers(record.headers)
                )
        raise SourceNotFound(f"Dead letter {letter.place} is not on {self._topic} any more: it expired.")

    async def _records(self) -> AsyncIterator[Any]:
        """All messages from the first to what is the last one now."""
        partitions = self._consumer.partitions_for_topic(self._topic) or ()
        places = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
        self._consumer.assign(places)
        ends = await self._consumer.end_offsets(places)
        await self._consumer.seek_to_beginning(*places)
        while left := [tp for tp in places if await self._consumer.position(tp) < ends[tp]]:
            for records in (await self._consumer.getmany(*left, timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[DeadLetters]:
    """Raises:
    ServiceUnavailable: if Kafka does not answer, has no such topic, or does not let this user read it.
    """
    topic = settings.topics.dead_letters
    await broker.wait_until_ready(settings, 0, topic)
    consumer = AIOKafkaConsumer(
        topic.name, **broker.connection(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        consumer.unsubscribe()
        yield DeadLetters(consumer, settings)
    except (KafkaError, OSError, TimeoutError) as exc:
        raise broker.unavailable(settings, exc) from exc
    finally:
        await consumer.stop()


async def read_all(settings: Settings, reasons: Sequence[str]) -> list[DeadLetter]:
    """The letters of these reasons, of all without any; newest last."""
    async with connect(settings) as letters:
        return [letter for letter in await letters.all() if not reasons or letter.reason in reasons]


async def read_one(settings: Settings, wanted: str) -> WholeLetter:
    """The letter of that place.

    Raises:
        SourceNotFound: if there is none.
    """
    async with connect(settings) as letters:
        (letter,) = _chosen(settings, await letters.all(), (), [wanted])
        return await letters.whole(letter)


async def choose(settings: Settings, reasons: Sequence[str], places: Sequence[str]) -> list[DeadLetter]:
    """The letters of these reasons and at these places; either may be left open.

    Raises:
        SourceNotFound: if there is none at one of the places.
    """
    async with connect(settings) as letters:
        return _chosen(settings, await letters.all(), reasons, places)


async def replay(settings: Settings, chosen: Sequence[DeadLetter], *, again: bool) -> list[SentBack]:
    """Sends letters back to the topics that they were refused from, with their own key and headers.

    Those that were sent back before are not, unless ``again``.
    """
    ours = {topic.name for topic in settings.topics} - {settings.topics.dead_letters.name}
    refused = settings.topics.dead_letters
    producer = broker.producer(settings, max_message_bytes=refused.max_message_bytes)
    done = []
    async with connect(settings) as letters:
        try:
            await producer.start()
            for letter in chosen:
                if letter.replayed and not again:
                    outcome = "already"
                elif letter.left_out:
                    outcome = "left-out"
                elif letter.topic not in ours:
                    # Its headers are text of whoever wrote it: no way to write to any topic at all.
                    outcome = "foreign-topic"
                else:
                    outcome = await _send_back(producer, letters, letter, refused.name)
                done.append(SentBack(letter.place, letter.topic, outcome))
        finally:
            await producer.stop()
    return done


def refuse_failed(done: Sequence[SentBack]) -> None:
    """Raises InputRefused if a letter could not be sent back."""
    failed = [one for one in done if one.outcome not in ("replayed", "already")]
    if failed:
        told = ", ".join(f"{one.place} ({one.outcome})" for one in failed)
        raise InputRefused(f"Dead letters that could not be sent back: {told}", reason="not-replayed")


def place(text: str) -> tuple[int, int]:
    """Partition and offset of ``41`` or ``2@41``.

    Raises:
        ValueError: if it is neither.
    """
    partition, _, offset = text.rpartition("@")
    numbers = (partition or "0", offset)
    if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
        raise ValueError(f"{text!r} is no place of a dead letter, like 41 (or 2@41 in partition 2)")
    return int(numbers[0]), int(numbers[1])


async def _send_back(
    producer: AIOKafkaProducer, letters: DeadLetters, letter: DeadLetter, refused: str
) -> str:
    try:
        whole = await letters.whole(letter)
    except SourceNotFound:
        return "gone"
    try:
        await producer.send_and_wait(letter.topic, whole.value, key=whole.key, headers=whole.headers)
    except broker.TOO_LARGE:
        return "too-large"
    key, value, headers = dead_letter.replayed_mark(letter.place)
    await producer.send_and_wait(refused, value, key=key, headers=headers)
    return "replayed"


def _chosen(
    settings: Settings, found: Sequence[DeadLetter], reasons: Sequence[str], places: Sequence[str]
) -> list[DeadLetter]:
    wanted = {dead_letter.place_of(*place(text)) for text in places}
    if missing := wanted - {letter.place for letter in found}:
        raise SourceNotFound(
            f"There is no dead letter {', '.join(sorted(missing))} on {settings.topics.dead_letters.name}: "
            "`mien dead-letters list` shows those that have not expired."
        )
    return [
        letter
        for letter in found
        if (not wanted or letter.place in wanted) and (not reasons or letter.reason in reasons)
    ]


def _letter(record: Any) -> DeadLetter:
    return dead_letter.decode(
        record.partition, record.offset, record.timestamp * 1000, record.value, record.headers
    )
