"""How far a clock is off, as Kafka's own stamp tells."""

import pytest
from aiokafka.structs import RecordMetadata, TopicPartition

from streams import broker
from streams.local import embedded_servers
from streams.settings import Settings
from workers.truth.truth_telling import clock_offset_s

SENT_US = 1_764_000_000_000_000


def record(stamp_ms: int, kind: int = 1) -> RecordMetadata:
    return RecordMetadata("t", 0, TopicPartition("t", 0), 7, stamp_ms, kind, 0)


@pytest.mark.parametrize(
    ("kafka_ahead_ms", "took_ms", "offset_s"),
    [
        (0, 5, 0.0),
        (5, 5, 0.0),
        (3, 5, 0.0),
        (2000, 5, -1.995),
        (-2000, 5, 1.999),
        (2000, 3000, 0.0),  # the way there may have taken so long
    ],
)
def test_only_what_the_way_to_kafka_does_not_explain_is_an_offset(
    kafka_ahead_ms: int, took_ms: int, offset_s: float
) -> None:
    stamp = record(SENT_US // 1000 + kafka_ahead_ms)

    found = clock_offset_s(stamp, SENT_US, SENT_US + took_ms * 1000)

    assert found == pytest.approx(offset_s, abs=0.002)


def test_a_record_that_kafka_did_not_stamp_tells_nothing() -> None:
    assert clock_offset_s(record(SENT_US // 1000 - 9000, kind=0), SENT_US, SENT_US + 5) is None


async def test_the_embedded_brokers_stamps_are_no_time() -> None:
    topic = Settings().topics.cameras
    with embedded_servers.broker(topic) as address:
        producer = broker.producer(Settings(kafka_bootstrap_servers=address), max_message_bytes=10_000)
        await producer.start()
        stamped = await producer.send_and_wait(topic.name, b"truth", key=b"lobby")
        await producer.stop()

    assert clock_offset_s(stamped, SENT_US, SENT_US + 5) is None
