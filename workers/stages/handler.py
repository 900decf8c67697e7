"""What a stage is: a function that works on a batch of messages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from streams.messages.frame_message import Headers


class Message(NamedTuple):
    """One Kafka message, and where it stands."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    topic: str
    partition: int
    offset: int


def message_of(record: Any) -> Message:
    """Makes a message of a record as aiokafka's consumer gives it."""
    return Message(
        record.key, record.value, list(record.headers), record.topic, record.partition, record.offset
    )


Handler = Callable[[Sequence[Message]], Awaitable[None]]
"""Works on a batch. Raises InputRefused if a message is bad, and a retriable error to be called again."""
