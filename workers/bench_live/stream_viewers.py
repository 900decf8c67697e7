"""Clients of the stream of events, many in one process: what came, and how long after it was sent.

They ask for what the page asks for, and do no more with it than count.
"""

import asyncio
import re
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from streams.errors import ServiceUnavailable

KINDS: Final = "emotions,points,cameras,alerts,verdicts"
"""As workers/live/page_source/src/event_stream.ts asks."""
READ_BYTES: Final = 256 * 1024
_FACE: Final = re.compile(
    rb'"camera_id":"([^"]+)".{0,300}?"frame_seq":(\d+),"captured_at":"([^"]+)"', re.DOTALL
)
_SKIPPED: Final = re.compile(rb'"skipped":(\d+)')


class StreamTally:
    """What one client was sent: fed with the bytes of the stream as they come. Pure."""

    def __init__(self) -> None:
        self._rest = b""
        self._seqs: dict[bytes, tuple[int, int, int]] = {}
        """Camera → first and last frame, and how many of them came."""
        self.begin()

    def begin(self) -> None:
        """Forgets what was counted until now."""
        self.delays_ms = array("d")
        """Of each emotion event: from `captured_at`, when it was handed to Kafka's client, to its receipt."""
        self.points = 0
        self.others = 0
        """Alerts, camera truth and verdicts."""
        self.skipped = 0
        """What the server says that it left out."""
        self._seqs.clear()

    @property
    def missing(self) -> int:
        """Emotion events that never came, between the first and the last of each camera."""
        return sum(last - first + 1 - count for first, last, count in self._seqs.values())

    def take(self, data: bytes, now_s: float) -> None:
        """The next bytes, and when they came in seconds since the epoch."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if event.startswith(b"event: emotion\n"):
                self._take_face(event, now_s)
            elif event.startswith(b"event: points\n"):
                self.points += 1
            elif event.startswith(b"event: gap\n"):
                found = _SKIPPED.search(event)
                self.skipped += int(found[1]) if found else 0
            elif event.startswith(b"event: "):
                self.others += 1

    def _take_face(self, event: bytes, now_s: float) -> None:
        found = _FACE.search(event)
        if not found:
            self.others += 1
            return
        camera, seq = found[1], int(found[2])
        first, _, count = self._seqs.get(camera, (seq, seq, 0))
        self._seqs[camera] = first, seq, count + 1
        self.delays_ms.append(1000 * (now_s - datetime.fromisoformat(found[3].decode()).timestamp()))


class OpenStreams:
    """Clients that read, each with its tally."""

    def __init__(self, tallies: Sequence[StreamTally], reading: "Sequence[asyncio.Task[None]]") -> None:
        self.tallies = tallies
        self._reading = reading

    def check(self) -> None:
        """Raises ServiceUnavailable if a stream has ended."""
        for task in self._reading:
            if task.done():
                task.result()


@asynccontextmanager
async def open_streams(port: int, count: int) -> AsyncIterator[OpenStreams]:
    """So many clients of `mien live` on this machine, until the block ends.

    Raises:
        ServiceUnavailable: if a stream is refused.
    """
    opened = [await _open(port) for _ in range(count)]
    tallies = [StreamTally() for _ in opened]
    reading = [
        asyncio.ensure_future(_read(reader, tally))
        for (reader, _), tally in zip(opened, tallies, strict=True)
    ]
    try:
        yield OpenStreams(tallies, reading)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        for _, writer in opened:
            writer.close()


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=READ_BYTES)
    # HTTP/1.0: so the body comes as it is, without chunks.
    writer.write(f"GET /api/v1/events?kinds={KINDS} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ServiceUnavailable(f"`mien live` refused a stream: {head.decode(errors='replace')[:200]}")
    return reader, writer


async def _read(reader: asyncio.StreamReader, tally: StreamTally) -> None:
    while data := await reader.read(READ_BYTES):
        tally.take(data, time.time())
    raise ServiceUnavailable("`mien live` ended a stream")
