"""Reads a stage's topic with Faust, by its public API. For every message:

    1. read: Faust's agent puts what comes into a queue
    2. batch: what waits there is taken together
    3. work, until all that the batch sent is delivered
    4. acknowledge
    5. commit (Faust, twice a second)

It is for stages whose work does no harm when it is done again: on a rebalance Faust commits nothing, so the
partitions' next worker repeats what was not committed. What was read before a rebalance is dropped, and not
acknowledged after it, so that no offset goes back.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import faust
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError

from streams import broker, faust_connection, logs, metrics
from streams.backoff import backoff_s
from streams.errors import BrokerUnavailable, MienError
from workers.stages.consumer_lag import LagWatch
from workers.stages.handler import CONSUMER_GROUP, Reading, Share, Tick, WorkOff, message_of

COMMIT_INTERVAL_S = 0.5
WATCH_INTERVAL_S = 1.0
RETRY_BASE_S, RETRY_CAP_S = 1.0, 5.0
LEAVE_TIMEOUT_S = 5.0

log = logs.get("mien.stage")


async def consume(reading: Reading, work_off: WorkOff, *, tick: Tick | None = None) -> None:
    """Reads until it is told to stop; then finishes the batch in hand, commits it and leaves the group.

    ``tick`` is called each second, never while a batch is worked on. While a service is away it is left out.

    Raises:
        MienError: that ``work_off`` raises.
        BrokerUnavailable: if Faust gives up.
    """
    if await _group_is_free(reading):
        await _Reader(reading, work_off, tick).run()


async def _group_is_free(reading: Reading) -> bool:
    """Waits until no other program uses the group; False if told to stop first.

    Faust would not tell: its consumer waits for ever, also after the other program has gone.
    """
    pauses_s = backoff_s(RETRY_BASE_S, RETRY_CAP_S)
    while not reading.stopping.is_set():
        try:
            protocol = await broker.group_protocol(reading.settings, reading.group)
        except (KafkaError, OSError) as exc:
            log.debug("group not known", stage=reading.stage, error=repr(exc))
            return True
        if protocol in ("", RoundRobinPartitionAssignor.name):
            return True
        pause_s = RETRY_BASE_S + next(pauses_s)
        error = broker.group_taken(reading.settings, reading.group)
        log.warning("reads nothing", stage=reading.stage, error=str(error), pause_s=round(pause_s, 2))
        await asyncio.wait({asyncio.ensure_future(reading.stopping.wait())}, timeout=pause_s)
    return False


class _Reader:
    """A Faust app with one agent, and what works on its events."""

    def __init__(self, reading: Reading, work_off: WorkOff, tick: Tick | None = None) -> None:
        self._reading = reading
        self._work_off = work_off
        self._tick = tick
        self._ticked_at_s = time.monotonic()
        self._rebalances = 0
        self._has_share = False
        self._lag = LagWatch(reading.stage)
        self._arrived: asyncio.Queue[Any] = asyncio.Queue(maxsize=reading.batch_max)
        settings = reading.settings
        self._app = faust.App(
            reading.group,
            broker=faust_connection.url(settings),
            broker_credentials=faust_connection.credentials(settings),
            loop=asyncio.get_running_loop(),
            autodiscover=False,
            store="memory://",
            datadir=Path(tempfile.gettempdir(), f"mien-{reading.stage}"),  # stays empty, but Faust makes it
            table_standby_replicas=0,  # no tables: any assignor will do
            web_enabled=False,
            topic_allow_declare=False,  # `mien topics` creates them; the embedded broker cannot be asked to
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            consumer_metadata_max_age_ms=broker.METADATA_MAX_AGE_MS,
            broker_commit_interval=COMMIT_INTERVAL_S,
            stream_wait_empty=False,  # would wait at the end for what we did not take on
            broker_session_timeout=settings.kafka_session_timeout_s,
            broker_heartbeat_interval=settings.kafka_session_timeout_s / 4,
        )
        topic = self._app.topic(reading.source.name, key_serializer="raw", value_serializer="raw")
        self._agent = self._app.agent(topic, name=reading.stage, concurrency=1)(self._feed)
        self._app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        self._app.on_partitions_revoked.connect(self._on_revoked, weak=False)

    async def run(self) -> None:
        await self._app.start()
        upkeep = [
            asyncio.ensure_future(self._lag.keep_watching(self._app.consumer)),
            asyncio.ensure_future(self._keep_telling_readiness()),
        ]
        try:
            await self._work()
        finally:
            for task in upkeep:
                task.cancel()
            try:
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self._leave()
            except (MienError, TimeoutError) as exc:
                log.warning("kafka does not let us go", stage=self._reading.stage, error=repr(exc))

    async def _leave(self) -> None:
        # The agent first: a stopping app cancels its agents before it tells them to stop, which they take for
        # a crash.
        await self._agent.stop()
        # Told to stop while Kafka is away, Faust's thread dies with a traceback, and the app waits for it
        # for ever. Then the process ends with the thread in it.
        await broker.wait_until_ready(self._reading.settings, 0)
        await self._app.stop()

    async def _feed(self, stream: Any) -> None:
        # noack: an agent acknowledges an event when it asks for the next one, which here is too early.
        async for event in stream.noack().events():  # 1
            await self._arrived.put((self._rebalances, event))

    async def _work(self) -> None:
        stopping = asyncio.ensure_future(self._reading.stopping.wait())
        crash = asyncio.ensure_future(self._crash())
        fetch = metrics.stage_duration_seconds.labels(self._reading.stage, "fetch")
        while not stopping.done():
            arrived, waits_s = asyncio.ensure_future(self._arrived.get()), time.monotonic()
            while not (arrived.done() or stopping.done() or crash.done()):
                await self._tick_if_due()
                pause_s = WATCH_INTERVAL_S if self._tick else None
                await asyncio.wait(
                    {arrived, stopping, crash}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
                )
            if crash.done():
                reason = crash.result()
                raise BrokerUnavailable(f"Faust gave up reading {self._reading.source.name}: {reason!r}")
            if not arrived.done() or stopping.done():
                arrived.cancel()
                break
            batch = [arrived.result()]
            fetch.observe(time.monotonic() - waits_s)
            while len(batch) < self._reading.batch_max and not self._arrived.empty():
                batch.append(self._arrived.get_nowait())
            rebalances = self._rebalances
            events = [event for at, event in batch if at == rebalances]  # 2
            if events:
                await self._work_off([message_of(event.message) for event in events])  # 3
            if self._rebalances == rebalances:
                for event in events:
                    event.ack()  # 4
                self._lag.done(event.message for event in events)
            await self._tick_if_due()
        crash.cancel()

    async def _tick_if_due(self) -> None:
        if self._tick is None or time.monotonic() - self._ticked_at_s < WATCH_INTERVAL_S:
            return
        self._ticked_at_s = time.monotonic()
        if not self._has_share:
            return
        consumer = self._app.consumer
        partitions = frozenset(tp.partition for tp in consumer.assignment())
        done_until_s = await self._lag.done_until_s(consumer)
        try:
            await self._tick(Share(partitions, done_until_s))
        except (MienError, KafkaError) as exc:
            if isinstance(exc, MienError) and not exc.retriable:
                raise
            log.warning("tries again", stage=self._reading.stage, error=str(exc))

    async def _crash(self) -> BaseException | None:
        """Returns when Faust has given up."""
        while not self._app.crashed:
            await asyncio.sleep(WATCH_INTERVAL_S)
        reason: BaseException | None = self._app.crash_reason
        return reason

    async def _on_assigned(self, _app: faust.App, assigned: set[Any], **_kwargs: Any) -> None:
        self._lag.forget()
        log.info(
            "partitions assigned",
            stage=self._reading.stage,
            partitions=sorted(tp.partition for tp in assigned),
        )
        self._has_share = True
        self._tell_readiness()

    async def _on_revoked(self, _app: faust.App, _revoked: set[Any], **_kwargs: Any) -> None:
        self._rebalances += 1
        self._has_share = False
        self._tell_readiness()

    async def _keep_telling_readiness(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            self._tell_readiness()

    def _tell_readiness(self) -> None:
        """Ready is who has partitions, or has none because other workers have them all."""
        consumer, topic = self._app.consumer, self._reading.source.name
        if not self._has_share:  # the consumer may not be started yet
            metrics.assigned_partitions.labels(topic).set(0)
            self._reading.health.set_unready(CONSUMER_GROUP)
            return
        mine, existing = consumer.assignment(), consumer.topic_partitions(topic) or 0
        metrics.observe_partitions(topic, assigned=len(mine), existing=existing)
        if mine or existing:
            self._reading.health.set_ready(CONSUMER_GROUP)
        else:
            self._reading.health.set_unready(CONSUMER_GROUP)
