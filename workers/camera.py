"""`mien camera`: pictures from a source, frames to Kafka.

A thread reads (and waits, reconnects, keeps the pace); the event loop encodes and sends. Between them is
one slot. A live camera puts its newest picture there, whether or not the last one was taken: when Kafka is
slower than the camera, old pictures are dropped, not queued. A lossless file waits until the slot is free.
"""

import asyncio
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from models.pictures import Picture, encode_jpeg, fit_width
from streams import broker, frames, logs, metrics
from streams.errors import BadPicture, SettingsInvalid, SourceLost, SourceNotFound
from streams.frames import Frame, check_camera_id, new_traceparent
from streams.health import Health, MetricsServer
from streams.settings import Settings
from workers.backpressure import Backpressure
from workers.sources import Source, backoff_s, open_source, redact_url

NAME = "camera"
IN_FLIGHT_MAX = 8
"""Deliveries that a live camera waits for at once."""
FILE_FPS = 10.0
"""For pictures that have no rate of their own."""
RECONNECT_BASE_S, RECONNECT_CAP_S = 0.5, 30.0

log = logs.get("mien.camera")


class Options(NamedTuple):
    camera_id: str
    source: str
    fps: float | None = None
    width_px: int = 1280
    jpeg_quality: int = 85
    lossless: bool = False
    as_fast_as_possible: bool = False
    repeat: bool = False
    first_seq: int | None = None
    seed: int = 0


class Captured(NamedTuple):
    seq: int
    captured_at_us: int
    picture: Picture


class Outcomes:
    """Counts frames by what became of them, in the metrics and for the summary at the end."""

    def __init__(self, camera_id: str) -> None:
        self._camera_id = camera_id
        self.counts: Counter[str] = Counter()

    def add(self, outcome: str) -> None:
        metrics.frames_total.labels(NAME, self._camera_id, outcome).inc()
        self.counts[outcome] += 1


def run(settings: Settings, options: Options) -> dict[str, int]:
    """Publishes until the source ends or SIGTERM; then waits for the last deliveries.

    Returns how many frames were ``published``, and how many had another outcome, by its name.

    Raises:
        SourceNotFound: if there is no such source.
        SettingsInvalid: if the options do not fit the source.
        ServiceUnavailable: if Kafka is not there at the start.
    """
    check_camera_id(options.camera_id)
    if options.as_fast_as_possible and not options.lossless:
        raise SettingsInvalid(
            "--as-fast-as-possible needs --lossless: without it, all but the newest frames are dropped"
        )
    health = Health("kafka", "source")
    with MetricsServer(health, settings.metrics_host, settings.metrics_port) as server:
        log.info(
            "camera starts",
            camera=options.camera_id,
            source=redact_url(options.source),
            metrics=server.address,
        )
        outcomes = Outcomes(options.camera_id)
        asyncio.run(_Camera(settings, options, health, outcomes).run())
    summary = {"published": 0} | outcomes.counts
    log.info("camera ended", camera=options.camera_id, **summary)
    return summary


