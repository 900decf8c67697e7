"""Runs a stage: batches of messages to its handler, acknowledgement, failure and shutdown.

A stage is a function from a batch of messages to nothing. When it returns, everything it sent is
delivered, and only then is the batch acknowledged. So the order is, for every message:

    1. read   2. work   3. send and wait for the delivery   4. acknowledge   5. commit (Faust, twice a second)

A worker killed at any point repeats at most what it had not committed; event ids are deterministic
and the state is fenced, so a repetition changes nothing.

A message that cannot be used goes to the dead letters, and the stage goes on. A service that does not
answer is waited for: nothing is acknowledged meanwhile, so nothing is lost.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.types import TP

from streams import broker, logs, topic_state
from streams.errors import MienError
from streams.health import Health, MetricsServer
from streams.settings import Settings
from streams.topics import Topic
from workers.stages.consumer_lag import LagWatch
from workers.stages.faust_app import faust_app, topic_of_batches
from workers.stages.handler import Handler, message_of
from workers.stages.outlet import OpenHandler, Outlet
from workers.stages.retrying import RetryingProcessor

BATCHES_HELD = 5
"""At most: in hand, in our queue and on the way to it, and two in Faust. aiokafka holds some too."""
STOP_TIMEOUT_S = 8.0
"""With the producer's 10 s, less than the 30 s that Kubernetes gives."""

log = logs.get("mien.stage")


def run(settings: Settings, name: str, source: Topic, open_handler: OpenHandler, *, batch_max: int) -> None:
    """Runs a stage until SIGTERM or Ctrl-C; then finishes the batch in hand, commits and returns.

    Raises:
        ServiceUnavailable: if Kafka with its topics (or what the handler needs) is not there at the start.
        TopicsDiffer: if the frames' topic keeps pictures for longer than promised.
        ModelUnusable: if the handler cannot load its model.
        SettingsInvalid: if the handler cannot do what the settings ask.
    """
    health = Health("model and connections", "consumer group")
    with MetricsServer(health, settings.metrics_host, settings.metrics_port) as server:
        log.info("stage starts", stage=name, reads=source.name, metrics=server.address)
        asyncio.run(broker.wait_until_ready(settings, settings.startup_timeout_s, *settings.topics))
        asyncio.run(topic_state.check_at_start(settings, source, settings.topics.dead_letters))
        _Stage(settings, name, source, open_handler, batch_max, health).run()
    log.info("stage ended", stage=name)


class _Stage:
    """Wires the handler into a Faust app: agent → queue → batches → handler."""

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
        self._open_handler = open_handler
        self._health = health
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._arrived: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
        self._stopping = asyncio.Event()
        self._failure: MienError | None = None
        self._last_resort = threading.Timer(STOP_TIMEOUT_S, self._leave)
        self._last_resort.daemon = True
        self._lag = LagWatch(name)
        self._app = faust_app(settings, name, self._loop, batch_max)
        self._worker = faust.Worker(
            self._app, loop=self._loop, quiet=True, override_logging=False, redirect_stdouts=False
        )
        self._worker.spinner = None  # it would write escape codes to stdout
        self._agent = self._app.agent(topic_of_batches(self._app, source), name=name, concurrency=1)(
            self._feed
        )
        self._app.task()(self._work)
        self._app.task()(self._beat)
        self._app.task()(self._watch_lag)
        self._app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        self._app.on_partitions_revoked.connect(self._on_revoked, weak=False)

    def run(self) -> None:
        try:
            self._worker.execute_from_commandline()
        except SystemExit as exc:
            if self._failure:
                raise self._failure from None
            if exc.code:
                raise
        finally:
            self._last_resort.cancel()
        if self._failure:
            raise self._failure

    def _leave(self) -> None:
        """Ends the process, when stopping has taken too long.

        Faust waits for Kafka when it stops, for ever if need be. To end here loses nothing either: what is
        not acknowledged is worked on again.
        """
        log.warning("kafka does not let us go: leaving without", stage=self._name, waited_s=STOP_TIMEOUT_S)
        os._exit(self._failure.exit_code if self._failure else 0)

    async def _feed(self, stream: Any) -> None:
        # noack: an agent acknowledges an event when it asks for the next one, which here is too early.
        async for event in stream.noack().events():
            await self._arrived.put(event)

    async def _work(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):  # replaces Faust's, which would cut the batch in hand
            self._loop.add_signal_handler(number, self._stopping.set)
        try:
            async with self._open_outlet() as outlet, self._open_handler(outlet) as handler:
                retrying = RetryingProcessor(self._settings, self._name, outlet, self._health, self._stopping)
                self._health.set_ready("model and connections")
                await self._work_until_stopped(handler, retrying)
        except MienError as exc:
            self._failure = exc
        # The agent first, by itself: a stopping app cancels its agents before it tells them to stop, which
        # they take for a crash, and then it leaves the consumer's thread running.
        await self._agent.stop()
        # As on a signal: it then waits until all is stopped. A future of the app's would be cancelled by the
        # stopping app itself, half-way, with the consumer's thread left running.
        self._worker._schedule_shutdown(signal.SIGTERM)

    @asynccontextmanager
    async def _open_outlet(self) -> AsyncIterator[Outlet]:
        """The outlet with a producer of its own: a message through Faust's costs several times as much."""
        dead_letters = self._settings.topics.dead_letters
        producer = broker.producer(self._settings, max_message_bytes=dead_letters.max_message_bytes)
        try:
            await producer.start()
        except KafkaError as exc:
            raise broker.unavailable(self._settings, exc) from exc
        try:
            yield Outlet(producer, self._name, dead_letters)
        finally:
            self._last_resort.start()
            await producer.stop()

    async def _work_until_stopped(self, handler: Handler, retrying: RetryingProcessor) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        while not self._stopping.is_set():
            arrived = asyncio.ensure_future(self._arrived.get())
            await asyncio.wait({arrived, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not arrived.done():
                arrived.cancel()
                return
            batch = arrived.result()
            await retrying.process(handler, [message_of(record) for record in batch.value])
            batch.ack()
            self._lag.done(batch.value)

    async def _on_assigned(self, _app: faust.App, assigned: set[TP], **_kwargs: Any) -> None:
        self._lag.forget()
        log.info("partitions assigned", stage=self._name, partitions=sorted(tp.partition for tp in assigned))
        self._health.set_ready("consumer group")

    async def _on_revoked(self, _app: faust.App, _revoked: set[TP], **_kwargs: Any) -> None:
        self._health.set_unready("consumer group")

    async def _beat(self) -> None:
        await self._health.beat()

    async def _watch_lag(self) -> None:
        await self._lag.keep_watching(self._app.consumer)
