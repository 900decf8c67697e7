"""Whether Redis still has the state that was written to it, and who makes it again if not.

Keys (they expire ``subject_ttl_s`` after they were last written, as the subjects do that they speak of):
    mien:{state}:whole          "whole", or for half a minute "rebuilding", while a worker makes it again
    mien:{state}:worker:{id}    how often this state worker has written

Redis loses what it has acknowledged when it is flushed, or restarted from an old snapshot, or when a replica
takes over that had not got everything. Each batch of a worker ends with one more on its own count. Redis
keeps the order of writes; so if the count is ever lower than it was, something before it is lost too.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.asyncio import Redis

from streams.errors import ServiceUnavailable
from streams.settings import Settings
from streams.store import connection

WHOLE_KEY: Final = "mien:{state}:whole"
_WHOLE, _REBUILDING = b"whole", b"rebuilding"
CLAIM_S: Final = 30
"""A worker that ends while it makes the state again is replaced by another after this."""
LEAST_TTL_S: Final = 60


class StateWatch:
    """One state worker's view. Methods raise ServiceUnavailable if Redis does not answer."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._key = f"mien:{{state}}:worker:{uuid.uuid4().hex[:12]}"
        self._ttl_s = max(settings.subject_ttl_s, LEAST_TTL_S)
        self._count = 0
        self.lost = False
        """Whether Redis has lost something since the state was made again last."""

    def count(self, pipe: Any) -> int:
        """Ends a pipeline with one more on the count, as its last two commands; give its answer to `check`
        together with what this returns.
        """
        pipe.incr(self._key)
        pipe.expire(self._key, self._ttl_s)
        return self._count

    def check(self, before: int, answer: object) -> None:
        """Notes a loss, if the count was lower than when the pipeline was made."""
        if not isinstance(answer, int):
            return  # an error, which whoever made the pipeline tells
        self.lost = self.lost or answer <= before
        self._count = max(self._count, answer) if answer > before else answer

    async def look(self) -> bool:
        """Whether the caller is to make the state again, within :meth:`rebuilding`.

        That is where something was lost, or Redis knows of no whole state, and nobody else is at it.
        """
        async with connection.errors_told(self._client, self._settings):
            async with self._client.pipeline(transaction=False) as pipe:
                before = self.count(pipe)
                self.check(before, (await pipe.execute())[0])
            if self.lost:
                await self._client.delete(WHOLE_KEY)
            elif await self._client.get(WHOLE_KEY) == _WHOLE:
                await self._client.expire(WHOLE_KEY, self._ttl_s)
                return False
            return bool(await self._client.set(WHOLE_KEY, _REBUILDING, nx=True, ex=CLAIM_S))

    @asynccontextmanager
    async def rebuilding(self) -> AsyncIterator[None]:
        """Keeps others from making the state again too; it is whole once the block ends without an error."""
        self.lost = False
        keeping = asyncio.ensure_future(self._keep_claim())
        try:
            yield
        except BaseException:
            self.lost = True  # so that the next look begins again
            raise
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping  # else it could still take back what follows
        await self._mark(_WHOLE, self._ttl_s)

    async def _keep_claim(self) -> None:
        while True:
            with suppress(ServiceUnavailable):
                await self._mark(_REBUILDING, CLAIM_S)
            await asyncio.sleep(CLAIM_S / 3)

    async def _mark(self, value: bytes, ttl_s: int) -> None:
        async with connection.errors_told(self._client, self._settings):
            await self._client.set(WHOLE_KEY, value, ex=ttl_s)
