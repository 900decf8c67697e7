"""Runs a stage: waits for Kafka, opens what its handler needs, lets it read, and ends it in time.

A stage is a function from a batch of messages to nothing. When it returns, everything it sent is
delivered, and only then its offsets are noted and committed. ``consumer_loop`` says in which order.

A worker killed at any point repeats at most what it had not committed; event ids are deterministic
and the state is fenced, so a repetition changes nothing.

A message that cannot be used goes to the dead letters, and the stage goes on. A service that does not
answer is waited for: nothing is committed meanwhile, so nothing is lost.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from streams import broker, logs, topic_state
from streams.errors import MienError
from streams.health import Health, MetricsServer
from streams.settings import Settings
from streams.telemetry import tracing
from streams.topics import Topic
from workers.metering.work_meter import WorkMeter
from workers.stages import consumer_loop
from workers.stages.handler import CONSUMER_GROUP, Choosing, Consume, Message, Reading, Settling
from workers.stages.outlet import OpenHandler, Outlet
from workers.stages.retrying import CONNECTIONS, RetryingProcessor

STOP_TIMEOUT_S = 8.0
"""For the producer, after the last batch; with that and the group's, less than the 30 s of Kubernetes."""

log = logs.get("mien.stage")


def run(
    settings: Settings,
    name: str,
    source: Topic,
    open_handler: OpenHandler,
    *,
    batch_max: int,
    consume: Consume = consumer_loop.consume,
) -> None:
    """Runs a stage until SIGTERM or Ctrl-C; then finishes the batch in hand, commits and returns.

    Raises:
        ServiceUnavailable: if Kafka with its topics (or what the handler needs) is not there at the start.
        TopicsDiffer: if the frames' topic keeps pictures for longer than promised.
        ModelUnusable: if the handler cannot load its model.
        SettingsInvalid: if the handler cannot do what the settings ask.
    """
    health = Health(CONNECTIONS, CONSUMER_GROUP)
    with MetricsServer(health, settings.metrics_host, settings.metrics_port) as server:
        log.info("stage starts", stage=name, reads=source.name, metrics=server.address)
        stage = _Stage(settings, name, source, open_handler, batch_max, health)
        try:
            with tracing.exported(settings, name):
                asyncio.run(stage.run(consume))
        finally:
            stage.last_resort.cancel()
    log.info("stage ended", stage=name)


class _Stage:
    """Puts a handler between a consumer and an outlet."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        source: Topic,
        open_handler: OpenHandler,
        batch_max: int,
        health: Health,
    ) -> None:
        self._settings = settings
        self._name = name
        self._source = source
        self._open_handler = open_handler
        self._batch_max = batch_max
        self._health = health
        self._failure: MienError | None = None
        self.last_resort = threading.Timer(STOP_TIMEOUT_S, self._leave)
        self.last_resort.daemon = True

    async def run(self, consume: Consume) -> None:
        beat = asyncio.ensure_future(self._health.beat())  # first: to wait for Kafka is no standstill
        settings, stopping = self._settings, asyncio.Event()
        await broker.wait_until_ready(settings, settings.startup_timeout_s, *settings.topics)
        await topic_state.check_at_start(settings, self._source, settings.topics.dead_letters)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        try:
            async with self._open_outlet() as outlet, self._open_handler(outlet) as handler:
                retrying = RetryingProcessor(settings, self._name, outlet, self._health, stopping)
                settling = handler if isinstance(handler, Settling) else None
                choosing = handler if isinstance(handler, Choosing) else None
                reading = Reading(
                    settings,
                    self._name,
                    self._source,
                    self._batch_max,
                    self._health,
                    stopping,
                    settling,
                    choosing,
                )
                self._health.set_ready(CONNECTIONS)
                meter = WorkMeter(self._name)

                async def work_off(batch: Sequence[Message]) -> None:
                    with meter:
                        await retrying.process(handler, batch)

                await consume(reading, work_off)
        finally:
            beat.cancel()

    @asynccontextmanager
    async def _open_outlet(self) -> AsyncIterator[Outlet]:
        dead_letters = self._settings.topics.dead_letters
        producer = broker.producer(self._settings, max_message_bytes=dead_letters.max_message_bytes)
        try:
            await producer.start()
        except KafkaError as exc:
            raise broker.unavailable(self._settings, exc) from exc
        try:
            yield Outlet(producer, self._name, dead_letters)
        except MienError as exc:
            self._failure = exc
            raise
        finally:
            self.last_resort.start()
            await producer.stop()

    def _leave(self) -> None:
        """Ends the process, when stopping has taken too long.

        aiokafka waits for Kafka when it stops, for ever if need be. To end here loses nothing either: what is
        not committed is worked on again.
        """
        log.warning("kafka does not let us go: leaving without", stage=self._name, waited_s=STOP_TIMEOUT_S)
        os._exit(self._failure.exit_code if self._failure else 0)
