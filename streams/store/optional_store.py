"""Redis for what a stage can go on without: an answer soon, or ServiceUnavailable.

The stores of own neutral faces and of camera tracks are made so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from streams.settings import Settings
from streams.store import connection

TIMEOUT_S = 0.5
"""Frames wait meanwhile."""


class QuickStore:
    """What such stores share; all methods raise ServiceUnavailable without an answer in `TIMEOUT_S`."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """Connects when it is first used, and tries nothing twice.

        Raises:
            SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
        """
        async with connection.client(settings, timeout_s=TIMEOUT_S, retry=Retry(NoBackoff(), 0)) as client:
            yield cls(client, settings)

    async def ping(self) -> None:
        async with self._in_time():
            await self._client.ping()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with connection.errors_told(self._client, self._settings), asyncio.timeout(TIMEOUT_S):
                yield
        except TimeoutError as exc:
            late = RedisTimeoutError(f"no answer within {TIMEOUT_S} s")
            raise connection.unavailable(self._settings, late) from exc
        except OSError as exc:
            raise connection.unavailable(self._settings, RedisConnectionError(str(exc))) from exc

    @staticmethod
    async def _values(pipe: Pipeline) -> list[bytes | None]:
        """What the keys hold that a pipeline asks for; None where it is nothing, or nothing of ours."""
        answers = await pipe.execute(raise_on_error=False)
        return [None if connection.refusal_of(answer) else answer for answer in answers]
