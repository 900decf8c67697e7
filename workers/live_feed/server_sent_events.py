"""Server-Sent Events as bytes, and where a client was, as its ``Last-Event-ID`` says it.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from collections.abc import Mapping
from typing import Final

HEARTBEAT: Final = b":\n\n"
RETRY: Final = b"retry: 2000\n\n"
"""How long a browser waits before it comes back, in ms."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_CURSOR: Final = re.compile(r"[a-z]{1,16}:([0-9]{1,18}|_)(\.([0-9]{1,18}|_))*")
CURSOR_LENGTH_MAX: Final = 16 * 1024
PARTITIONS_MAX: Final = 1_000

Positions = Mapping[tuple[str, int], int]
"""(kind of message, partition) → the offset to come."""


def event(name: str, data: bytes) -> bytes:
    """One event; what reads it gets the data as it is, but that every line end is a line feed."""
    lines = b"".join(b"data: %b\n" % line for line in _LINE_END.split(data))
    return b"event: %b\n%b\n" % (name.encode(), lines)


def position(positions: Positions) -> bytes:
    """Says where the client is, without an event: browsers keep it, and send it when they come back."""
    return b"id: %b\n\n" % write_cursor(positions).encode()


def write_cursor(positions: Positions) -> str:
    """``alerts:3-emotions:12._.9``: each kind's offsets of partitions 0, 1 …; ``_`` where none is known."""
    kinds: dict[str, dict[int, int]] = {}
    for (kind, partition), offset in positions.items():
        kinds.setdefault(kind, {})[partition] = offset
    return "-".join(
        kind + ":" + ".".join(str(found.get(at, "_")) for at in range(max(found) + 1))
        for kind, found in sorted(kinds.items())
    )


def read_cursor(text: str) -> dict[tuple[str, int], int]:
    """The positions that `write_cursor` wrote. ValueError if it is anything else."""
    if len(text) > CURSOR_LENGTH_MAX:
        raise ValueError("too long")
    positions: dict[tuple[str, int], int] = {}
    for part in text.split("-"):
        if not part.isascii() or not _CURSOR.fullmatch(part):
            raise ValueError("not a position that this server gives")
        kind, _, offsets = part.partition(":")
        for partition, offset in enumerate(offsets.split(".")):
            if partition >= PARTITIONS_MAX:
                raise ValueError("too many partitions")
            if offset != "_":
                positions[kind, partition] = int(offset)
    return positions
