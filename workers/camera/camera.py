"""`mien camera`: publishes the pictures of a source as frames in Kafka.

A thread reads (and waits, reconnects, keeps the pace); the event loop sends, after a thread has encoded what
is no JPEG within the limits. Between them is one slot. A live camera puts its newest picture there, whether
or not the last one was taken: when Kafka is slower than the camera, pictures are dropped (but for the few
that are under way), and the newest goes next. A lossless file waits until there is room.
"""

import asyncio
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import encode_jpeg, fit_width
from streams import broker, logs, metrics, topic_state
from streams.backoff import backoff_s
from streams.errors import BadMessage, FramesLost, SettingsInvalid
from streams.health import Health, MetricsServer
from streams.messages import frame_message
from streams.messages.frame_message import PROBE_CAMERA, Frame, check_camera_id
from streams.redact_url import redact_url
from streams.settings import Settings
from streams.telemetry import tracing
from streams.telemetry.spans import OpenSpans, frame_attributes
from streams.telemetry.trace_context import sampled_trace_id
from workers.camera.backpressure import Backpressure
from workers.camera.reading_thread import NAME, CameraOptions, Captured, Outcomes, Reader, Slot
from workers.camera.video_picture import Shot, VideoJpegs, VideoPicture
from workers.camera.video_stream import check_hardware
from workers.metering.work_meter import WorkMeter
from workers.truth.truth_telling import TruthTelling

BATCH_BYTES = 1024 * 1024
"""Of a lossless file's frames that are sent in one piece."""

RETRY_BASE_S, RETRY_CAP_S = 0.2, 5.0

IN_FLIGHT_MAX = 8
"""Deliveries that a live camera waits for at once."""

STOP_GRACE_S = 5.0
"""How long a lossless camera that is told to stop still tries to deliver the frame in hand."""

_partition_of = DefaultPartitioner()

log = logs.get("mien.camera")


def run(settings: Settings, options: CameraOptions) -> dict[str, int]:
    """Publishes until the source ends or SIGTERM; then waits for the last deliveries.

    Returns how many frames were ``published``, and how many had another outcome, by its name.

    Raises:
        SourceNotFound: if there is no such source.
        SettingsInvalid: if the options do not fit the source.
        ServiceUnavailable: if Kafka is not there at the start.
        TopicsDiffer: if Kafka would keep the pictures for longer than promised.
    """
    try:
        check_camera_id(options.camera_id)
    except BadMessage as exc:
        raise SettingsInvalid(str(exc)) from exc
    if options.camera_id == PROBE_CAMERA:
        raise SettingsInvalid(f"{PROBE_CAMERA} is the camera of `mien probe`: give this one another id")
    if options.as_fast_as_possible and not options.lossless:
        raise SettingsInvalid(
            "--as-fast-as-possible needs --lossless: without it, all but the newest frames are dropped"
        )
    if options.hardware is not None:
        check_hardware(options.hardware)
    health = Health("kafka", "source")
    with MetricsServer(health, settings.metrics_host, settings.metrics_port) as server:
        log.info(
            "camera starts",
            camera=options.camera_id,
            source=redact_url(options.source),
            metrics=server.address,
        )
        outcomes = Outcomes(options.camera_id)
        with tracing.exported(settings, NAME):
            asyncio.run(_Camera(settings, options, health, outcomes).run())
    summary = {"published": 0} | outcomes.counts
    log.info("camera ended", camera=options.camera_id, **summary)
    return summary


def refuse_lost(options: CameraOptions, outcomes: Mapping[str, int]) -> None:
    """Raises FramesLost if a lossless camera could not publish a frame, other than by being told to stop."""
    lost = {name: count for name, count in outcomes.items() if name not in ("published", "undelivered")}
    if options.lossless and lost:
        counts = ", ".join(f"{name}: {count}" for name, count in lost.items())
        raise FramesLost(
            f"Camera {options.camera_id} published {outcomes['published']} frames, but could not publish "
            f"{sum(lost.values())} ({counts}); the log names each. If Kafka refused them as too large, raise "
            "the topic's max.message.bytes: `mien topics` shows it."
        )


