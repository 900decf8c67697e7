"""`mien camera`: what is refused, and what is sent."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from prometheus_client import REGISTRY

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import encode_jpeg, jpeg_size_px
from streams import metrics
from streams.errors import FramesLost, SettingsInvalid
from streams.health import Health
from streams.messages import frame_message
from streams.settings import Settings
from workers.camera import camera
from workers.camera.reading_thread import CameraOptions, Captured, Outcomes, Slot

PICTURE = np.full((48, 64, 3), 90, np.uint8)
READY = Jpeg(encode_jpeg(PICTURE), (64, 48))


def captured(seq: int, picture: Picture | Jpeg = PICTURE) -> Captured:
    return Captured(seq, 1_764_000_000_000_000 + seq, picture)


@pytest.fixture
def health() -> Health:
    return Health("kafka", "source")


def test_as_fast_as_possible_needs_lossless() -> None:
    with pytest.raises(SettingsInvalid, match="needs --lossless"):
        camera.run(Settings(metrics_port=0), CameraOptions("a", "x", as_fast_as_possible=True))


def test_a_bad_camera_id_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="Camera id"):
        camera.run(Settings(metrics_port=0), CameraOptions("a b", "x"))


class FakeProducer:
    """Takes messages; fails as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.sent: list[frame_message.Frame] = []
        self.batches: list[tuple[int, int]] = []
        self._errors = list(errors)

    async def send_and_wait(self, topic: str, value: bytes, *, key: bytes, headers: Any) -> Any:
        assert topic == "mien.frames"
        if self._errors:
            raise self._errors.pop(0)
        self.sent.append(frame_message.decode(key, value, headers))
        return type("Record", (), {"partition": 0, "offset": len(self.sent) - 1})

    def create_batch(self) -> list[frame_message.Frame]:
        class Batch(list[frame_message.Frame]):
            def append(self, *, key: bytes, value: bytes, headers: Any, **_: None) -> object:
                super().append(frame_message.decode(key, value, headers))
                return "metadata"

        return Batch()

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic == "mien.frames"
        return {3, 1, 0, 2}

    async def send_batch(self, batch: list[frame_message.Frame], topic: str, *, partition: int) -> Any:
        assert topic == "mien.frames"
        if self._errors:
            raise self._errors.pop(0)
        first = len(self.sent)
        self.sent += batch
        self.batches.append((len(batch), partition))
        delivery = asyncio.get_running_loop().create_future()
        delivery.set_result(type("Record", (), {"partition": partition, "offset": first}))
        return delivery


class NoBackpressure:
    def __init__(self) -> None:
        self.noted: list[tuple[int, int, int]] = []

    async def wait_for_room(self) -> None:
        pass

    def sent(self, partition: int, offset: int, n_bytes: int) -> None:
        self.noted.append((partition, offset, n_bytes))


def loop_side(health: Health, **options: Any) -> camera._Camera:
    return camera._Camera(Settings(), CameraOptions("sender", "x", **options), health, Outcomes("sender"))


async def filled(*seqs: int) -> Slot:
    slot = Slot(asyncio.get_running_loop())
    for seq in seqs:
        slot.put(captured(seq), wait=False)
    slot.close()
    return slot


@pytest.mark.parametrize(("lossless", "source"), [(False, "live"), (True, "file")])
async def test_a_picture_becomes_a_frame(health: Health, lossless: bool, source: str) -> None:
    side = loop_side(health, lossless=lossless, width_px=32)
    (frame,) = await side._frames([captured(9)])

    assert (frame.camera_id, frame.seq, frame.source) == ("sender", 9, source)
    assert frame.captured_at_us == captured(9).captured_at_us
    assert frame.size_px == jpeg_size_px(frame.jpeg) == (32, 24)


@pytest.mark.parametrize(("width_px", "full_width_px"), [(32, 64), (64, 0), (1280, 0)])
async def test_a_frame_that_was_scaled_down_says_how_wide_the_camera_s_own_is(
    health: Health, width_px: int, full_width_px: int
) -> None:
    (frame,) = await loop_side(health, width_px=width_px)._frames([captured(9)])

    assert frame.full_width_px == full_width_px


