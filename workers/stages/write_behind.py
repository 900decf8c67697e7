"""Writes to Redis in the background what a stage can go on without, and reads it while Redis answers.

Redis is asked in the stream only while it answers. After one call in vain (half a second at most) the stream
goes on without, and Redis is asked in the background alone: by the next write, or where there is nothing to
write by a ping. The log tells once that it is away and once that it is back; the metric counts every failure.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Generic, Protocol, TypeVar

from prometheus_client import Counter

from streams import logs
from streams.errors import ServiceUnavailable

Value = TypeVar("Value")
Asked = TypeVar("Asked")
Found = TypeVar("Found")
Written = TypeVar("Written", contravariant=True)

log = logs.get("mien.stage")


class Store(Protocol[Written]):
    """Redis as `streams.store.optional_store` gives it: an answer soon, or ServiceUnavailable."""

    async def write(self, values: Mapping[str, Written], /) -> None: ...

    async def ping(self) -> None: ...


class WriteBehind(Generic[Value]):
    """Values by key, on their way to a store. Use from one event loop.

    Args:
        failures: counts by the label ``operation``: ``read`` or ``write``.
        away, back: what the log says when the store stops answering, and when it answers again.
        at_most: of more values that wait to be written, those put first are dropped.
    """

    def __init__(
        self, store: Store[Value], failures: Counter, *, away: str, back: str, at_most: int | None = None
    ) -> None:
        self._store = store
        self._failures = failures
        self._away, self._back = away, back
        self._at_most = at_most
        self.unwritten: OrderedDict[str, Value] = OrderedDict()
        self.answers = True
        """Whether the store did, the last time."""

    async def ask(self, read: Callable[[Asked], Awaitable[Found]], what: Asked) -> Found | None:
        """What the store's method `read` says; None without asking while the store does not answer."""
        if not self.answers:
            return None
        try:
            return await read(what)
        except ServiceUnavailable as exc:
            self._failed("read", exc)
            return None

    def put(self, key: str, value: Value) -> None:
        """Has the next :meth:`write` write this, instead of what was put under the key before."""
        self.unwritten[key] = value
        self.unwritten.move_to_end(key)
        while self._at_most is not None and len(self.unwritten) > self._at_most:
            self.unwritten.popitem(last=False)

    async def write(self) -> None:
        """Writes all that was put, if the store answers; else it stays for the next time."""
        writing = dict(self.unwritten)
        try:
            if writing:
                await self._store.write(writing)
            elif not self.answers:
                await self._store.ping()
        except ServiceUnavailable as exc:
            self._failed("write", exc)
            return
        if not self.answers:
            log.info(self._back)
        self.answers = True
        for key, value in writing.items():
            if self.unwritten.get(key) is value:  # else there is a newer one already
                del self.unwritten[key]

    @asynccontextmanager
    async def writing(self, every_s: float, then: Callable[[], None]) -> AsyncIterator[None]:
        """Writes, and calls `then`, every so often until the block ends; and writes once more at its end."""
        keeping = asyncio.ensure_future(self._keep_writing(every_s, then))
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping  # else two writes could overlap, and an error would go unseen
            await self.write()

    async def _keep_writing(self, every_s: float, then: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.write()
            then()

    def _failed(self, operation: str, exc: ServiceUnavailable) -> None:
        self._failures.labels(operation).inc()
        if self.answers:
            log.warning(self._away, error=str(exc))
        self.answers = False
