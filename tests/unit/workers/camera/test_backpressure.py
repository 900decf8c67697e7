"""A lossless camera waits while the landmarks workers are too many bytes behind: on the embedded broker."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams import broker
from streams.local import embedded_servers
from streams.settings import Settings
from workers.camera import backpressure
from workers.camera.backpressure import UNREAD_BYTES_MAX, Backpressure

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with embedded_servers.broker() as address:
        yield Settings(kafka_bootstrap_servers=address, kafka_fetch_max_wait_ms=5)


async def offsets_committed(settings: Settings, group: str, offsets: dict[int, int]) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    topic = settings.topics.frames.name
    consumer.assign([TopicPartition(topic, partition) for partition in offsets])
    await consumer.start()
    try:
        await consumer.commit({TopicPartition(topic, p): offset for p, offset in offsets.items()})
    finally:
        await consumer.stop()


async def publish(settings: Settings, count: int) -> None:
    producer = broker.producer(settings, max_message_bytes=MIB)
    await producer.start()
    try:
        for _ in range(count):
            await producer.send_and_wait(settings.topics.frames.name, b"x", partition=0)
    finally:
        await producer.stop()


@pytest.fixture
def looked_twice(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[None]]:
    """Waits until Kafka was asked twice more where the group is: who does not go on then, waits for it."""
    monkeypatch.setattr(backpressure, "POLL_S", 0.01)
    answers = 0
    ask = AIOKafkaAdminClient.list_consumer_group_offsets

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal answers
        answer = await ask(*arguments, **options)
        answers += 1
        return answer

    monkeypatch.setattr(AIOKafkaAdminClient, "list_consumer_group_offsets", counted)

    async def wait() -> None:
        enough = answers + 2
        async with asyncio.timeout(10):
            while answers < enough:
                await asyncio.sleep(0.01)

    return wait


async def test_it_waits_for_the_group_and_goes_on(
    settings: Settings, looked_twice: Callable[[], Awaitable[None]]
) -> None:
    await publish(settings, 8)
    async with Backpressure.open(settings, settings.topics.frames, reader="landmarks") as ahead:
        for offset in range(UNREAD_BYTES_MAX // MIB):
            ahead.sent(0, offset, MIB)
        await asyncio.wait_for(ahead.wait_for_room(), 5)  # exactly as much as may be unread

        ahead.sent(0, 3, MIB)
        waiting = asyncio.ensure_future(ahead.wait_for_room())
        await looked_twice()
        assert not waiting.done()  # nobody has read anything

        await offsets_committed(settings, settings.group("landmarks"), {0: 1})
        await asyncio.wait_for(waiting, 10)

        ahead.sent(0, 4, MIB)
        waiting = asyncio.ensure_future(ahead.wait_for_room())
        await looked_twice()
        assert not waiting.done()  # one was read, and one more was sent
        await offsets_committed(settings, settings.group("landmarks"), {0: 5})
        await asyncio.wait_for(waiting, 10)


async def test_another_groups_reading_does_not_count(
    settings: Settings, looked_twice: Callable[[], Awaitable[None]]
) -> None:
    other = Settings(**{**settings.model_dump(exclude_unset=True), "topic_prefix": "other"})
    await offsets_committed(other, "somebody-else", {0: 100})
    async with Backpressure.open(other, other.topics.frames, reader="landmarks") as ahead:
        ahead.sent(0, 0, UNREAD_BYTES_MAX + 1)
        waiting = asyncio.ensure_future(ahead.wait_for_room())
        await looked_twice()
        assert not waiting.done()
        waiting.cancel()


async def test_it_waits_for_nothing_that_went_with_its_topic(
    settings: Settings, looked_twice: Callable[[], Awaitable[None]]
) -> None:
    """Deleted and made again while the camera runs: the new topic's offsets begin at 0."""
    again = Settings(**{**settings.model_dump(exclude_unset=True), "topic_prefix": "again"})
    group = again.group("landmarks")
    await offsets_committed(again, group, {0: 900})
    async with Backpressure.open(again, again.topics.frames, reader="landmarks") as ahead:
        ahead.sent(0, 1000, UNREAD_BYTES_MAX + 1)
        waiting = asyncio.ensure_future(ahead.wait_for_room())
        await looked_twice()
        assert not waiting.done()

        await offsets_committed(again, group, {0: 3})  # of the new topic
        await asyncio.wait_for(waiting, 10)
        ahead.sent(0, 4, UNREAD_BYTES_MAX + 1)
        waiting = asyncio.ensure_future(ahead.wait_for_room())
        await looked_twice()
        assert not waiting.done()  # but for what came after it does
        await offsets_committed(again, group, {0: 5})
        await asyncio.wait_for(waiting, 10)
