"""The row `overload` of `mien bench`: who is answered when twice as many frames come as a worker can do.

One landmarks worker on Apache Kafka, and twelve live cameras: of each priority two with a face in
view and two without. What a worker can do is measured first, with frames of files, which wait. Then cameras
send `LOAD` times as many, to a worker that drops only what became too old, and to one that thins.

    twice: worker → what it can do → drain → overload → drain → count → stop
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import count, cycle, product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from models.faces.pictures import encode_jpeg
from models.staged import scenes
from streams import broker
from streams.messages import frame_message, landmarks_message
from streams.messages.frame_message import PRIORITIES, Frame, Priority, Source
from streams.settings import Settings
from streams.telemetry.trace_context import TraceContext
from workers.bench.pipeline_row import quantile
from workers.figures.timing import Finding
from workers.local import metrics_scrape
from workers.local.chain import Chain
from workers.local.measured_servers import PARTITIONS, servers

LOAD: Final = 2.0
SIZE_PX: Final = (320, 240)
FACE_PX: Final = 80
CAMERAS_A_GROUP: Final = 2
WARM_UP_S: Final = 8.0
CALIBRATE_S: Final = 8.0
LEAST_S: Final = 20.0
AHEAD_MAX: Final = 200
"""Frames that wait for the worker while it is measured what it can do."""
DRAIN_S: Final = 15.0
ANSWERED: Final = ("faces", "no-face")
RUNS: Final = {"only what is too old is dropped": "false", "thinned by priority and use": "true"}


class Camera(NamedTuple):
    """A made-up camera: what it sends again and again."""

    camera_id: str
    priority: Priority
    has_face: bool
    jpegs: Sequence[bytes]

    @property
    def group(self) -> str:
        return f"{self.priority}, {'a face' if self.has_face else 'empty'}"


def overload(settings: Settings, seconds: float) -> list[Finding]:
    """Both runs, each for `seconds`, `LEAST_S` at least: a line for each group of cameras, and for all."""
    cameras, findings = made_up_cameras(), []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        found = stack.enter_context(servers(settings))
        using = Settings(**found.settings)
        for name, thinning in RUNS.items():
            with _running_worker(found.settings, folder, thinning=thinning) as worker:
                fps = asyncio.run(_can_do(using, worker, cameras))
                run = asyncio.run(_run(using, worker, cameras, LOAD * fps, max(LEAST_S, seconds)))
            table = f"{LOAD:.0%} of the {fps:.0f} frames/s that a worker can do, {found.kind}, {name}"
            findings += [Finding("overload", table, case, figures) for case, figures in run.items()]
    return findings


def made_up_cameras() -> list[Camera]:
    """`CAMERAS_A_GROUP` of each priority with a face and without, as many in each partition."""
    pictures = {}
    for faces in (0, 1):
        scene = scenes.standing(faces, FACE_PX, SIZE_PX, seconds=2.0, seed=3)
        there = [encode_jpeg(frame.picture_rgb) for frame in scene.frames()]
        pictures[bool(faces)] = [*there, *there[-2:0:-1]]  # and back: the face never jumps
    kinds = product(PRIORITIES, (False, True), range(CAMERAS_A_GROUP))
    return [
        Camera(_id_in((place + place // PARTITIONS) % PARTITIONS, place), priority, face, pictures[face])
        for place, (priority, face, _) in enumerate(kinds)
    ]


def _id_in(partition: int, place: int) -> str:
    """A camera id that Kafka's default partitioner puts there."""
    everything = list(range(PARTITIONS))
    ids = (f"camera-{place}-{n}" for n in count())
    return next(i for i in ids if DefaultPartitioner()(i.encode(), everything, everything) == partition)


class _Worker(NamedTuple):
    port: int

    def outcomes(self) -> Counter[tuple[str, str]]:
        """(camera, outcome) → frames."""
        return Counter(
            {
                (s.labels["camera"], s.labels["outcome"]): int(s.value)
                for s in metrics_scrape.samples(self.port)
                if s.name == "mien_frames_total" and s.labels["stage"] == "landmarks"
            }
        )

    def ages(self) -> dict[float, int]:
        """Upper bound in s → answered live frames that were no older."""
        return {
            float(s.labels["le"]): int(s.value)
            for s in metrics_scrape.samples(self.port)
            if s.name == "mien_frame_age_seconds_bucket" and s.labels["stage"] == "landmarks"
        }


@contextmanager
def _running_worker(servers: dict[str, Any], folder: Path, *, thinning: str) -> Iterator[_Worker]:
    """A landmarks worker in a process of its own, until the block ends."""
    chain = Chain(servers | {"thinning": thinning}, folder, stages=("landmarks",))
    with chain.running_stages():
        yield _Worker(chain.ports["landmarks"])
        chain.check()
        chain.stop("landmarks")  # what is done is committed: the next one begins behind it


