"""A camera that keeps its pictures to itself (MIEN_FRAMES=none): it finds the faces and sends those alone.

The handler of the landmarks stage does the work, here, on frames as the stage would read them from Kafka:
scaled and encoded in the same way. So the messages are the same. Only faces leave the process: a frame that
is refused is counted and gone, since its dead letter would hold the picture.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from streams import logs, metrics
from streams.backoff import backoff_s
from streams.errors import InputRefused
from streams.health import Health
from streams.messages import frame_message
from streams.messages.frame_message import Frame, Headers
from streams.settings import Settings
from streams.topics import Topic
from workers.camera.backpressure import Backpressure
from workers.camera.reading_thread import NAME, Captured, Outcomes, Slot
from workers.metering.work_meter import WorkMeter
from workers.stages import landmarks
from workers.stages.handler import Handler, Message
from workers.stages.outlet import Outlet

RETRY_BASE_S, RETRY_CAP_S = 0.2, 5.0

_partition_of = DefaultPartitioner()

log = logs.get("mien.camera")


class Face(NamedTuple):
    """A landmarks message that waits to be sent."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class KeptBack(Outlet):
    """An outlet that sends nothing: it keeps faces until they are asked for, and only counts what is refused.

    So a frame goes through the tracker once, however often Kafka has to be asked to take its faces.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._faces: list[Face] = []
        self.refused: set[int] = set()
        """Numbers of the frames that were."""

    async def send(
        self,
        topic: Topic,  # noqa: ARG002  the stage has one
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> Awaitable[Any]:
        self._faces.append(Face(key, value, headers))
        kept = asyncio.get_running_loop().create_future()
        kept.set_result(None)
        return kept

    async def refuse(self, message: Message, error: InputRefused) -> None:
        log.warning("frame refused", reason=error.reason, error=str(error))
        self._outcomes.add(error.reason)
        self.refused.add(message.offset)

    def take(self) -> list[Face]:
        """What was kept since the last time, in order."""
        faces, self._faces = self._faces, []
        return faces


class OwnLandmarks:
    """Finds the faces in a camera's frames and sends them.

    Args:
        sent: is told of each frame whose faces Kafka has, or that shows none.
    """

    def __init__(
        self,
        settings: Settings,
        producer: AIOKafkaProducer,
        health: Health,
        outcomes: Outcomes,
        sent: Callable[[Frame], None],
    ) -> None:
        self._producer = producer
        self._topic = settings.topics.landmarks
        self._settings = settings
        self._health = health
        self._outcomes = outcomes
        self._sent = sent
        self._meter = WorkMeter(landmarks.NAME)

    async def send_newest(
        self, slot: Slot, frames_of: Callable[[Sequence[Captured]], Awaitable[list[Frame]]]
    ) -> None:
        """For a live camera: tries once; what Kafka does not take in time is counted and gone."""
        kept = KeptBack(self._outcomes)
        async with landmarks.open_handler(self._settings, kept) as handler:
            while taken := await slot.take():
                for frame in await frames_of(taken):
                    kept.refused.clear()
                    with self._meter:
                        faces = await _found(handler, kept, [frame])
                    if not kept.refused:
                        await self._send_once(frame, faces)

    async def _send_once(self, frame: Frame, faces: Sequence[Face]) -> None:
        try:
            await self._send(faces)
        except (KafkaError, OSError) as exc:
            self._undelivered([frame], repr(exc))
        else:
            self._sent(frame)

    async def send_all(
        self,
        slot: Slot,
        frames_of: Callable[[Sequence[Captured]], Awaitable[list[Frame]]],
        stopping: "asyncio.Future[Any]",
        grace_s: float,
    ) -> None:
        """For a lossless file: in order, each frame's faces until Kafka has them.

        When it is told to stop while Kafka is away, it still tries for ``grace_s``.
        """
        kept = KeptBack(self._outcomes)
        async with (
            landmarks.open_handler(self._settings, kept) as handler,
            Backpressure.open(self._settings, self._topic, reader="classify") as ahead,
        ):
            while taken := await slot.take():
                for batch in _batches(await frames_of(taken)):
                    kept.refused.clear()
                    with self._meter:
                        faces = await _found(handler, kept, batch)
                    frames = [frame for frame in batch if frame.seq not in kept.refused]
                    delivery = asyncio.ensure_future(self._send_until_delivered(frames, faces, ahead))
                    await asyncio.wait({delivery, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.wait({delivery}, timeout=grace_s)
                    if delivery.done():
                        await delivery
                    else:
                        delivery.cancel()
                        self._undelivered(frames, "told to stop")

    async def _send_until_delivered(
        self, frames: Sequence[Frame], faces: Sequence[Face], ahead: Backpressure
    ) -> None:
        for pause_s in backoff_s(RETRY_BASE_S, RETRY_CAP_S):
            try:
                await ahead.wait_for_room()
                for partition, offset, n_bytes in await self._send(faces):
                    ahead.sent(partition, offset, n_bytes)
            except MessageSizeTooLargeError as exc:
                log.warning("faces refused by Kafka", seq=frames[0].seq, error=str(exc))
                for _ in frames:
                    self._outcomes.add("too-large")
                return
            except (KafkaError, OSError) as exc:
                self._health.set_unready("kafka")
                log.warning("faces not delivered yet", error=repr(exc))
                await asyncio.sleep(pause_s)
            else:
                for frame in frames:
                    self._sent(frame)
                return

    async def _send(self, faces: Sequence[Face]) -> list[tuple[int, int, int]]:
        """Sends faces in one piece, as far as they fit; partition, last offset and bytes of each piece."""
        places = []
        left = list(faces)
        while left:
            together, n_bytes, n_faces = self._producer.create_batch(), 0, 0
            for key, value, headers in left:
                if together.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    break
                n_bytes, n_faces = n_bytes + len(value or b""), n_faces + 1
            if not n_faces:
                raise MessageSizeTooLargeError("A face is larger than the producer takes")
            partitions = sorted(await self._producer.partitions_for(self._topic.name))
            partition = _partition_of(left[0].key, partitions, partitions)
            with metrics.stage_duration_seconds.labels(NAME, "deliver").time():
                delivery = await self._producer.send_batch(together, self._topic.name, partition=partition)
                record = await delivery
            places.append((record.partition, record.offset + n_faces - 1, n_bytes))
            del left[:n_faces]
        return places

    def _undelivered(self, frames: Sequence[Frame], why: str) -> None:
        self._health.set_unready("kafka")
        for frame in frames:
            self._outcomes.add("undelivered")
            log.warning("faces not delivered", camera=frame.camera_id, seq=frame.seq, error=why)


async def _found(handler: Handler, kept: KeptBack, frames: Sequence[Frame]) -> list[Face]:
    """The faces of these frames; ``kept`` has which were refused."""
    messages = [_message_of(frame) for frame in frames]
    try:
        await handler(messages)
    except Exception as exc:  # a bug on one frame must not stop the camera
        kept.take()
        if len(frames) > 1:
            return [face for frame in frames for face in await _found(handler, kept, [frame])]
        log.exception("unexpected error")
        await kept.refuse(messages[0], InputRefused(f"{type(exc).__name__}: {exc}", reason="internal-error"))
    return kept.take()


def _message_of(frame: Frame) -> Message:
    """The frame as the landmarks stage reads it; its number stands for the offset, as it has no place."""
    key, value, headers = frame_message.encode(frame)
    return Message(key, value, headers, "kept in this process", 0, frame.seq)


def _batches(frames: Sequence[Frame]) -> Iterator[Sequence[Frame]]:
    for start in range(0, len(frames), landmarks.BATCH_MAX):
        yield frames[start : start + landmarks.BATCH_MAX]
