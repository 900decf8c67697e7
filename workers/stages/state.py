"""`mien state`: emotion events in, rolling state of each subject in Redis.

An event of a frame that Redis has seen of its subject changes nothing ("fenced"), so events that come again
do no harm: ``streams.store.subject_state`` decides that inside Redis. What Redis loses is made again from the
log beside the stream (``streams.store.state_rebuild``).

Of each event that changed something it is counted where in the camera's picture the face was, and whether it
could be read (``workers.coverage.coverage_tally``).
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from streams import metrics
from streams.errors import InputRefused
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import connection, coverage_store, state_rebuild, subject_state
from streams.store.subject_state import SubjectStore
from streams.telemetry import trace_context, tracing
from streams.telemetry.spans import frame_attributes
from workers.coverage.coverage_tally import CoverageTally
from workers.stages import consumer_loop, faust_reader, stage
from workers.stages.handler import Handler, Message
from workers.stages.outlet import Outlet

NAME = "state"
BATCH_MAX = 64
WOKEN_FROM_MS = 100
"""Fetches that are to wait for less are on a broker that does not end them when a message comes."""
ACTIVE_S = 5.0
"""A subject counts as active for so long after its last event."""


def run(settings: Settings) -> None:
    """Runs the stage until it is told to stop."""
    # Faust's fetches wait for 1.5 s, whatever is set; a broker that does not wake them makes that a delay.
    woken = settings.kafka_fetch_max_wait_ms >= WOKEN_FROM_MS
    stage.run(
        settings,
        NAME,
        settings.topics.emotions,
        partial(open_handler, settings),
        batch_max=BATCH_MAX,
        consume=faust_reader.consume if woken else consumer_loop.consume,
    )


@asynccontextmanager
async def open_handler(settings: Settings, outlet: Outlet) -> AsyncIterator[Handler]:
    """Waits for Redis, gives the handler, and beside it counts active subjects and keeps the state whole."""
    async with subject_state.connect(settings) as store, coverage_store.connect(settings) as coverage:
        await connection.wait_for_redis(store, settings.startup_timeout_s)
        tally = CoverageTally(coverage)
        worker = StateWorker(store, outlet, tally)
        beside = asyncio.gather(
            worker.keep_counting_active(), state_rebuild.keep_whole(settings, store.watch)
        )
        try:
            async with tally.writing():
                yield worker.handle
        finally:
            beside.cancel()
            with suppress(asyncio.CancelledError):
                await beside  # a rebuild leaves Kafka, and no half-made state


class StateWorker:
    """The stage's handler."""

    def __init__(self, store: SubjectStore, outlet: Outlet, coverage: CoverageTally | None = None) -> None:
        self._store = store
        self._outlet = outlet
        self._coverage = coverage
        self._seen_at_s: dict[tuple[str, str], float] = {}  # (camera, subject) → monotonic time

    async def handle(self, batch: Sequence[Message]) -> None:
        events: list[EmotionEvent] = []
        of_events: list[Message] = []
        refused: list[tuple[Message, InputRefused]] = []
        with metrics.stage_duration_seconds.labels(NAME, "decode").time():
            for message in batch:
                try:
                    events.append(emotion_event.decode(message.value))
                    of_events.append(message)
                except InputRefused as exc:
                    refused.append((message, exc))
        spans = [
            tracing.go_on(
                NAME,
                trace_context.of_event(message.headers),
                frame_attributes(event.camera_id, event.run, event.frame_seq),
            )
            for message, event in zip(of_events, events, strict=True)
        ]
        with metrics.stage_duration_seconds.labels(NAME, "redis").time():
            applied = await self._store.apply(events)
        for message, event, changed, span in zip(of_events, events, applied, spans, strict=True):
            span.end()
            if isinstance(changed, InputRefused):
                refused.append((message, changed))
                continue
            metrics.state_events_total.labels(event.camera_id, "applied" if changed else "fenced").inc()
            trace_id = trace_context.sampled_trace_id(span.traceparent)
            metrics.observe_frame_age(NAME, emotion_event.captured_at_us(event), event.source, trace_id)
            self._seen_at_s[event.camera_id, event.subject_id] = time.monotonic()
            if changed and self._coverage:
                self._coverage.count(event)
        for message, error in refused:  # last: while Redis is away, all of this is done again and again
            await self._outlet.refuse(message, error)

    async def keep_counting_active(self) -> None:
        """Sets the gauge each second, so that it falls when nothing comes any more."""
        while True:
            oldest_s = time.monotonic() - ACTIVE_S
            cameras = {metrics.camera_label(camera) for camera, _ in self._seen_at_s}
            self._seen_at_s = {who: at_s for who, at_s in self._seen_at_s.items() if at_s > oldest_s}
            # By label: many cameras may share one, and a gauge is set, not counted.
            active = Counter(metrics.camera_label(camera) for camera, _ in self._seen_at_s)
            for camera in cameras:
                metrics.active_subjects.labels(camera).set(active[camera])
            await asyncio.sleep(1)
