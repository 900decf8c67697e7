"""`mien probe`: sends the scripted portrait through the live chain, and holds the answers against the script.

    one round of the script, as JPEGs → a frame each 1/fps s, repeated → Kafka
    mien.emotions → judge → metrics          Redis → how long until the state has it

It sees what users of the events see, from outside: whether the chain answers, how soon, and how truly, also
when nobody is in view of any real camera.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.asyncio import Redis

from models.faces.pictures import encode_jpeg
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script, truth_at
from streams import broker, logs, metrics
from streams.errors import ProbeFailed, ServiceUnavailable, SettingsInvalid
from streams.health import Health, MetricsServer
from streams.messages import frame_message
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import PROBE_CAMERA, Frame
from streams.settings import Settings
from streams.store import connection
from streams.telemetry import tracing
from streams.telemetry.spans import frame_attributes
from workers.probe.probe_answers import Answers, in_redis_at_us
from workers.probe.probe_judge import OUTCOMES, Judge, Outcome

NAME: Final = "probe"
SCRIPT: Final = find_script("probe")
SIZE_PX: Final = (320, 240)
JPEG_QUALITY: Final = 90
REDIS_EVERY_S: Final = 1.0
"""So often it is looked how long Redis takes."""
REDIS_TIMEOUT_S: Final = 1.0
RIGHT_LEAST: Final = 0.9
"""Share of right answers with which one round passes: a loaded machine drops a live frame now and then."""
RETRY_S: Final = 1.0

log = logs.get("mien.probe")


class Picture(NamedTuple):
    """A frame of the script."""

    jpeg: bytes
    truth: str | None


def run(settings: Settings, *, once: bool) -> dict[str, Any]:
    """Probes until SIGTERM, or one round of the script; returns what came of it.

    Raises:
        SettingsInvalid: with MIEN_FRAMES=none, where no stage reads frames.
        ServiceUnavailable: if Kafka is not there at the start.
    """
    if settings.frames == "none":
        raise SettingsInvalid("MIEN_FRAMES=none: no stage reads frames, so there is nothing to probe")
    health = Health("kafka", "redis")
    with MetricsServer(health, settings.metrics_host, settings.metrics_port) as server:
        log.info("probe starts", fps=settings.probe_fps, metrics=server.address)
        probe = _Probe(settings, health)
        with tracing.exported(settings, NAME):
            asyncio.run(probe.run(once=once))
    summary = probe.summary()
    log.info("probe ended", **summary)
    return summary


def refuse_untrue(summary: dict[str, Any]) -> None:
    """Raises ProbeFailed if one round was not answered as it should."""
    judged = sum(summary[outcome] for outcome in OUTCOMES)
    if not judged or summary["right"] < RIGHT_LEAST * judged or not summary["latency_ms"]["state"]["p50"]:
        told = ", ".join(f"{summary[outcome]} {outcome}" for outcome in OUTCOMES)
        in_redis = "" if summary["latency_ms"]["state"]["p50"] else "; nothing of it came to Redis"
        raise ProbeFailed(
            f"The chain did not answer as it should: of {summary['frames']} frames {told}{in_redis}. "
            "Missing: look which stage is not ready, or behind. Wrong: look whether another model is in use."
        )


class _Probe:
    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._run = time.time_ns() // 1000
        self._judge = Judge(
            late_us=settings.probe_late_ms * 1000, missing_us=round(settings.probe_missing_s * 1e6)
        )
        self._stopping = asyncio.Event()
        self._frames = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._latency_ms: dict[str, list[float]] = {"emotions": [], "state": []}
        self._looked_s = 0.0
        self._looks: set[asyncio.Task[None]] = set()

    async def run(self, *, once: bool) -> None:
        beat = asyncio.ensure_future(self._health.beat())
        settings, loop = self._settings, asyncio.get_running_loop()
        topics = settings.topics
        await broker.wait_until_ready(
            settings, settings.startup_timeout_s, topics.frames, topics.landmarks, topics.emotions
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        pictures = await asyncio.to_thread(one_round, settings.probe_fps)
        producer = broker.producer(settings, max_message_bytes=topics.frames.max_message_bytes)
        try:
            await producer.start()
            async with connection.client(settings, timeout_s=REDIS_TIMEOUT_S) as redis:
                await self._probe(producer, redis, pictures, once=once)
        except KafkaError as exc:
            raise broker.unavailable(settings, exc) from exc
        finally:
            await producer.stop()
            beat.cancel()

    async def _probe(
        self, producer: AIOKafkaProducer, redis: Redis, pictures: Sequence[Picture], *, once: bool
    ) -> None:
        async with Answers.open(self._settings, self._run, producer) as answers:
            reading = asyncio.ensure_future(
                answers.keep_reading(lambda event, at_us: self._answered(redis, event, at_us))
            )
            sending = asyncio.ensure_future(self._send(producer, pictures, once=once))
            try:
                await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()  # it ends only with an error
                sending.result()
                if self._looks:
                    await asyncio.wait(self._looks, timeout=REDIS_TIMEOUT_S)
            finally:
                reading.cancel()
                sending.cancel()

    async def _send(self, producer: AIOKafkaProducer, pictures: Sequence[Picture], *, once: bool) -> None:
        """A frame at its time; with `once` until the last one of a round is answered, or missing."""
        due_s, pause_s = time.monotonic(), 1 / self._settings.probe_fps
        while not self._stopping.is_set():
            if not (once and self._frames >= len(pictures)):
                await self._send_one(producer, pictures[self._frames % len(pictures)])
            elif not self._judge.waiting:
                return
            for _ in self._judge.missing(time.time_ns() // 1000):
                self._count("missing")
            due_s = max(due_s + pause_s, time.monotonic())
            try:
                await asyncio.wait_for(self._stopping.wait(), due_s - time.monotonic())
            except TimeoutError:
                continue

    async def _send_one(self, producer: AIOKafkaProducer, picture: Picture) -> None:
        seq, captured_at_us = self._frames, time.time_ns() // 1000
        about = frame_attributes(PROBE_CAMERA, self._run, seq)
        span = tracing.begin(NAME, self._settings.trace_ratio, about)
        frame = Frame(
            PROBE_CAMERA,
            seq,
            captured_at_us,
            SIZE_PX,
            "live",
            span.traceparent,
            picture.jpeg,
            self._run,
            priority="high",  # it tells how those fare who matter
        )
        key, value, headers = frame_message.encode(frame)
        self._judge.sent(seq, captured_at_us, picture.truth)
        self._frames += 1
        metrics.probe_frames_total.inc()
        try:
            await producer.send_and_wait(self._settings.topics.frames.name, value, key=key, headers=headers)
            self._health.set_ready("kafka")
        except KafkaError as exc:  # the frame will be missing, which is what happened
            self._health.set_unready("kafka")
            log.warning("frame not delivered", seq=seq, error=repr(exc))
        span.end()

    def _answered(self, redis: Redis, event: EmotionEvent, at_us: int) -> None:
        latency_s = self._latency("emotions", event, at_us)
        if outcome := self._judge.answered(event.frame_seq, event.emotion, at_us):
            self._count(outcome)
            if outcome == "wrong":
                log.warning("wrong answer", seq=event.frame_seq, emotion=event.emotion, latency_s=latency_s)
        if time.monotonic() - self._looked_s >= REDIS_EVERY_S:
            self._looked_s = time.monotonic()
            look = asyncio.create_task(self._look_into_redis(redis, event))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look_into_redis(self, redis: Redis, event: EmotionEvent) -> None:
        try:
            at_us = await in_redis_at_us(
                self._settings, redis, event, timeout_s=self._settings.probe_missing_s
            )
        except ServiceUnavailable as exc:
            self._health.set_unready("redis")
            log.warning("redis cannot be looked at", error=str(exc))
            return
        self._health.set_ready("redis")
        if at_us is None:
            log.warning("not in redis", seq=event.frame_seq, waited_s=self._settings.probe_missing_s)
        else:
            self._latency("state", event, at_us)

    def _latency(self, until: str, event: EmotionEvent, at_us: int) -> float:
        latency_s = at_us / 1e6 - event.captured_at.timestamp()
        metrics.probe_latency_seconds.labels(until).observe(latency_s)
        kept = self._latency_ms[until]
        kept.append(latency_s * 1000)
        del kept[:-1000]
        return round(latency_s, 3)

    def _count(self, outcome: Outcome) -> None:
        self._outcomes[outcome] += 1
        metrics.probe_events_total.labels(outcome).inc()
        if outcome == "right":
            metrics.probe_last_right_timestamp_seconds.set_to_current_time()

    def summary(self) -> dict[str, Any]:
        """Frames, outcomes, and quantiles of the latencies in ms (of the last 1,000 answers)."""
        latencies = {
            until: {f"p{q}": round(float(np.percentile(kept, q)), 1) if kept else None for q in (50, 99)}
            for until, kept in self._latency_ms.items()
        }
        return {
            "frames": self._frames,
            **{outcome: self._outcomes[outcome] for outcome in OUTCOMES},
            "latency_ms": latencies,
        }


def one_round(fps: float) -> list[Picture]:
    """The pictures of one round of the script, with what they show."""
    animation = Animation(SCRIPT, fps, SIZE_PX, seed=0)
    return [
        Picture(encode_jpeg(animation.frame(index), JPEG_QUALITY), truth_at(SCRIPT, index, fps))
        for index in range(round(SCRIPT.duration_s * fps))
    ]
