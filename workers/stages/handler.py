"""What a stage gets and where its results go."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from streams import logs, metrics
from streams.errors import InputRefused
from streams.messages import dead_letter
from streams.messages.frame_message import Headers
from streams.topics import Topic

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

    def __init__(self, producer: AIOKafkaProducer, stage: str, refused: Topic) -> None:
        self._producer = producer
        self._stage = stage
        self._refused = refused

    async def send(
        self, topic: Topic, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Awaitable[Any]:
        """Hands over to the producer; await what it returns to know that Kafka has it."""
        delivery: Awaitable[Any] = await self._producer.send(topic.name, value, key=key, headers=headers)
        return delivery

    async def refuse(self, message: Message, error: InputRefused) -> None:
        """Writes the message to the dead letters and waits until it is there."""
        log.warning(
            "message refused",
            stage=self._stage,
            reason=error.reason,
            error=str(error),
            at=f"{message.topic}/{message.partition}@{message.offset}",
        )
        headers = dead_letter.encode(
            error,
            stage=self._stage,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            headers=message.headers,
        )
        await (await self.send(self._refused, message.key, message.value, headers))
        metrics.dead_letters_total.labels(self._stage, error.reason).inc()


Handler = Callable[[Sequence[Message]], Awaitable[None]]
"""Works on a batch. Raises InputRefused if a message is bad, and a retriable error to be called again."""

Open = Callable[[Outlet], AbstractAsyncContextManager[Handler]]
"""Loads what the stage needs (a model, a connection), gives its handler, and closes it again."""


def message_of(record: Any) -> Message:
    """From what aiokafka's consumer gives."""
    return Message(
        record.key, record.value, list(record.headers), record.topic, record.partition, record.offset
    )
