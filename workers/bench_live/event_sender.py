"""Sends the made-up events at their pace: `python -m workers.bench_live.event_sender CAMERAS`, until SIGTERM.

It says ``sending`` on a line when it begins, and at the end what it really sent, as the JSON of `Sent`. Kafka
and Redis are those of the settings. Of each camera the newest event of every second goes into Redis, as the
state stage puts it there.
"""

import asyncio
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer

from streams import broker
from streams.messages import alert, camera_truth, emotion_event, landmarks_message
from streams.messages.camera_truth import HEARTBEAT_S
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import Headers
from streams.settings import Settings
from streams.store import subject_state
from streams.topics import Topic
from workers import model_loading
from workers.bench_live import made_up_events
from workers.bench_live.made_up_events import MadeUpFaces

SENDING: Final = "sending"
EVENTS_PER_S: Final = 10
"""Of each camera."""
ALERT_EVERY_S: Final = 5.0
"""Then one begins to fire at the next camera, and the one before is resolved."""


class Sent(msgspec.Struct):
    """What was sent, each face as points and as an event."""

    events_by_second: dict[int, int]
    """By the second of the epoch in which they were."""
    late_ms: list[float]
    """By so much each event of the whole run was later than its time."""
    failed: int = 0
    """Messages that Kafka did not take."""


class Sender:
    """Sends to Kafka what is due, and counts it."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, cameras: int) -> None:
        self._settings = settings
        self._producer = producer
        self._cameras = cameras
        self._run_us = time.time_ns() // 1000
        self._faces = MadeUpFaces(model_loading.load_landmark_set(settings), self._run_us)
        self._newest: dict[int, EmotionEvent] = {}
        self._by_second: Counter[int] = Counter()
        self.sent = Sent(self._by_second, [])

    async def send_faces(self) -> None:
        """Every camera's, one after the other, for ever."""
        topics, began_s, number = self._settings.topics, time.monotonic(), 0
        while True:
            due_s = began_s + number / (self._cameras * EVENTS_PER_S)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            camera, seq = number % self._cameras, number // self._cameras
            now_us = time.time_ns() // 1000
            landmarks, event = self._faces.seen(camera, seq, now_us)
            key = landmarks.camera_id.encode()
            await self._send(topics.landmarks, key, landmarks_message.encode(landmarks), [])
            await self._send(topics.emotions, *emotion_event.encode(event))
            self._newest[camera] = event
            self._by_second[now_us // 1_000_000] += 1
            self.sent.late_ms.append(1000 * (time.monotonic() - due_s))
            number += 1

    async def tell_truths(self) -> None:
        """Of each camera at once, and then at its time in every heartbeat."""
        for camera in range(self._cameras):
            await self._tell_truth(camera)
        while True:
            for camera in range(self._cameras):
                await asyncio.sleep(HEARTBEAT_S / self._cameras)
                await self._tell_truth(camera)

    async def raise_alerts(self) -> None:
        """One after the other; each is resolved when the next one fires."""
        topic, number = self._settings.topics.alerts, 0
        while True:
            camera = number % self._cameras
            started, evidence = datetime.now(UTC) - timedelta(seconds=2), []
            if newest := self._newest.get(camera):
                evidence = [newest.event_id]
            for state in ("firing", "resolved"):
                told = made_up_events.told_alert(camera, state, started, datetime.now(UTC), evidence)
                await self._send(topic, *alert.encode(told))
                if state == "firing":
                    await asyncio.sleep(ALERT_EVERY_S)
            number += 1

    async def keep_state(self) -> None:
        """Writes the newest event of each camera every second, as the state stage does with all."""
        async with subject_state.connect(self._settings) as store:
            while True:
                await store.apply(list(self._newest.values()))
                await asyncio.sleep(1.0)

    async def _tell_truth(self, camera: int) -> None:
        told = made_up_events.truth(camera, self._run_us, datetime.now(UTC))
        await self._send(self._settings.topics.cameras, *camera_truth.encode(told))

    async def _send(self, topic: Topic, key: bytes, value: bytes, headers: Headers) -> None:
        delivery = await self._producer.send(topic.name, value, key=key, headers=headers)
        delivery.add_done_callback(self._delivered)

    def _delivered(self, delivery: "asyncio.Future[object]") -> None:
        if delivery.cancelled() or delivery.exception():
            self.sent.failed += 1


async def run(settings: Settings, cameras: int) -> Sent:
    """Sends until SIGTERM.

    Raises:
        ServiceUnavailable: if Kafka or Redis does not answer.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    max_bytes = settings.topics.emotions.max_message_bytes
    async with broker.producer(settings, max_message_bytes=max_bytes) as producer:
        sender = Sender(settings, producer, cameras)
        print(SENDING, flush=True)
        work = (sender.send_faces, sender.tell_truths, sender.raise_alerts, sender.keep_state, stop.wait)
        tasks = [asyncio.ensure_future(one()) for one in work]
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in ended:
            task.result()  # raises what ended it, if it was not the signal
        await producer.flush()
        return sender.sent


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(run(Settings(), int(sys.argv[1])))).decode())
