"""Tells what is true of a live camera: in metrics, on ``mien.cameras`` at every change, and as a heartbeat.

What the camera usually sees is kept in Redis, so that it also notices after a restart that it was moved. It
goes on without Redis, and tells nothing while Kafka is away: whoever hears nothing takes it for lost.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from streams import logs, metrics
from streams.errors import MienError, ServiceUnavailable
from streams.messages import camera_truth
from streams.messages.camera_truth import CAMERA_STATES, HEARTBEAT_S, CameraState, CameraTruth
from streams.messages.emotion_event import time_of
from streams.settings import Settings
from streams.store.scene_store import SceneStore
from workers.truth import scene
from workers.truth.truth_judge import Finding
from workers.truth.truth_watch import TruthWatch

LOOK_EVERY_S: Final = 0.5
KEEP_EVERY_S: Final = 300.0
"""So often what the camera usually sees is written to Redis."""
LAST_WORD_S: Final = 3.0
"""How long a camera that ends tries to say so."""
_STAMPED_BY_KAFKA: Final = 1
"""Kafka's ``timestamp_type`` of a record with the time at which the broker took it."""

log = logs.get("mien.camera")


class TruthTelling:
    """Of one camera. Runs in the event loop, and asks the watch that its reading thread feeds."""

    def __init__(
        self, settings: Settings, producer: AIOKafkaProducer, camera_id: str, run: int, watch: TruthWatch
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._camera_id = camera_id
        self._run = run
        self._watch = watch
        self._told: CameraState | None = None
        self._told_at_s = float("-inf")
        self._failed = False
        self._kept_at_s = time.monotonic()

    async def keep_telling(self) -> None:
        """Tells until it is cancelled; then, if it ever told anything, that the camera is lost."""
        async with SceneStore.connect(self._settings) as store:
            await self._remember(store)
            telling: asyncio.Task[None] | None = None
            try:
                while True:
                    await asyncio.sleep(LOOK_EVERY_S)
                    found = self._watch.finding()
                    if found is None:
                        continue
                    self._show(found[0])
                    due = found[0].state != self._told or time.monotonic() - self._told_at_s >= HEARTBEAT_S
                    if due and (telling is None or telling.done()):  # metrics go on while Kafka is away
                        telling = asyncio.create_task(self._tell(*found))
                    if time.monotonic() - self._kept_at_s >= KEEP_EVERY_S:
                        await self._keep(store)
            finally:
                if telling is not None:
                    telling.cancel()
                await self._keep(store)
                if self._told is not None:
                    self._watch.lost()
                    await self._last_word()

    async def _tell(self, finding: Finding, lasted_s: float) -> None:
        sent_us = time.time_ns() // 1000
        truth = CameraTruth(
            self._camera_id,
            self._run,
            time_of(sent_us),
            finding.state,
            time_of(max(0, sent_us - round(lasted_s * 1e6))),
            finding.measures,
        )
        key, value, headers = camera_truth.encode(truth)
        topic = self._settings.topics.cameras.name
        try:
            record = await self._producer.send_and_wait(topic, value, key=key, headers=headers)
        except (KafkaError, OSError) as exc:
            if not self._failed:
                log.warning("camera's state not told", camera=self._camera_id, error=repr(exc))
            self._failed = True
            return
        self._failed = False
        if finding.state != self._told:
            about = {name: value for name, value in finding.measures.items() if finding.state != "ok"}
            tell = log.info if finding.state == "ok" else log.warning
            tell(f"camera is {finding.state}", camera=self._camera_id, **about)
        self._told, self._told_at_s = finding.state, time.monotonic()
        offset_s = clock_offset_s(record, sent_us, time.time_ns() // 1000)
        if offset_s is not None:
            self._watch.clock(offset_s)
            metrics.camera_clock_offset_seconds.labels(self._camera_id).set(offset_s)

    async def _last_word(self) -> None:
        found = self._watch.finding()
        if found is None:
            return
        self._show(found[0])
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tell(*found), LAST_WORD_S)

    def _show(self, finding: Finding) -> None:
        for state in CAMERA_STATES:
            metrics.camera_state.labels(self._camera_id, state).set(state == finding.state)
        for name, value in finding.measures.items():
            metrics.camera_measure.labels(self._camera_id, name).set(value)

    async def _remember(self, store: SceneStore) -> None:
        try:
            packed = await store.read(self._camera_id)
        except ServiceUnavailable as exc:
            log.info("what the camera usually sees is not kept: no Redis", error=str(exc))
            return
        if usual := scene.unpack(packed):
            self._watch.remember(usual)

    async def _keep(self, store: SceneStore) -> None:
        self._kept_at_s = time.monotonic()
        if (usual := self._watch.usual()).by_hour:
            with suppress(MienError):  # told at the start; another camera's Redis is not this one's trouble
                await store.write(self._camera_id, scene.pack(usual))


def clock_offset_s(record: RecordMetadata, sent_us: int, acknowledged_us: int) -> float | None:
    """How far our clock is ahead of Kafka's, at least; 0 where the way to it may explain the difference.

    Kafka stamped the record, to the millisecond, between our sending it and our hearing so (F. Cristian,
    Probabilistic clock synchronization, 1989). None: it was stamped by us, as in the embedded broker.
    """
    if record.timestamp_type != _STAMPED_BY_KAFKA:
        return None
    first_us: int = record.timestamp * 1000
    last_us = first_us + 999
    if last_us < sent_us:
        return (sent_us - last_us) / 1e6
    return min(0.0, (acknowledged_us - first_us) / 1e6)
