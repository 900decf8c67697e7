"""`mien dead-letters` on the embedded broker: what is listed, and what is sent back, once."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams import broker
from streams.errors import BadPicture, InputRefused, SourceNotFound
from streams.local import embedded_servers
from streams.messages.dead_letter import DeadLetter
from streams.settings import Settings
from workers.stages.handler import Message
from workers.stages.outlet import Outlet
from workers.upkeep import dead_letters

FRAME = Message(b"door", b"\xff\xd8 no picture", [("seq", b"7"), ("source", b"file")], "mien.frames", 2, 41)


@pytest.fixture
async def settings() -> AsyncIterator[Settings]:
    with embedded_servers.broker(*Settings().topics) as address:
        yield Settings(kafka_bootstrap_servers=address)


async def refuse(settings: Settings, *messages: Message, reason: str = "not-a-jpeg") -> None:
    topic = settings.topics.dead_letters
    async with broker.producer(settings, max_message_bytes=topic.max_message_bytes) as producer:
        outlet = Outlet(producer, "landmarks", topic)
        for message in messages:
            await outlet.refuse(message, BadPicture("odd", reason=reason))


async def messages(settings: Settings, topic: str) -> list[Any]:
    """All that a topic has, over all of its partitions."""
    found: list[Any] = []
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        for partition in range(embedded_servers.PARTITIONS):
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            end = (await consumer.end_offsets([tp]))[tp]
            found += [await consumer.getone() for _ in range(end)]
    return found


async def outcomes(settings: Settings, chosen: Sequence[DeadLetter], *, again: bool = False) -> list[str]:
    return [one.outcome for one in await dead_letters.replay(settings, chosen, again=again)]


async def test_an_empty_topic_has_no_letters(settings: Settings) -> None:
    assert await dead_letters.read_all(settings, ()) == []


async def test_letters_are_listed_newest_last_and_by_reason(settings: Settings) -> None:
    await refuse(settings, FRAME, FRAME._replace(offset=42))
    await refuse(settings, FRAME._replace(offset=43), reason="corrupt")
    found = await dead_letters.read_all(settings, ())
    corrupt = await dead_letters.read_all(settings, ["corrupt"])

    assert {letter.offset for letter in found} == {41, 42, 43}
    assert [letter.at_us for letter in found] == sorted(letter.at_us for letter in found)
    assert [(letter.reason, letter.offset) for letter in corrupt] == [("corrupt", 43)]
    assert {(letter.stage, letter.topic, letter.partition) for letter in found} == {
        ("landmarks", "mien.frames", 2)
    }


async def test_one_is_read_whole_as_it_came(settings: Settings) -> None:
    await refuse(settings, FRAME)
    await refuse(settings, FRAME._replace(value=b"another"), reason="corrupt")
    for letter in await dead_letters.read_all(settings, ()):
        whole = await dead_letters.read_one(settings, letter.place)
        value = b"another" if letter.reason == "corrupt" else FRAME.value

        assert (whole.key, whole.value, whole.headers) == (b"door", value, FRAME.headers)
    with pytest.raises(SourceNotFound, match="There is no dead letter 3@999"):
        await dead_letters.read_one(settings, "3@999")


async def test_a_letter_goes_back_where_it_came_from_once(settings: Settings) -> None:
    await refuse(settings, FRAME)
    await refuse(settings, FRAME._replace(value=b"stays"), reason="corrupt")
    chosen = await dead_letters.choose(settings, ["not-a-jpeg"], ())
    assert await outcomes(settings, chosen) == ["replayed"]

    (sent,) = await messages(settings, "mien.frames")
    assert (sent.key, sent.value, list(sent.headers)) == (FRAME.key, FRAME.value, FRAME.headers)

    chosen = await dead_letters.choose(settings, ["not-a-jpeg"], ())
    assert [letter.replayed for letter in chosen] == [True]
    assert await outcomes(settings, chosen) == ["already"]
    assert len(await messages(settings, "mien.frames")) == 1
    assert await outcomes(settings, chosen, again=True) == ["replayed"]
    assert len(await messages(settings, "mien.frames")) == 2

    assert [(x.reason, x.replayed) for x in await dead_letters.read_all(settings, ())] == [
        ("not-a-jpeg", True),
        ("corrupt", False),
    ]  # a mark is no letter


async def test_reason_and_place_choose_together(settings: Settings) -> None:
    await refuse(settings, FRAME, FRAME)
    await refuse(settings, FRAME, reason="corrupt")
    all_ = await dead_letters.read_all(settings, ())
    first = all_[0].place

    assert [x.place for x in await dead_letters.choose(settings, (), [first])] == [first]
    assert await dead_letters.choose(settings, ["corrupt"], [first]) == []
    with pytest.raises(SourceNotFound):
        await dead_letters.choose(settings, ["corrupt"], ["998"])


@pytest.mark.parametrize("topic", ["mien.dead-letters", "payments", "mien.frames2", ""])
async def test_a_letter_cannot_name_a_topic_that_is_none_of_ours(settings: Settings, topic: str) -> None:
    await refuse(settings, FRAME._replace(topic=topic))
    done = await dead_letters.replay(settings, await dead_letters.read_all(settings, ()), again=False)

    assert [one.outcome for one in done] == ["foreign-topic"]
    with pytest.raises(InputRefused, match="foreign-topic"):
        dead_letters.refuse_failed(done)


async def test_a_letter_that_is_not_whole_is_not_sent_back(settings: Settings) -> None:
    letter = DeadLetter("0", 5, "landmarks", "too-large", "", "mien.frames", 0, 0, 9_000_000, "value")

    assert await outcomes(settings, [letter]) == ["left-out"]
    assert await outcomes(settings, [msgspec.structs.replace(letter, left_out="")]) == ["gone"]
    assert await messages(settings, "mien.frames") == []


def test_what_was_sent_back_before_is_no_failure() -> None:
    dead_letters.refuse_failed(
        [dead_letters.SentBack("1", "t", "replayed"), dead_letters.SentBack("2", "t", "already")]
    )


@pytest.mark.parametrize(("text", "where"), [("41", (0, 41)), ("2@41", (2, 41))])
def test_places_are_read(text: str, where: tuple[int, int]) -> None:
    assert dead_letters.place(text) == where


@pytest.mark.parametrize("text", ["", "@", "x", "-1", "1@", "1@2@3", "²", "9" * 5000])
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no place of a dead letter"):
        dead_letters.place(text)