class _Sender:
    """Sends the cameras' frames, numbered from 0, of one run."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, source: Source) -> None:
        self.sent: Counter[str] = Counter()
        self._topic = settings.topics.frames.name
        self._producer = producer
        self._source = source
        self._run = time.time_ns() // 1000

    async def send(self, camera: Camera) -> None:
        """The camera's next frame; returns when it is on its way."""
        seq = self.sent[camera.camera_id]
        self.sent[camera.camera_id] += 1
        jpeg = camera.jpegs[seq % len(camera.jpegs)]
        trace = str(TraceContext.new(sampled=False))
        frame = Frame(
            camera.camera_id,
            seq,
            time.time_ns() // 1000,
            SIZE_PX,
            self._source,
            trace,
            jpeg,
            self._run,
            priority=camera.priority,
        )
        key, value, headers = frame_message.encode(frame)
        await self._producer.send(self._topic, value, key=key, headers=headers)


@asynccontextmanager
async def _sender(settings: Settings, source: Source) -> AsyncIterator[_Sender]:
    producer = broker.producer(settings, max_message_bytes=settings.topics.frames.max_message_bytes)
    await producer.start()
    try:
        yield _Sender(settings, producer, source)
    finally:
        await producer.stop()


async def _can_do(settings: Settings, worker: _Worker, cameras: Sequence[Camera]) -> float:
    """Frames a second that the worker answers while some always wait."""
    async with _sender(settings, "file") as sender:
        turn = cycle(cameras)
        began_s, answered_before = 0.0, 0
        warm_s = time.monotonic() + WARM_UP_S
        while True:
            answered = worker.outcomes().total()
            now_s = time.monotonic()
            if not began_s and now_s > warm_s:
                began_s, answered_before = now_s, answered
            if began_s and now_s > began_s + CALIBRATE_S:
                break
            for _ in range(AHEAD_MAX - (sender.sent.total() - answered)):
                await sender.send(next(turn))
            await asyncio.sleep(0.25)
    await _drained(worker, Counter(), sender.sent)
    return (answered - answered_before) / (now_s - began_s)


async def _run(
    settings: Settings, worker: _Worker, cameras: Sequence[Camera], fps: float, seconds: float
) -> dict[str, dict[str, Any]]:
    """By group, and for all: frames offered, what became of them, and how old they were when answered."""
    before, began_us = worker.outcomes(), time.time_ns() // 1000
    async with _sender(settings, "live") as sender:
        interval_s = len(cameras) / fps
        began_s = time.monotonic()
        for n in count():
            due_s = began_s + n / len(cameras) * interval_s
            if due_s > began_s + seconds:
                break
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await sender.send(cameras[n % len(cameras)])
    after = await _drained(worker, before, sender.sent) - before
    ages_ms = await _ages_ms(settings, began_us)
    figures = {}
    for group in dict.fromkeys(camera.group for camera in cameras):
        ids = [camera.camera_id for camera in cameras if camera.group == group]
        of_group = [age for camera_id in ids for age in ages_ms.get(camera_id, ())]
        figures[group] = _figures(sender.sent, after, ids) | (
            {f"age_p{q}_ms": round(float(np.percentile(of_group, q))) for q in (50, 95)} if of_group else {}
        )
    everyone = [camera.camera_id for camera in cameras]
    ages = worker.ages()
    figures["all"] = _figures(sender.sent, after, everyone) | {
        "answered_per_s": round(sum(after[i, o] for i in everyone for o in ANSWERED) / seconds, 1),
        **{f"age_p{q}_ms": round(1000 * quantile(ages, q / 100)) for q in (50, 95)},
    }
    return figures


def _figures(
    sent: Counter[str], outcomes: Counter[tuple[str, str]], camera_ids: Sequence[str]
) -> dict[str, Any]:
    offered = sum(sent[i] for i in camera_ids)
    answered, thinned, stale = (
        sum(outcomes[i, outcome] for i in camera_ids for outcome in of)
        for of in (ANSWERED, ("thinned",), ("stale",))
    )
    return {
        "offered": offered,
        "answered": answered,
        "answered_percent": round(100 * answered / max(1, offered)),
        "thinned": thinned,
        "stale": stale,
        "unaccounted": offered - answered - thinned - stale,
    }


async def _drained(
    worker: _Worker, before: Counter[tuple[str, str]], sent: Counter[str]
) -> Counter[tuple[str, str]]:
    """What became of all frames, once the worker has had them; waits no longer than `DRAIN_S`."""
    until_s = time.monotonic() + DRAIN_S
    while True:
        outcomes = worker.outcomes()
        if outcomes.total() - before.total() >= sent.total() or time.monotonic() > until_s:
            return outcomes
        await asyncio.sleep(0.1)


async def _ages_ms(settings: Settings, since_us: int) -> dict[str, list[float]]:
    """Camera → how old its frames were when their faces were sent to Kafka, of those taken since then."""
    topic = settings.topics.landmarks.name
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(**broker.connection(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[str, list[float]] = {}
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    face = landmarks_message.decode(record.value)
                    if face.captured_at_us >= since_us:
                        age_ms = record.timestamp - face.captured_at_us / 1000
                        found.setdefault(face.camera_id, []).append(age_ms)
        return found
    finally:
        await consumer.stop()
