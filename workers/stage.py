"""What the three stream stages share: a Faust app, batches of messages, acknowledgement, shutdown.

A stage is a function from a batch of messages to nothing. When it returns, everything it sent is
delivered, and only then is the batch acknowledged. So the order is, for every message:

    1. read   2. work   3. send and wait for the delivery   4. acknowledge   5. commit (Faust, each second)

A worker killed at any point repeats at most what it had not committed; event ids are deterministic
and the state is fenced, so a repetition changes nothing.

A message that cannot be used goes to the dead letters, and the stage goes on. A service that does not
answer is waited for: nothing is acknowledged meanwhile, so nothing is lost.
"""

import asyncio
import itertools
import logging
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NamedTuple

import faust
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from models import landmark_set
from models.classifier import Classifier
from models.landmark_set import LandmarkSet
from streams import broker, dead_letters, logs, metrics
from streams.errors import InputRefused, MienError, ModelUnusable, ServiceUnavailable
from streams.frames import Headers
from streams.health import Health, MetricsServer
from streams.settings import Settings
from streams.subjects import SubjectStore
from streams.topics import Topic

COMMIT_INTERVAL_S = 1.0
LAG_INTERVAL_S = 2.0
DRAIN_TIMEOUT_S = 10.0
RETRY_BASE_S, RETRY_CAP_S = 0.2, 5.0

log = logs.get("mien.stage")