class Slot:
    """One place for a picture between the reading thread and the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._arrived = asyncio.Event()
        self._item: Captured | None = None
        self._closed = False

    def put(self, item: Captured, *, wait: bool) -> bool:
        """From the thread: at once, True if that cost an older one; with ``wait`` when the slot is free."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._item is None or self._closed)
            superseded = self._item is not None
            self._item = item
        self._wake()
        return superseded

    def close(self) -> None:
        """No more will come. What is in the slot can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._wake()

    async def take(self) -> Captured | None:
        """The picture; None after the last one."""
        while True:
            await self._arrived.wait()
            with self._changed:
                item, self._item = self._item, None
                if not self._closed:
                    self._arrived.clear()
                self._changed.notify_all()
                if item is not None or self._closed:
                    return item

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._arrived.set)


class Reader(threading.Thread):
    """Reads the source, at its pace, into the slot; opens it again when it is lost."""

    def __init__(
        self, settings: Settings, options: Options, slot: Slot, health: Health, outcomes: Outcomes
    ) -> None:
        super().__init__(name="reader", daemon=True)
        self._settings = settings
        self._options = options
        self._slot = slot
        self._health = health
        self._stopped = threading.Event()
        self._outcomes = outcomes
        self._up = metrics.camera_up.labels(options.camera_id)
        self._pauses_s = _pauses_s()
        self.failure: Exception | None = None
        # Over restarts the numbers must grow (the state is fenced by them), so a live camera starts with the
        # clock; a lossless file starts with 0, because the same frame must give the same event id.
        clock_ms = time.time_ns() // 1_000_000
        self._seq = (
            options.first_seq if options.first_seq is not None else 0 if options.lossless else clock_ms
        )

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        try:
            self._read_and_reconnect()
        except Exception as exc:  # noqa: BLE001  a bug must not look like the end of the source
            self.failure = exc
        finally:
            self._up.set(0)
            self._slot.close()

    def _read_and_reconnect(self) -> None:
        was_open = False
        while not self._stopped.is_set():
            try:
                source = self._open()
                was_open = True
                with closing(source):
                    self._read(source)
            except (SourceLost, SourceNotFound) as exc:
                if isinstance(exc, SourceNotFound) and not was_open:
                    raise
                pause_s = next(self._pauses_s)
                log.warning(
                    "camera lost",
                    camera=self._options.camera_id,
                    error=str(exc),
                    again_in_s=round(pause_s, 1),
                )
                self._up.set(0)
                self._health.lose("source")
                metrics.camera_reconnects_total.labels(self._options.camera_id).inc()
                self._stopped.wait(pause_s)
            else:
                return

    def _open(self) -> Source:
        options = self._options
        source = open_source(
            options.source,
            fps=options.fps,
            loop=options.repeat,
            seed=options.seed,
            max_pixels=self._settings.max_frame_pixels,
        )
        if source.live and options.lossless:
            source.close()
            raise SettingsInvalid(f"--lossless is for files; {redact_url(options.source)} is a live camera")
        return source

    def _read(self, source: Source) -> None:
        options = self._options
        paced = not (source.live or options.as_fast_as_possible)
        interval_s = 1 / (options.fps or source.fps or FILE_FPS)
        due_s = time.monotonic()
        while not self._stopped.is_set():
            if paced:  # a live source keeps its own pace
                self._stopped.wait(max(0.0, due_s - time.monotonic()))
            try:
                picture = source.read()
            except BadPicture as exc:
                log.warning("picture refused", camera=options.camera_id, reason=exc.reason, error=str(exc))
                self._outcomes.add(exc.reason)
                continue
            if picture is None:
                return
            captured_at_us = time.time_ns() // 1000
            now_s = time.monotonic()
            if source.live and options.fps and now_s < due_s - 0.25 * interval_s:
                self._outcomes.add("skipped")
                continue
            due_s = max(due_s + interval_s, now_s - interval_s)
            if "source" in self._health.unmet:
                self._up.set(1)
                self._health.meet("source")
                self._pauses_s = _pauses_s()  # only a picture proves that the camera is back
            if self._slot.put(Captured(self._seq, captured_at_us, picture), wait=options.lossless):
                self._outcomes.add("superseded")
            self._seq += 1


def _pauses_s() -> Iterator[float]:
    return backoff_s(RECONNECT_BASE_S, RECONNECT_CAP_S, random.Random())  # noqa: S311


class _Camera:
    """The event loop's side."""

    def __init__(self, settings: Settings, options: Options, health: Health, outcomes: Outcomes) -> None:
        self._settings = settings
        self._options = options
        self._health = health
        self._outcomes = outcomes
        self._topic = settings.topics.frames

    async def run(self) -> None:
        await broker.wait_until_ready(self._settings, self._settings.startup_timeout_s)
        loop = asyncio.get_running_loop()
        slot = Slot(loop)
        reader = Reader(self._settings, self._options, slot, self._health, self._outcomes)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, reader.stop)
        beat = asyncio.ensure_future(self._health.beat())
        producer = broker.producer(self._settings, max_message_bytes=self._topic.max_message_bytes)
        try:
            await producer.start()
            self._health.meet("kafka")
            reader.start()
            await (
                self._send_all(producer, slot)
                if self._options.lossless
                else self._send_newest(producer, slot)
            )
        except KafkaError as exc:
            raise broker.unavailable(self._settings, exc) from exc
        finally:
            reader.stop()
            slot.close()
            await producer.stop()  # waits for what is under way
            beat.cancel()
        await asyncio.to_thread(reader.join, 10.0)
        if reader.failure:
            raise reader.failure

    async def _send_newest(self, producer: AIOKafkaProducer, slot: Slot) -> None:
        places = asyncio.Semaphore(IN_FLIGHT_MAX)
        under_way: set[asyncio.Task[None]] = set()
        while captured := await slot.take():
            await places.acquire()
            task = asyncio.create_task(self._send_live(producer, await self._frame(captured)))
            task.add_done_callback(lambda _: places.release())
            task.add_done_callback(under_way.discard)
            under_way.add(task)
        if under_way:
            await asyncio.wait(under_way)

    async def _send_live(self, producer: AIOKafkaProducer, frame: Frame) -> None:
        """Once; a frame that Kafka does not take in time is counted and gone, for the next one is fresher."""
        try:
            await self._send(producer, frame)
        except (KafkaError, OSError) as exc:
            self._health.lose("kafka")
            self._outcomes.add("undelivered")
            log.warning("frame not delivered", camera=frame.camera_id, seq=frame.seq, error=repr(exc))

    async def _send_all(self, producer: AIOKafkaProducer, slot: Slot) -> None:
        """In order, each until Kafka has it, and never further ahead of the workers than Kafka keeps."""
        async with Backpressure.open(self._settings) as ahead:
            while captured := await slot.take():
                frame = await self._frame(captured)
                await self._send_until_delivered(producer, frame, ahead)

    async def _send_until_delivered(
        self, producer: AIOKafkaProducer, frame: Frame, ahead: Backpressure
    ) -> None:
        for pause_s in backoff_s(0.2, 5.0, random.Random()):  # noqa: S311
            try:
                await ahead.wait_for_room()
                sent = await self._send(producer, frame)
            except MessageSizeTooLargeError as exc:
                self._outcomes.add("too-large")
                log.warning("frame refused by Kafka", camera=frame.camera_id, seq=frame.seq, error=str(exc))
                return
            except (KafkaError, OSError) as exc:
                self._health.lose("kafka")
                log.warning("frame not delivered yet", camera=frame.camera_id, seq=frame.seq, error=repr(exc))
                await asyncio.sleep(pause_s)
            else:
                ahead.sent(*sent, len(frame.jpeg))
                return

    async def _send(self, producer: AIOKafkaProducer, frame: Frame) -> tuple[int, int]:
        """Partition and offset, when Kafka has the frame."""
        key, value, headers = frames.encode(frame)
        record = await producer.send_and_wait(self._topic.name, value, key=key, headers=headers)
        metrics.frame_age_seconds.labels(NAME).observe(time.time() - frame.captured_at_us / 1e6)
        self._outcomes.add("published")
        self._health.meet("kafka")
        return record.partition, record.offset

    async def _frame(self, captured: Captured) -> Frame:
        return await asyncio.to_thread(self._encode, captured)

    def _encode(self, captured: Captured) -> Frame:
        with metrics.stage_duration_seconds.labels(NAME, "encode").time():
            picture = fit_width(captured.picture, self._options.width_px)
            jpeg = encode_jpeg(picture, self._options.jpeg_quality)
        height, width = picture.shape[:2]
        return Frame(
            camera_id=self._options.camera_id,
            seq=captured.seq,
            captured_at_us=captured.captured_at_us,
            size_px=(width, height),
            source="file" if self._options.lossless else "live",
            traceparent=new_traceparent(),
            jpeg=jpeg,
        )
