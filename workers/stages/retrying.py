"""Calls a stage's handler so that neither a bad message nor a service that is away loses any message."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aiokafka.errors import KafkaError

from streams import broker, logs
from streams.backoff import backoff_s
from streams.errors import InputRefused, MienError
from streams.health import Health
from streams.settings import Settings
from workers.stages.handler import Handler, Message
from workers.stages.outlet import Outlet

RETRY_BASE_S, RETRY_CAP_S = 0.2, 5.0
CONNECTIONS = "model and connections"
"""The condition of readiness that does not hold while a service is waited for."""

log = logs.get("mien.stage")


class RetryingProcessor:
    """Calls the handler until a batch is done: waits for a service that is away, refuses bad messages."""

    def __init__(
        self, settings: Settings, stage: str, outlet: Outlet, health: Health, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._outlet = outlet
        self._health = health
        self._stopping = stopping

    async def process(self, handler: Handler, batch: Sequence[Message]) -> None:
        """Works on a batch; returns when each of its messages is done or in the dead letters.

        Raises:
            MienError: if the stage cannot go on (neither a bad message nor retriable), or is told to stop
                while it waits for a service.
        """
        refusal: InputRefused | None = None
        pauses_s = backoff_s(RETRY_BASE_S, RETRY_CAP_S)
        while True:
            try:
                if refusal:
                    await self._isolate(handler, batch, refusal)
                else:
                    await handler(batch)
            except InputRefused as exc:
                refusal = exc
            except broker.TOO_LARGE as exc:  # never the dead letter itself, which always fits
                refusal = InputRefused(f"Its result is larger than Kafka takes: {exc}", reason="too-large")
            except (MienError, KafkaError) as exc:
                error = exc if isinstance(exc, MienError) else broker.unavailable(self._settings, exc)
                if not error.retriable:
                    raise error from exc
                self._health.set_unready(CONNECTIONS)
                pause_s = next(pauses_s)
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
                self._health.set_ready(CONNECTIONS)
                return

    async def _isolate(self, handler: Handler, batch: Sequence[Message], error: InputRefused) -> None:
        """Works on the messages one by one, so that only the bad one is refused."""
        if len(batch) == 1:
            await self._outlet.refuse(batch[0], error)
            return
        for message in batch:
            await self.process(handler, [message])
