"""A subject's past on the embedded broker, which knows no times and gives one message a request."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from streams import broker
from streams.local import embedded_servers
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from workers.live_feed.topic_history import History, TopicHistory

Make = Callable[..., EmotionEvent]
COUNT = 40
BEGAN_MS = 1_764_000_000_000
EVERY_MS = 100
SUBJECT, CAMERA = "lobby-1:7k3f", "lobby-1"


def write(settings: Settings, make_event: Make) -> list[str]:
    """Events, one each tenth of a second; their ids."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
    ids = []
    for number in range(COUNT):
        event = make_event(frame_seq=number)
        ids.append(event.event_id)
        key, value, _ = emotion_event.encode(event)
        producer.produce(settings.topics.emotions.name, value, key, timestamp=BEGAN_MS + number * EVERY_MS)
        assert producer.flush(10) == 0
    return ids


async def past(
    settings: Settings, since: int, until: int, limit: int = 500, part_max_s: float = 60.0
) -> list[History]:
    """The parts of the past from one event to another."""
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(**broker.connection(settings))
        await producer.start()
        stack.push_async_callback(producer.stop)
        history = TopicHistory(settings, producer)
        parts: list[History] = []
        while not parts or parts[-1].next_offset is not None:
            offset = parts[-1].next_offset if parts else None
            parts.append(
                await history.of_subject(
                    SUBJECT,
                    CAMERA,
                    since_ms=BEGAN_MS + since * EVERY_MS,
                    until_ms=BEGAN_MS + until * EVERY_MS,
                    offset=offset,
                    limit=limit,
                    points=False,
                    part_max_s=part_max_s,
                )
            )
        return parts


def ids_of(parts: list[History]) -> list[str]:
    return [emotion_event.decode(bytes(event)).event_id for part in parts for event in part.events]


def test_the_past_between_two_times_is_found_where_kafka_knows_no_times(make_event: Make) -> None:
    with embedded_servers.broker(*Settings().topics) as address:
        settings = Settings(kafka_bootstrap_servers=address, kafka_fetch_max_wait_ms=5)
        ids = write(settings, make_event)

        for since, until in ((0, COUNT), (1, 5), (COUNT - 1, COUNT), (17, 17), (-9, 3)):
            assert ids_of(asyncio.run(past(settings, since, until))) == ids[max(0, since) : until + 1]
        assert ids_of(asyncio.run(past(settings, COUNT, COUNT + 9))) == []  # nothing is that new

        parts = asyncio.run(past(settings, 0, COUNT, limit=15))
        assert [len(part.events) for part in parts] == [15, 15, 10]
        assert ids_of(parts) == ids


def test_what_was_found_in_time_is_an_answer_and_the_rest_comes_after_it(make_event: Make) -> None:
    with embedded_servers.broker(*Settings().topics) as address:
        settings = Settings(kafka_bootstrap_servers=address, kafka_fetch_max_wait_ms=5)
        ids = write(settings, make_event)

        parts = asyncio.run(past(settings, COUNT - 6, COUNT, part_max_s=0.0))
        assert len(parts) > 1
        assert ids_of(parts) == ids[COUNT - 6 :]
