"""What a stage is: a function that works on a batch of messages. And what it reads."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from streams.health import Health
from streams.messages.frame_message import Headers
from streams.settings import Settings
from streams.topics import Topic

CONSUMER_GROUP = "consumer group"
"""The condition of readiness that whoever reads from Kafka sets."""


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


Note = Callable[[], str]
"""Gives what is to be committed with an offset, for who goes on from there. Made when it is asked for."""


@runtime_checkable
class Settling(Protocol):
    """A handler that keeps something of the cameras it works for, which their next worker needs."""

    async def settle(self) -> None:
        """Hands it over: called when partitions go, between two batches."""

    def note(self, partition: int, /) -> Note:
        """What it knows of a partition's cameras now, after a batch."""

    def take_notes(self, notes: Collection[str]) -> None:
        """Gets those of all partitions that are ours now, before the first batch of them."""


@runtime_checkable
class Choosing(Protocol):
    """A handler that does not work on all messages."""

    def takes(self, message: Message, /) -> bool:
        """Whether to work on a message, asked right before it would be.

        One that is not taken is done by that: the handler has counted it.
        """


class Reading(NamedTuple):
    """What a stage reads, in batches of what size, and how it is told to stop."""

    settings: Settings
    stage: str
    source: Topic
    batch_max: int
    health: Health
    stopping: asyncio.Event
    settling: Settling | None = None
    choosing: Choosing | None = None

    @property
    def group(self) -> str:
        return self.settings.group(self.stage)


WorkOff = Callable[[Sequence[Message]], Awaitable[None]]
"""Works on a batch until each of its messages is done or refused, however long a service is away."""


class Share(NamedTuple):
    """What of a topic a worker has now, and how far it is."""

    partitions: frozenset[int]
    done_until_s: float | None
    """Until this time of the epoch all that had come is done; None: not known yet."""


Tick = Callable[[Share], Awaitable[None]]
"""Called each second between two batches, for what time alone brings about."""

Consume = Callable[[Reading, WorkOff], Awaitable[None]]
"""Reads until it is told to stop, hands out batches one after the other, and commits what is done."""