class _Camera:
    """The event loop's side of a camera: takes pictures from the slot, encodes and sends them."""

    def __init__(
        self, settings: Settings, options: CameraOptions, health: Health, outcomes: Outcomes
    ) -> None:
        self._settings = settings
        self._options = options
        self._health = health
        self._outcomes = outcomes
        self._topic = settings.topics.frames if settings.frames == "publish" else settings.topics.landmarks
        self._batch_bytes = min(BATCH_BYTES, settings.max_frame_bytes)
        self._stopping = asyncio.Event()
        self._run = time.time_ns() // 1000
        self._video_jpegs = VideoJpegs()
        # Of its own: the loop's threads become more over time, up to four more than there are cores, although
        # one frame is encoded after the other.
        self._encoder = ThreadPoolExecutor(1, "encoder")
        self._meter = WorkMeter(NAME)
        self._spans = OpenSpans()

    async def run(self) -> None:
        beat = asyncio.ensure_future(self._health.beat())  # first: to wait for Kafka is no standstill
        topics = self._topic, self._settings.topics.cameras
        await broker.wait_until_ready(self._settings, self._settings.startup_timeout_s, *topics)
        await topic_state.check_at_start(self._settings, *topics)
        loop = asyncio.get_running_loop()
        slot = Slot(loop)
        reader = Reader(self._settings, self._options, slot, self._health, self._outcomes, self._run)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, reader)
        producer = broker.producer(self._settings, max_message_bytes=self._topic.max_message_bytes)
        truth = TruthTelling(self._settings, producer, self._options.camera_id, self._run, reader.truth)
        telling: asyncio.Task[None] | None = None
        try:
            await producer.start()
            self._health.set_ready("kafka")
            reader.start()
            telling = truth.start()
            if self._settings.frames == "none":
                await self._send_own_landmarks(producer, slot)
            elif self._options.lossless:
                await self._send_all(producer, slot)
            else:
                await self._send_newest(producer, slot)
        except KafkaError as exc:
            raise broker.unavailable(self._settings, exc) from exc
        finally:
            reader.stop()
            slot.close()
            if telling is not None:
                telling.cancel()
                await asyncio.wait({telling})
            await producer.stop()  # waits for what is under way
            self._encoder.shutdown(wait=False)
            beat.cancel()
        await asyncio.to_thread(reader.join, 10.0)
        if reader.failure:
            raise reader.failure

    def _stop(self, reader: Reader) -> None:
        reader.stop()
        self._stopping.set()

    async def _send_own_landmarks(self, producer: AIOKafkaProducer, slot: Slot) -> None:
        """For MIEN_FRAMES=none: no picture leaves this process."""
        from workers.camera.own_landmarks import OwnLandmarks  # brings the networks, which others do without

        own = OwnLandmarks(self._settings, producer, self._health, self._outcomes, self._sent)
        if not self._options.lossless:
            await own.send_newest(slot, self._frames)
            return
        stopping = asyncio.ensure_future(self._stopping.wait())
        await own.send_all(slot, self._frames, stopping, STOP_GRACE_S)
        stopping.cancel()

    async def _send_newest(self, producer: AIOKafkaProducer, slot: Slot) -> None:
        places = asyncio.Semaphore(IN_FLIGHT_MAX)
        under_way: set[asyncio.Task[None]] = set()
        while taken := await slot.take():
            for frame in await self._frames(taken):
                await places.acquire()
                task = asyncio.create_task(self._send_live(producer, frame))
                task.add_done_callback(lambda _: places.release())
                task.add_done_callback(under_way.discard)
                under_way.add(task)
        if under_way:
            await asyncio.wait(under_way)

    async def _send_live(self, producer: AIOKafkaProducer, frame: Frame) -> None:
        """Tries once; a frame that Kafka does not take in time is counted and gone: the next is fresher."""
        try:
            await self._send(producer, frame)
        except broker.TOO_LARGE as exc:
            self._too_large(frame, exc)
        except (KafkaError, OSError) as exc:
            self._health.set_unready("kafka")
            self._outcomes.add("undelivered")
            log.warning("frame not delivered", camera=frame.camera_id, seq=frame.seq, error=repr(exc))

    async def _send_all(self, producer: AIOKafkaProducer, slot: Slot) -> None:
        """Sends in order, each until Kafka has it, never further ahead of the workers than Kafka keeps."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        async with Backpressure.open(self._settings, self._topic, reader="landmarks") as ahead:
            while taken := await slot.take():
                for batch in self._batches(await self._frames(taken)):
                    delivery = asyncio.ensure_future(self._send_until_delivered(producer, batch, ahead))
                    await asyncio.wait({delivery, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.wait({delivery}, timeout=STOP_GRACE_S)
                    if not delivery.done():  # told to stop, while Kafka is away or nobody reads
                        delivery.cancel()
                        for frame in batch:
                            self._outcomes.add("undelivered")
                            log.warning("frame not delivered", camera=frame.camera_id, seq=frame.seq)
                        continue
                    await delivery
        stopping.cancel()

    def _batches(self, frames_: Sequence[Frame]) -> Iterator[list[Frame]]:
        """Divides frames into those that go to Kafka in one piece."""
        batch: list[Frame] = []
        for frame in frames_:
            if batch and sum(len(other.jpeg) for other in [*batch, frame]) > self._batch_bytes:
                yield batch
                batch = []
            batch.append(frame)
        yield batch

    async def _send_until_delivered(
        self, producer: AIOKafkaProducer, batch: list[Frame], ahead: Backpressure
    ) -> None:
        """Returns when Kafka has the frames, but for those that are too large for it alone.

        Of a batch that is sent frame by frame, those that are done with are taken out of it.
        """
        about = {"camera": batch[0].camera_id, "seq": batch[0].seq}
        for pause_s in backoff_s(RETRY_BASE_S, RETRY_CAP_S):
            try:
                await ahead.wait_for_room()
                if len(batch) == 1:
                    partition, offset = await self._send(producer, batch[0])
                else:
                    partition, offset = await self._send_together(producer, batch)
            except broker.TOO_LARGE as exc:
                if len(batch) == 1:
                    self._too_large(batch[0], exc)
                    return
                # The topic takes less in one piece than we thought. Each may still fit by itself.
                self._batch_bytes = sum(len(frame.jpeg) for frame in batch) // 2
                log.info("frames are sent in smaller batches", **about, batch_bytes=self._batch_bytes)
                while batch:
                    await self._send_until_delivered(producer, batch[:1], ahead)
                    del batch[0]
                return
            except (KafkaError, OSError) as exc:
                self._health.set_unready("kafka")
                log.warning("frame not delivered yet", **about, error=repr(exc))
                await asyncio.sleep(pause_s)
            else:
                for place, frame in enumerate(batch):
                    ahead.sent(partition, offset + place, len(frame.jpeg))
                return

    def _too_large(self, frame: Frame, exc: KafkaError) -> None:
        self._outcomes.add("too-large")
        n_bytes = len(frame.jpeg)
        log.warning(
            "frame refused by Kafka", camera=frame.camera_id, seq=frame.seq, n_bytes=n_bytes, error=str(exc)
        )

    async def _send(self, producer: AIOKafkaProducer, frame: Frame) -> tuple[int, int]:
        """Sends one frame; its partition and offset, when Kafka has it."""
        key, value, headers = frame_message.encode(frame)
        with metrics.stage_duration_seconds.labels(NAME, "deliver").time():
            record = await producer.send_and_wait(self._topic.name, value, key=key, headers=headers)
        self._sent(frame)
        return record.partition, record.offset

    async def _send_together(self, producer: AIOKafkaProducer, batch: Sequence[Frame]) -> tuple[int, int]:
        """Sends frames in one piece; their partition and first offset, when Kafka has all of them.

        If it fails, Kafka has none, so that a frame that is sent again does not come behind the next one.
        """
        together = producer.create_batch()
        for frame in batch:
            key, value, headers = frame_message.encode(frame)
            if together.append(key=key, value=value, timestamp=None, headers=headers) is None:
                raise MessageSizeTooLargeError("The batch is larger than the producer takes")
        partitions = sorted(await producer.partitions_for(self._topic.name))
        partition = _partition_of(key, partitions, partitions)
        with metrics.stage_duration_seconds.labels(NAME, "deliver").time():
            record = await (await producer.send_batch(together, self._topic.name, partition=partition))
        for frame in batch:
            self._sent(frame)
        return record.partition, record.offset

    def _sent(self, frame: Frame) -> None:
        self._spans.end(frame.seq)
        trace_id = sampled_trace_id(frame.traceparent)
        metrics.observe_frame_age(NAME, frame.captured_at_us, frame.source, trace_id)
        self._outcomes.add("published")
        self._health.set_ready("kafka")

    async def _frames(self, taken: Sequence[Captured]) -> list[Frame]:
        with self._meter:
            if all(isinstance(captured.picture, Jpeg) for captured in taken):  # nothing to compute
                return [self._frame(captured) for captured in taken]
            return await asyncio.get_running_loop().run_in_executor(
                self._encoder, lambda: [self._frame(captured) for captured in taken]
            )

    def _frame(self, captured: Captured) -> Frame:
        about = frame_attributes(self._options.camera_id, self._run, captured.seq)
        span = tracing.begin(NAME, self._settings.trace_ratio, about)
        self._spans.keep(captured.seq, span)
        jpeg = self._encode(captured.picture)
        full_width_px = _width_px(captured.picture)
        return Frame(
            camera_id=self._options.camera_id,
            seq=captured.seq,
            captured_at_us=captured.captured_at_us,
            size_px=jpeg.size_px,
            source="file" if self._options.lossless else "live",
            traceparent=span.traceparent,
            jpeg=jpeg.data,
            run=self._run,
            full_width_px=full_width_px if full_width_px > jpeg.size_px[0] else 0,
            priority=self._options.priority,
        )

    def _encode(self, picture: Shot) -> Jpeg:
        if isinstance(picture, Jpeg):
            return picture
        width_px, quality = self._options.width_px, self._options.jpeg_quality
        with metrics.stage_duration_seconds.labels(NAME, "encode").time():
            if isinstance(picture, VideoPicture):
                return self._video_jpegs.encode(picture, width_px, quality)
            picture = fit_width(picture, width_px)
            height, width = picture.shape[:2]
            return Jpeg(encode_jpeg(picture, quality), (width, height))


def _width_px(picture: Shot) -> int:
    if isinstance(picture, Jpeg | VideoPicture):
        return picture.size_px[0]
    return picture.shape[1]
