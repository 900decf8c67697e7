"""Sends a stage's results to their topic, and messages that cannot be used to the dead letters."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiokafka import AIOKafkaProducer

from streams import broker, logs, metrics
from streams.errors import InputRefused
from streams.messages import dead_letter
from streams.messages.frame_message import Headers
from streams.topics import Topic
from workers.stages.handler import Handler, Message

log = logs.get("mien.stage")


class Outlet:
    """Sends a stage's results, and refuses its bad messages.

    Args:
        stage: its name, for the log, the metric and the dead letter.
        refused: the topic of the dead letters.
    """

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

    async def partitions_of(self, topic: Topic) -> int:
        """How many partitions a topic has now."""
        return len(await self._producer.partitions_for(topic.name))

    async def refuse(self, message: Message, error: InputRefused) -> None:
        """Writes the message to the dead letters and waits until it is there.

        What does not fit goes without its value, so that no message is too large to be refused.
        """
        at = f"{message.topic}/{message.partition}@{message.offset}"
        log.warning(
            "message refused",
            stage=self._stage,
            reason=error.reason,
            error=str(error),
            at=at,
        )
        letters = dead_letter.smaller_and_smaller(
            error,
            key=message.key,
            value=message.value,
            headers=message.headers,
            stage=self._stage,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
        )
        for letter in letters:
            try:
                await (await self.send(self._refused, *letter))
            except broker.TOO_LARGE as exc:
                why = str(exc)
            else:
                break
        else:
            # Not an error of the stage's: that would stall it, over a message that is no good anyway.
            log.error("dead letter fits in no form: only this line tells of it", at=at, error=why)
        metrics.dead_letters_total.labels(self._stage, error.reason).inc()


OpenHandler = Callable[[Outlet], AbstractAsyncContextManager[Handler]]
"""Loads what the stage needs (a model, a connection), gives its handler, and closes it again."""
