"""What is read of the frames, from where, and for how long; the consumer here only writes down."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from made_up_messages import frame as made_up_frame

from streams.messages import frame_message
from streams.settings import Settings
from workers.live_pictures import frame_reader, picture_book
from workers.live_pictures.frame_reader import FrameReader
from workers.live_pictures.picture_book import PictureBook
from workers.local.chain import one_camera_a_partition

PARTITIONS, END = 4, 100
FIRST, SECOND = one_camera_a_partition(PARTITIONS, "camera")[:2]


class Consumer:
    """Each fetch moves on by one."""

    started: ClassVar[list["Consumer"]] = []
    failures: ClassVar[list[Exception]] = []

    def __init__(self, *topics: str, **options: Any) -> None:
        self.topics, self.options = topics, options
        self.positions: dict[int, int] = {}
        self.assigned: list[dict[int, int]] = []
        """What was read from where, each time that it changed."""
        self.records: list[Any] = []
        self.is_stopped = False
        Consumer.started.append(self)

    async def start(self) -> None:
        if Consumer.failures:
            raise Consumer.failures.pop()

    async def stop(self) -> None:
        self.is_stopped = True

    def assign(self, places: list[TopicPartition]) -> None:
        self.positions = {}
        self.assigned.append({place.partition: -1 for place in places})

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place.partition] = self.assigned[-1][place.partition] = offset

    async def position(self, place: TopicPartition) -> int:
        return self.positions[place.partition]

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, END)

    async def getmany(self, **_how: Any) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0.001)
        self.positions = {place: offset + 1 for place, offset in self.positions.items()}
        records, self.records = self.records, []
        return {TopicPartition("any", 0): records}


class Producer:
    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(PARTITIONS))


class Reading:
    """A reader at work."""

    def __init__(self) -> None:
        self.book = PictureBook()
        self.reader = FrameReader(Settings(), self.book, cast(Any, Producer()))
        self.ended = 0
        self._task = asyncio.ensure_future(self.reader.keep_reading(self._count))

    def _count(self) -> None:
        self.ended += 1

    async def until(self, what: Any) -> None:
        async with asyncio.timeout(20):
            while not what():
                await asyncio.sleep(0.001)

    def stop(self) -> None:
        self._task.cancel()


@pytest.fixture(autouse=True)
def _consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_reader, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(frame_reader, "RETRY_BASE_S", 0.001)
    monkeypatch.setattr(Consumer, "started", [])
    monkeypatch.setattr(Consumer, "failures", [])


def partition(camera: str) -> int:
    everything = list(range(PARTITIONS))
    return int(frame_reader.DefaultPartitioner()(camera.encode(), everything, everything))


async def test_nothing_is_read_until_somebody_looks_and_nothing_when_nobody_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading = Reading()
    await asyncio.sleep(0.01)
    assert Consumer.started == []

    reading.reader.look(FIRST)
    await reading.until(lambda: Consumer.started and Consumer.started[0].positions)
    with monkeypatch.context() as later:
        later.setattr(picture_book, "LOOK_S", 0.0)
        await reading.until(lambda: reading.ended)
    assert Consumer.started[0].is_stopped
    reading.reader.look(FIRST)
    await reading.until(lambda: len(Consumer.started) == 2)
    reading.stop()

    first = Consumer.started[0]
    assert first.topics == ()
    assert (first.options["group_id"], first.options["enable_auto_commit"]) == (None, False)
    assert first.assigned == [{partition(FIRST): END}]


async def test_only_partitions_of_cameras_that_are_looked_at_are_read_and_each_goes_on_where_it_was() -> None:
    reading = Reading()
    reading.reader.look(FIRST)
    await reading.until(lambda: Consumer.started and Consumer.started[0].positions)
    consumer = Consumer.started[0]
    await reading.until(lambda: consumer.positions[partition(FIRST)] > END + 3)
    reading.reader.look(SECOND)
    await reading.until(lambda: len(consumer.assigned) == 2)
    reading.stop()

    both = consumer.assigned[1]
    assert set(both) == {partition(FIRST), partition(SECOND)}
    assert both[partition(FIRST)] > END + 3
    assert both[partition(SECOND)] == END


async def test_frames_go_to_the_book_and_what_is_none_is_passed_over() -> None:
    reading = Reading()
    reading.reader.look(FIRST)
    await reading.until(lambda: Consumer.started and Consumer.started[0].positions)
    key, value, headers = frame_message.encode(made_up_frame(b"jpeg")._replace(camera_id=FIRST))
    Consumer.started[0].records += [
        SimpleNamespace(key=key, value=value, headers=[]),
        SimpleNamespace(key=None, value=None, headers=headers),
        SimpleNamespace(key=key, value=value, headers=headers),
    ]
    await reading.until(lambda: reading.book.newest(FIRST, shown=True, now_s=time.monotonic()))
    reading.stop()

    assert reading.book.held_bytes == len(b"jpeg")


async def test_it_goes_on_when_kafka_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(frame_reader.log, "warning", lambda words, **_: told.append(words))
    Consumer.failures += [KafkaConnectionError(), OSError()]
    reading = Reading()
    reading.reader.look(FIRST)
    await reading.until(lambda: len(Consumer.started) == 3 and Consumer.started[2].positions)
    reading.stop()

    assert told == ["pictures are not read"] * 2
    assert [consumer.is_stopped for consumer in Consumer.started[:2]] == [True, True]