class Message(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Headers
    topic: str
    partition: int
    offset: int


class Outlet:
    """Where a stage's results go."""

    def __init__(self, app: faust.App, stage: str, refused: Topic) -> None:
        self._app = app
        self._stage = stage
        self._refused = refused
        self._channels: dict[str, Any] = {}

    async def send(
        self, topic: Topic, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Awaitable[Any]:
        """Hands over to the producer; await what it returns to know that Kafka has it."""
        channel = self._channels.get(topic.name) or self._channels.setdefault(
            topic.name, _raw_topic(self._app, topic)
        )
        delivery: Awaitable[Any] = await channel.send(key=key, value=value, headers=headers)
        return delivery

    async def refuse(self, message: Message, error: InputRefused) -> None:
        """Writes the message to the dead letters and waits until it is there."""
        metrics.dead_letters_total.labels(self._stage, error.reason).inc()
        log.warning(
            "message refused",
            stage=self._stage,
            reason=error.reason,
            error=str(error),
            at=f"{message.topic}/{message.partition}@{message.offset}",
        )
        headers = dead_letters.encode(
            error,
            stage=self._stage,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            headers=message.headers,
        )
        await (await self.send(self._refused, message.key, message.value, headers))


Handler = Callable[[Sequence[Message]], Awaitable[None]]
"""Works on a batch. Raises InputRefused if a message is bad, and a retriable error to be called again."""

Open = Callable[[Outlet], AbstractAsyncContextManager[Handler]]
"""Loads what the stage needs (a model, a connection), gives its handler, and closes it again."""


class Persistence:
    """Calls a handler so that neither a bad message nor a service that is away loses any message."""

    def __init__(
        self, settings: Settings, stage: str, outlet: Outlet, health: Health, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._outlet = outlet
        self._health = health
        self._stopping = stopping

    async def work_off(self, handler: Handler, batch: Sequence[Message]) -> None:
        """Returns when every message of the batch is worked on, or in the dead letters.

        Raises:
            MienError: if the stage cannot go on (neither a bad message nor retriable), or is told to stop
                while it waits for a service.
        """
        refusal: InputRefused | None = None
        for attempt in itertools.count():
            try:
                if refusal:
                    await self._isolate(handler, batch, refusal)
                else:
                    await handler(batch)
            except InputRefused as exc:
                refusal = exc
            except (MienError, KafkaError, ProducerSendError) as exc:
                error = exc if isinstance(exc, MienError) else broker.unavailable(self._settings, exc)
                if not error.retriable:
                    raise error from exc
                self._health.lose("model and connections")
                pause_s = random.uniform(0, min(RETRY_CAP_S, RETRY_BASE_S * 2 ** min(attempt, 10)))  # noqa: S311
                log.warning("tries again", stage=self._stage, error=str(error), pause_s=round(pause_s, 2))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause_s)
                if self._stopping.is_set():
                    raise error from exc
            except Exception as exc:  # a bug on one message must not stop the stream
                if refusal:
                    raise  # even refusing it fails
                log.exception("unexpected error", stage=self._stage)
                refusal = InputRefused(f"{type(exc).__name__}: {exc}", reason="internal-error")
            else:
                self._health.meet("model and connections")
                return

    async def _isolate(self, handler: Handler, batch: Sequence[Message], error: InputRefused) -> None:
        """Works on the messages one by one, so that only the bad one is refused."""
        if len(batch) == 1:
            await self._outlet.refuse(batch[0], error)
            return
        for message in batch:
            await self.work_off(handler, [message])


def run(
    settings: Settings, name: str, source: Topic, open_handler: Open, *, batch_max: int, buffer_max: int
) -> None:
    """Runs a stage until SIGTERM or Ctrl-C; then finishes the batch in hand, commits and returns.

    Raises:
        ServiceUnavailable: if Kafka (or what the handler needs) is not there at the start.
        ModelUnusable: if the handler cannot load its model.
    """
    health = Health("model and connections", "consumer group")
    with MetricsServer(health, settings.metrics_host, settings.metrics_port) as server:
        log.info("stage starts", stage=name, reads=source.name, metrics=server.address)
        _Stage(settings, name, source, open_handler, batch_max, buffer_max, health).run()
    log.info("stage ended", stage=name)


class _Stage:
    """Wires the handler into a Faust app: agent → queue → batches → handler."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        source: Topic,
        open_handler: Open,
        batch_max: int,
        buffer_max: int,
        health: Health,
    ) -> None:
        self._settings = settings
        self._name = name
        self._open_handler = open_handler
        self._batch_max = batch_max
        self._health = health
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._arrived: asyncio.Queue[Any] = asyncio.Queue(maxsize=batch_max)
        self._stopping = asyncio.Event()
        self._failure: MienError | None = None
        self._next_offset: dict[TP, int] = {}
        self._app = _faust_app(settings, name, self._loop, buffer_max)
        self._outlet = Outlet(self._app, name, settings.topics.dead_letters)
        self._persistence = Persistence(settings, name, self._outlet, health, self._stopping)
        self._worker = faust.Worker(
            self._app, loop=self._loop, quiet=True, override_logging=False, redirect_stdouts=False
        )
        self._worker.spinner = None  # it would write escape codes to stdout
        self._agent = self._app.agent(_raw_topic(self._app, source), name=name, concurrency=1)(self._feed)
        self._app.task()(self._work)
        self._app.task()(self._beat)
        self._app.task()(self._watch_lag)
        self._app.on_partitions_assigned.connect(self._on_assigned, weak=False)

    def run(self) -> None:
        self._loop.run_until_complete(
            broker.wait_until_ready(self._settings, self._settings.startup_timeout_s)
        )
        try:
            self._worker.execute_from_commandline()
        except SystemExit as exc:
            if self._failure:
                raise self._failure from None
            if exc.code:
                raise
        if self._failure:
            raise self._failure

    async def _feed(self, stream: Any) -> None:
        # noack: an agent acknowledges an event when it asks for the next one, which here is too early.
        async for event in stream.noack().events():
            await self._arrived.put(event)

    async def _work(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):  # replaces Faust's, which would cut the batch in hand
            self._loop.add_signal_handler(number, self._stopping.set)
        try:
            async with self._open_handler(self._outlet) as handler:
                self._health.meet("model and connections")
                await self._work_until_stopped(handler)
        except MienError as exc:
            self._failure = exc
        # The agent first, by itself: a stopping app cancels its agents before it tells them to stop, which
        # they take for a crash, and then it leaves the consumer's thread running.
        await self._agent.stop()
        # As on a signal: it then waits until all is stopped. A future of the app's would be cancelled by the
        # stopping app itself, half-way, with the consumer's thread left running.
        self._worker._schedule_shutdown(signal.SIGTERM)

    async def _work_until_stopped(self, handler: Handler) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        while not self._stopping.is_set():
            first = asyncio.ensure_future(self._arrived.get())
            await asyncio.wait({first, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                first.cancel()
                return
            events = [first.result()]
            while len(events) < self._batch_max and not self._arrived.empty():
                events.append(self._arrived.get_nowait())
            await self._persistence.work_off(handler, [_message(event) for event in events])
            for event in events:
                event.ack()
                self._next_offset[event.message.tp] = event.message.offset + 1

    async def _on_assigned(self, _app: faust.App, assigned: set[TP], **_kwargs: Any) -> None:
        self._next_offset.clear()  # others may have been at work there meanwhile
        log.info("partitions assigned", stage=self._name, partitions=sorted(tp.partition for tp in assigned))
        self._health.meet("consumer group")

    async def _beat(self) -> None:
        await self._health.beat()

    async def _watch_lag(self) -> None:
        while True:
            await asyncio.sleep(LAG_INTERVAL_S)
            consumer = self._app.consumer
            metrics.consumer_lag.clear()
            for tp in consumer.assignment():
                if end := consumer.highwater(tp):
                    done = self._next_offset.get(tp) or await consumer.position(tp) or 0
                    metrics.consumer_lag.labels(tp.topic, tp.partition).set(max(0, end - done))


def _message(event: Any) -> Message:
    m = event.message
    return Message(m.key, m.value, list(_pairs(m.headers)), m.topic, m.partition, m.offset)


def _pairs(headers: Any) -> Headers:
    """Faust hands headers over as a mapping or as pairs, as it likes."""
    if not headers:
        return []
    return list(headers.items() if hasattr(headers, "items") else headers)


def _raw_topic(app: faust.App, topic: Topic) -> Any:
    """Bytes in, bytes out: encoding is the business of ``streams``."""
    return app.topic(
        topic.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )


def _faust_app(settings: Settings, name: str, loop: asyncio.AbstractEventLoop, buffer_max: int) -> faust.App:
    app = faust.App(
        settings.group(name),
        broker=broker.faust_url(settings),
        broker_credentials=broker.faust_credentials(settings),
        loop=loop,
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,  # `mien topics` creates them; the embedded broker cannot be asked to
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=COMMIT_INTERVAL_S,
        stream_wait_empty=False,  # would wait at the end for what we did not take on, and never acknowledge
        broker_session_timeout=settings.kafka_session_timeout_s,
        broker_heartbeat_interval=settings.kafka_session_timeout_s / 4,
        stream_buffer_maxsize=buffer_max,
        producer_max_request_size=settings.topics.dead_letters.max_message_bytes,
        producer_acks=-1,
    )
    app.transport = _Transport(app.conf.broker, app, loop, fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms)
    return app


def load_classifier(settings: Settings) -> Classifier:
    """Raises:
    ModelUnusable: if the model file (MIEN_MODEL_PATH, else the shipped one) is missing, corrupt or foreign.
    """
    from models import classifier

    try:
        return classifier.Classifier.load(settings.model_path or classifier.SHIPPED)
    except (OSError, ValueError) as exc:
        raise ModelUnusable(f"The model cannot be used: {exc}") from exc


def load_landmark_set(settings: Settings) -> LandmarkSet:
    """The landmark set that lies beside the model in use.

    Raises:
        ModelUnusable: if its file is missing or corrupt.
    """
    path = (
        settings.model_path.parent / landmark_set.SHIPPED.name
        if settings.model_path
        else landmark_set.SHIPPED
    )
    try:
        return LandmarkSet.load(path)
    except (OSError, ValueError) as exc:
        raise ModelUnusable(f"The landmark set cannot be used: {exc}") from exc


async def wait_for_redis(store: SubjectStore, timeout_s: float) -> None:
    """Returns when Redis answers.

    Raises:
        AccessDenied: at once, if the credentials are refused.
        RedisUnavailable: if it did not answer in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            await store.ping()
        except ServiceUnavailable as exc:
            if not exc.retriable or time.monotonic() >= deadline_s:
                raise
            log.warning("redis is not there yet", error=str(exc))
            await asyncio.sleep(1)
        else:
            return


_faust_logger = logging.getLogger("faust.transport")


class _Transport(Transport):  # type: ignore[misc]
    """Faust's Kafka transport, but with ``fetch_max_wait_ms``, which Faust fixes at 1500."""

    def __init__(self, *args: Any, fetch_max_wait_ms: int) -> None:
        super().__init__(*args)
        self.fetch_max_wait_ms = fetch_max_wait_ms

    class Consumer(Consumer):  # type: ignore[misc]
        logger = _faust_logger

        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _ConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    logger = _faust_logger

    def _create_worker_consumer(self, transport: _Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = transport.fetch_max_wait_ms
        return consumer