async def test_all_frames_are_encoded_in_one_thread(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's threads became more and more, each with memory of its own."""
    threads: set[int] = set()

    def encode(picture: Picture, quality: int) -> bytes:
        threads.add(threading.get_ident())
        return encode_jpeg(picture, quality)

    monkeypatch.setattr(camera, "encode_jpeg", encode)
    side = loop_side(health)
    together = await asyncio.gather(*(side._frames([captured(seq)]) for seq in range(8)))

    assert [frame.seq for frames in together for frame in frames] == list(range(8))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_all_frames_of_a_process_are_of_one_run_and_those_of_the_next_process_of_another(
    health: Health,
) -> None:
    """The same file within a second and a half: the same numbers, but of another run."""
    runs = []
    for _ in range(2):
        side = loop_side(health, lossless=True)
        frames = [frame for seq in (0, 1) for frame in await side._frames([captured(seq)])]
        sent = [frame_message.decode(*frame_message.encode(frame)) for frame in frames]
        assert [frame.seq for frame in sent] == [0, 1]
        runs.append({frame.run for frame in sent})

    assert [len(run) for run in runs] == [1, 1]
    assert 0 < runs[0].pop() < runs[1].pop()


def ages() -> float:
    return REGISTRY.get_sample_value("mien_frame_age_seconds_count", {"stage": "camera"}) or 0.0


@pytest.mark.parametrize(("lossless", "observed"), [(False, 1), (True, 0)])
async def test_a_files_frame_has_no_age(health: Health, lossless: bool, observed: int) -> None:
    """Its time is that of the file's playing: an age would say nothing, or that it is fresh."""
    side, before = loop_side(health, lossless=lossless), ages()
    for frame in await side._frames([captured(1)]):
        side._sent(frame)

    assert ages() - before == observed


async def test_a_live_frame_that_kafka_does_not_take_is_counted_and_gone(health: Health) -> None:
    side, producer = loop_side(health), FakeProducer(KafkaTimeoutError())
    health.set_ready("kafka")
    await side._send_newest(producer, await filled(1))

    assert producer.sent == []
    assert side._outcomes.counts == {"undelivered": 1}
    assert "kafka" in health.not_ready


async def test_a_live_frame_that_kafka_takes_is_published(health: Health) -> None:
    side, producer = loop_side(health), FakeProducer()
    await side._send_newest(producer, await filled(1))

    assert [frame.seq for frame in producer.sent] == [1]
    assert side._outcomes.counts == {"published": 1}
    assert "kafka" not in health.not_ready


async def test_a_lossless_frame_is_sent_until_kafka_takes_it(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "backoff_s", lambda *_: iter([0.0] * 9))
    side, ahead = loop_side(health, lossless=True), NoBackpressure()
    producer = FakeProducer(KafkaTimeoutError(), OSError("no route"), KafkaTimeoutError())
    (frame,) = await side._frames([captured(5)])
    await side._send_until_delivered(producer, [frame], ahead)

    assert [sent.seq for sent in producer.sent] == [5]
    assert side._outcomes.counts == {"published": 1}
    assert ahead.noted == [(0, 0, len(frame.jpeg))]


async def test_ready_frames_are_sent_as_they_are_and_together(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "backoff_s", lambda *_: iter([0.0] * 9))
    side, ahead, producer = loop_side(health, lossless=True), NoBackpressure(), FakeProducer(OSError("away"))
    batch = await side._frames([captured(seq, READY) for seq in (5, 6, 7)])
    await side._send_until_delivered(producer, batch, ahead)

    assert [(sent.seq, sent.jpeg, sent.size_px) for sent in producer.sent] == [
        (seq, READY.data, (64, 48)) for seq in (5, 6, 7)
    ]
    partition = DefaultPartitioner()(b"sender", [0, 1, 2, 3], [0, 1, 2, 3])  # where its frames go one by one
    assert producer.batches == [(3, partition)]
    assert side._outcomes.counts == {"published": 3}
    assert ahead.noted == [(partition, offset, len(READY.data)) for offset in range(3)]


@pytest.mark.parametrize(
    ("limit", "sizes"),
    [(10**6, [5]), (3 * len(READY.data), [3, 2]), (len(READY.data), [1] * 5), (1, [1] * 5)],
)
async def test_frames_that_are_sent_together_have_a_limit(
    health: Health, monkeypatch: pytest.MonkeyPatch, limit: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(camera, "BATCH_BYTES", limit)
    side = loop_side(health, lossless=True)
    ready = await side._frames([captured(seq, READY) for seq in range(5)])
    batches = list(side._batches(ready))

    assert [len(batch) for batch in batches] == sizes
    assert [frame for batch in batches for frame in batch] == ready


async def test_a_frame_that_is_too_large_for_kafka_does_not_stop_the_file(health: Health) -> None:
    side, producer = loop_side(health, lossless=True), FakeProducer(MessageSizeTooLargeError("big"))
    await side._send_until_delivered(producer, await side._frames([captured(5)]), NoBackpressure())

    assert producer.sent == []
    assert side._outcomes.counts == {"too-large": 1}


class SmallTopic(FakeProducer):
    """Takes no more than so many bytes in one piece."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.refused = 0

    async def send_and_wait(self, topic: str, value: bytes, **about: Any) -> Any:
        self._refuse([len(value)], MessageSizeTooLargeError)
        return await super().send_and_wait(topic, value, **about)

    async def send_batch(self, batch: list[frame_message.Frame], topic: str, **about: Any) -> Any:
        self._refuse([len(frame.jpeg) for frame in batch], RecordListTooLargeError)
        return await super().send_batch(batch, topic, **about)

    def _refuse(self, sizes: list[int], error: type[Exception]) -> None:
        if sum(sizes) > self._limit:
            self.refused += 1
            raise error("too much in one piece")


def ready(seq: int, n_bytes: int) -> Captured:
    return captured(seq, Jpeg(bytes(n_bytes), (64, 48)))


async def test_of_a_batch_that_is_refused_only_what_is_too_large_by_itself_is_lost(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[int] = []
    monkeypatch.setattr(camera.log, "warning", lambda _, **about: named.append(about["seq"]))
    side, ahead, producer = loop_side(health, lossless=True), NoBackpressure(), SmallTopic(1000)
    sizes = {5: 400, 6: 1001, 7: 400, 8: 2000, 9: 1000}
    batch = await side._frames([ready(seq, n_bytes) for seq, n_bytes in sizes.items()])
    await side._send_until_delivered(producer, list(batch), ahead)

    assert [frame.seq for frame in producer.sent] == [5, 7, 9]
    assert side._outcomes.counts == {"published": 3, "too-large": 2}
    assert named == [6, 8]
    assert [n_bytes for _, _, n_bytes in ahead.noted] == [400, 400, 1000]


async def test_after_a_refused_batch_the_next_ones_are_smaller(health: Health) -> None:
    side, producer = loop_side(health, lossless=True), SmallTopic(1000)
    frames = await side._frames([ready(seq, 120) for seq in range(40)])
    for batch in side._batches(frames):
        await side._send_until_delivered(producer, batch, NoBackpressure())

    assert [frame.seq for frame in producer.sent] == list(range(40))
    assert side._outcomes.counts == {"published": 40}
    assert producer.refused <= 3  # not each time: that would send everything twice


async def test_a_stop_amid_a_split_batch_counts_each_frame_once(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "STOP_GRACE_S", 0.0)
    side = loop_side(health, lossless=True)

    class StopsAfterTwo(SmallTopic):
        async def send_and_wait(self, topic: str, value: bytes, **about: Any) -> Any:
            if len(self.sent) == 2:
                side._stopping.set()
                await asyncio.Event().wait()
            return await super().send_and_wait(topic, value, **about)

    @contextlib.asynccontextmanager
    async def no_backpressure(*_: object, **__: str) -> AsyncIterator[NoBackpressure]:
        yield NoBackpressure()

    monkeypatch.setattr(camera.Backpressure, "open", no_backpressure)
    slot = Slot(asyncio.get_running_loop())
    for seq in range(5):
        slot.put(ready(seq, 400), wait=True)
    slot.close()
    async with asyncio.timeout(10):
        await side._send_all(StopsAfterTwo(1000), slot)

    assert side._outcomes.counts == {"published": 2, "undelivered": 3}


async def test_a_live_frame_that_is_too_large_says_nothing_against_kafka(health: Health) -> None:
    side, producer = loop_side(health), FakeProducer(MessageSizeTooLargeError("big"))
    health.set_ready("kafka")
    await side._send_newest(producer, await filled(1))

    assert side._outcomes.counts == {"too-large": 1}
    assert "kafka" not in health.not_ready


@pytest.mark.parametrize("outcome", ["too-large", "corrupt"])
def test_a_lossless_camera_that_lost_frames_does_not_end_well(outcome: str) -> None:
    lossless = CameraOptions("a", "x", lossless=True)
    with pytest.raises(FramesLost, match=rf"published 3 frames, but could not publish 2 \({outcome}: 2\)"):
        camera.refuse_lost(lossless, {"published": 3, outcome: 2})

    camera.refuse_lost(lossless, {"published": 3})
    camera.refuse_lost(lossless, {"published": 3, "undelivered": 2})  # it was told to stop
    camera.refuse_lost(CameraOptions("a", "x"), {"published": 3, outcome: 2})


def test_outcomes_are_counted_in_the_metrics_too(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path.name)
    outcomes.add("skipped")
    outcomes.add("skipped")

    assert outcomes.counts == {"skipped": 2}
    assert metrics.frames_total.labels("camera", tmp_path.name, "skipped")._value.get() == 2
