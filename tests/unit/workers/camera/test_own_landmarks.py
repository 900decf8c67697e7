"""A camera that publishes landmarks alone: what it sends, what it counts, and that no picture is among it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import encode_jpeg
from streams.errors import BadPicture
from streams.health import Health
from streams.messages.frame_message import Frame
from streams.settings import Settings
from workers.camera import camera, own_landmarks
from workers.camera.backpressure import Backpressure
from workers.camera.own_landmarks import KeptBack
from workers.camera.reading_thread import CameraOptions, Captured, Outcomes, Slot
from workers.stages.handler import Handler, Message
from workers.stages.landmarks import BATCH_MAX
from workers.stages.outlet import Outlet

JPEG = Jpeg(encode_jpeg(np.full((48, 64, 3), 90, np.uint8)), (64, 48))
SETTINGS = Settings(frames="none")
TOPIC = SETTINGS.topics.landmarks

pytestmark = pytest.mark.usefixtures("stage", "ahead")


class FakeStage:
    """The landmarks stage: one face a frame, but for those that are refused, empty or a bug."""

    def __init__(self) -> None:
        self.handled: list[list[int]] = []
        self.refused: set[int] = set()
        self.empty: set[int] = set()
        self.bugs: set[int] = set()

    @asynccontextmanager
    async def open_handler(self, _settings: Settings, outlet: Outlet) -> AsyncIterator[Handler]:
        async def handle(batch: Sequence[Message]) -> None:
            self.handled.append([message.offset for message in batch])
            for message in batch:
                if message.offset in self.bugs:
                    raise ZeroDivisionError("a bug")
                if message.offset in self.refused:
                    await outlet.refuse(message, BadPicture("broken", reason="corrupt"))
                elif message.offset not in self.empty:
                    await (await outlet.send(TOPIC, message.key, b"face %d" % message.offset, []))

        yield handle


class FakeProducer:
    """Takes batches; fails as it is told."""

    def __init__(self, *errors: Exception, fits: int = 100) -> None:
        self.batches: list[list[bytes]] = []
        self._errors = list(errors)
        self._fits = fits

    def create_batch(self) -> Any:
        fits = self._fits

        class Batch(list[bytes]):
            def append(self, *, value: bytes, **_: Any) -> object:
                if len(self) == fits:
                    return None
                super().append(value)
                return True

        return Batch()

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic == TOPIC.name
        return {0}

    async def send_batch(self, batch: list[bytes], topic: str, *, partition: int) -> Any:
        assert topic == TOPIC.name
        if self._errors:
            raise self._errors.pop(0)
        offset = sum(map(len, self.batches))
        self.batches.append(list(batch))
        delivery = asyncio.get_running_loop().create_future()
        delivery.set_result(type("Record", (), {"partition": partition, "offset": offset}))
        return delivery


class Ahead:
    def __init__(self) -> None:
        self.noted: list[tuple[int, int, int]] = []

    async def wait_for_room(self) -> None:
        pass

    def sent(self, partition: int, offset: int, n_bytes: int) -> None:
        self.noted.append((partition, offset, n_bytes))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> FakeStage:
    fake = FakeStage()
    monkeypatch.setattr(own_landmarks.landmarks, "open_handler", fake.open_handler)
    monkeypatch.setattr(own_landmarks, "backoff_s", lambda *_: iter([0.0] * 9))
    return fake


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Ahead:
    noted = Ahead()

    @asynccontextmanager
    async def open_it(_settings: Settings, topic: object, *, reader: str) -> AsyncIterator[Ahead]:
        assert (topic, reader) == (TOPIC, "classify")
        yield noted

    monkeypatch.setattr(Backpressure, "open", open_it)
    return noted


async def slot_of(*seqs: int) -> Slot:
    slot = Slot(asyncio.get_running_loop())
    for seq in seqs:
        await asyncio.to_thread(slot.put, Captured(seq, 1_764_000_000_000_000 + seq, JPEG), wait=True)
    slot.close()
    return slot


async def sent(producer: FakeProducer, *seqs: int, lossless: bool = True, stop: bool = False) -> Outcomes:
    outcomes = Outcomes("keeper")
    side = camera._Camera(
        SETTINGS, CameraOptions("keeper", "x", lossless=lossless), Health("kafka"), outcomes
    )
    if stop:
        side._stopping.set()
    await side._send_own_landmarks(producer, await slot_of(*seqs))
    return outcomes


async def test_a_lossless_file_sends_all_faces_in_order(ahead: Ahead) -> None:
    producer = FakeProducer()
    outcomes = await sent(producer, *range(7))

    assert [len(batch) for batch in producer.batches] == [BATCH_MAX, 2]
    assert [face for batch in producer.batches for face in batch] == [b"face %d" % seq for seq in range(7)]
    assert outcomes.counts == {"published": 7}
    assert ahead.noted == [(0, 4, 5 * len(b"face 0")), (0, 6, 2 * len(b"face 0"))]


async def test_a_frame_goes_through_the_tracker_once_however_often_kafka_is_asked(stage: FakeStage) -> None:
    producer = FakeProducer(KafkaTimeoutError(), OSError("no route"), KafkaTimeoutError())
    outcomes = await sent(producer, 1, 2)

    assert stage.handled == [[1, 2]]
    assert producer.batches == [[b"face 1", b"face 2"]]
    assert outcomes.counts == {"published": 2}


async def test_more_faces_than_fit_into_one_piece_go_in_several(ahead: Ahead) -> None:
    producer = FakeProducer(fits=2)
    await sent(producer, 1, 2, 3)

    assert producer.batches == [[b"face 1", b"face 2"], [b"face 3"]]
    assert [(partition, offset) for partition, offset, _ in ahead.noted] == [(0, 1), (0, 2)]


async def test_a_refused_frame_is_counted_and_nothing_of_it_is_sent(stage: FakeStage) -> None:
    stage.refused = {2}
    producer = FakeProducer()
    outcomes = await sent(producer, 1, 2, 3)

    assert producer.batches == [[b"face 1", b"face 3"]]
    assert outcomes.counts == {"published": 2, "corrupt": 1}


async def test_a_frame_without_faces_is_published_without_a_message(stage: FakeStage) -> None:
    stage.empty = {1}
    producer = FakeProducer()
    outcomes = await sent(producer, 1)

    assert producer.batches == []
    assert outcomes.counts == {"published": 1}


async def test_a_bug_on_one_frame_costs_that_frame_alone(stage: FakeStage) -> None:
    stage.bugs = {2}
    producer = FakeProducer()
    outcomes = await sent(producer, 1, 2, 3)

    assert [face for batch in producer.batches for face in batch] == [b"face 1", b"face 3"]
    assert outcomes.counts == {"published": 2, "internal-error": 1}


@pytest.mark.parametrize("producer", [FakeProducer(MessageSizeTooLargeError("big")), FakeProducer(fits=0)])
async def test_faces_that_are_too_large_for_kafka_do_not_stop_the_file(producer: FakeProducer) -> None:
    assert (await sent(producer, 1)).counts == {"too-large": 1}


async def test_a_lossless_file_that_is_told_to_stop_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera, "STOP_GRACE_S", 0.05)
    monkeypatch.setattr(own_landmarks, "backoff_s", lambda *_: iter([60.0]))
    outcomes = await sent(FakeProducer(KafkaTimeoutError()), 1, 2, stop=True)

    assert outcomes.counts == {"undelivered": 2}


async def test_a_live_frame_that_kafka_does_not_take_is_counted_and_gone() -> None:
    producer = FakeProducer(KafkaTimeoutError())
    outcomes = await sent(producer, 1, 2, lossless=False)

    assert producer.batches == [[b"face 2"]]
    assert outcomes.counts == {"published": 1, "undelivered": 1}


async def test_a_live_frame_that_is_refused_is_not_published(stage: FakeStage) -> None:
    stage.refused = {1}
    producer = FakeProducer()
    outcomes = await sent(producer, 1, 2, lossless=False)

    assert producer.batches == [[b"face 2"]]
    assert outcomes.counts == {"published": 1, "corrupt": 1}


def test_it_waits_for_the_landmarks_topic_not_for_that_of_frames() -> None:
    side = camera._Camera(SETTINGS, CameraOptions("keeper", "x"), Health("kafka"), Outcomes("keeper"))

    assert side._topic == TOPIC


async def test_what_is_kept_is_taken_once() -> None:
    kept = KeptBack(Outcomes("keeper"))
    await (await kept.send(TOPIC, b"keeper", b"face", []))

    assert [face.value for face in kept.take()] == [b"face"]
    assert kept.take() == []


def test_the_handler_gets_what_the_stage_would_read() -> None:
    frame = Frame("keeper", 7, 9, (64, 48), "file", f"00-{1:032x}-{1:016x}-01", JPEG.data)
    message = own_landmarks._message_of(frame)

    assert own_landmarks.frame_message.decode(message.key, message.value, message.headers) == frame
