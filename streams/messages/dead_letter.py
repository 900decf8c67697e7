"""A message that a stage refused, on ``mien.dead-letters``: key, value and headers as they came,
with added headers that say who refused it, where it was and why.

Header                     Format                                        Example
dead-letter-stage          a stage                                       landmarks
dead-letter-reason         a short label, as in the metric               not-a-jpeg
dead-letter-error          what was wrong, in words                      BadPicture: Frame 7 of …
dead-letter-topic          where it was, with the next two               mien.frames
dead-letter-partition      decimal                                       3
dead-letter-offset         decimal                                       41
dead-letter-left-out       what did not fit: value, or value,key,headers value
dead-letter-value-bytes    size of a value that was left out             2097152
dead-letter-value-sha256   its SHA-256, in hex                           9f86d081…

A letter that was sent back is marked by another message behind it, which has one header alone:
``dead-letter-replayed``, with the letter's place (:class:`DeadLetter`).
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from streams.errors import InputRefused
from streams.messages.frame_message import Headers

PREFIX = "dead-letter-"
"""Of all headers that are ours."""
_REPLAYED = "dead-letter-replayed"


class Letter(NamedTuple):
    """What is sent to the dead letters."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def encode(
    error: InputRefused,
    *,
    stage: str,
    topic: str,
    partition: int,
    offset: int,
    headers: Iterable[tuple[str, bytes]],
) -> Headers:
    """The headers of the dead letter; key and value stay what they were."""
    return [*headers, *_own(error, stage, topic, partition, offset)]


def smaller_and_smaller(
    error: InputRefused,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes]],
    stage: str,
    topic: str,
    partition: int,
    offset: int,
) -> Iterator[Letter]:
    """The letter as it should be, then without what may make it larger than the topic takes.

    That is the value first: its size and SHA-256 stand for it. Then key and foreign headers go too.
    """
    own, headers = _own(error, stage, topic, partition, offset), list(headers)
    # Kafka's client sends no message that has neither key nor value, and yet such a one can come.
    yield Letter(key, b"" if key is None and value is None else value, [*headers, *own])
    sizes = [
        (f"{PREFIX}value-bytes", str(len(value or b"")).encode()),
        (f"{PREFIX}value-sha256", hashlib.sha256(value or b"").hexdigest().encode()),
    ]
    left_out = [*own, (f"{PREFIX}left-out", b"value"), *sizes]
    yield Letter(key, b"" if key is None else None, [*headers, *left_out])
    yield Letter(None, b"", [*own, (f"{PREFIX}left-out", b"value,key,headers"), *sizes])


def _own(error: InputRefused, stage: str, topic: str, partition: int, offset: int) -> Headers:
    return [
        (f"{PREFIX}stage", stage.encode()),
        (f"{PREFIX}reason", error.reason.encode()),
        (f"{PREFIX}error", f"{type(error).__name__}: {error}"[:1000].encode(errors="replace")),
        (f"{PREFIX}topic", topic.encode()),
        (f"{PREFIX}partition", str(partition).encode()),
        (f"{PREFIX}offset", str(offset).encode()),
    ]


class DeadLetter(msgspec.Struct, frozen=True):
    """What is known of one dead letter without its value. All text in it may be a stranger's."""

    place: str
    """Where it lies on the dead-letters topic: its offset, or ``partition@offset`` beyond partition 0."""
    at_us: int
    """When it was refused."""
    stage: str
    reason: str
    error: str
    topic: str
    """Where it was, with the next two; -1 where its headers do not say so."""
    partition: int
    offset: int
    value_bytes: int
    """Of the message that was refused."""
    left_out: str
    """What of it is not in the letter; empty if it is whole."""
    replayed: bool = False


def place_of(partition: int, offset: int) -> str:
    """How a letter is named on the command line."""
    return f"{partition}@{offset}" if partition else str(offset)


def decode(
    partition: int, offset: int, at_us: int, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> DeadLetter:
    """Reads a letter; what is missing or odd in its headers is left empty."""
    texts = {name: (raw or b"").decode("utf-8", "replace") for name, raw in headers}

    def text(name: str) -> str:
        return texts.get(PREFIX + name, "")

    def number(name: str, otherwise: int) -> int:
        found = text(name)
        return int(found) if found.isascii() and found.isdigit() and len(found) < 19 else otherwise

    return DeadLetter(
        place=place_of(partition, offset),
        at_us=at_us,
        stage=text("stage"),
        reason=text("reason"),
        error=text("error"),
        topic=text("topic"),
        partition=number("partition", -1),
        offset=number("offset", -1),
        value_bytes=number("value-bytes", len(value or b"")),
        left_out=text("left-out"),
    )


def foreign_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The headers that the message came with."""
    return [(name, raw) for name, raw in headers if not name.startswith(PREFIX)]


def replayed_mark(place: str) -> Letter:
    """The message that marks a letter as sent back."""
    return Letter(_REPLAYED.encode(), b"", [(_REPLAYED, place.encode())])


def replayed_place(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Which letter a message marks as sent back; None if it is a letter itself."""
    texts = {name: (raw or b"").decode("utf-8", "replace") for name, raw in headers}
    # A refused message may have come with such a header.
    return None if f"{PREFIX}reason" in texts else texts.get(_REPLAYED)
