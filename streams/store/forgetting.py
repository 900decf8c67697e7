"""Erases subjects and cameras from Redis, and keeps them from coming back.

Key (in the subject's hash slot):
    mien:{subject}:forgotten   while it is there, nothing of the subject is written: neither its state nor its
                               resting face, whether it is still in view or its events are read once more

It stays for as long as Kafka may have events of the subject. It is lost with the rest if Redis loses all.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis

from streams.settings import Settings
from streams.store import alert_store, connection, coverage_store
from streams.store.camera_track_store import tracks_key
from streams.store.neutral_face_store import neutral_key
from streams.store.scene_store import scene_key
from streams.store.subject_state import forgotten_key, glob_quoted, state_key, window_key

MAX_TTL_S: Final = 366 * 24 * 3600
"""Where Kafka keeps events for ever: longer than subject ids need to be unique."""


class Forgetting:
    """Use :func:`connect`; every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    async def subjects_of(self, camera_id: str) -> list[str]:
        """Every subject of a camera that Redis has anything of."""
        found: set[str] = set()
        pattern = f"mien:{{{glob_quoted(camera_id)}:*}}:*"
        async with connection.errors_told(self._client, self._settings):
            async for key in self._client.scan_iter(match=pattern, count=500):
                found.add(key.decode(errors="replace").removeprefix("mien:{").rpartition("}:")[0])
        return sorted(found)

    async def forget(self, subject_ids: Collection[str], ttl_s: float) -> list[str]:
        """Erases these subjects, for so long; returns who of them Redis had anything of."""
        known = []
        ttl_s = max(1, round(min(ttl_s, MAX_TTL_S)))
        async with connection.errors_told(self._client, self._settings):
            for subject_id in subject_ids:
                async with self._client.pipeline(transaction=True) as pipe:
                    pipe.set(forgotten_key(subject_id), b"1", ex=ttl_s)
                    pipe.delete(
                        state_key(subject_id),
                        window_key(subject_id),
                        neutral_key(subject_id),
                        alert_store.state_key(subject_id),
                    )
                    _, deleted = await pipe.execute()
                if deleted:
                    known.append(subject_id)
        return known

    async def forget_tracks(self, camera_id: str) -> bool:
        """Erases where a camera's faces were, what alert rules know of them, and the camera's usual scene.

        Returns whether there was anything. A landmarks worker that follows the faces, and a camera that sees
        its scene, write theirs again soon.
        """
        async with connection.errors_told(self._client, self._settings):
            alerts = alert_store.state_key(camera_id), alert_store.votes_key(camera_id)
            return bool(await self._client.delete(tracks_key(camera_id), scene_key(camera_id), *alerts))

    async def forget_coverage(self, camera_id: str) -> bool:
        """Erases where in a camera's picture faces could be read, of all days; whether there was anything."""
        pattern = coverage_store.key_pattern(camera_id)
        async with connection.errors_told(self._client, self._settings):
            keys = [key async for key in self._client.scan_iter(match=pattern, count=500)]
            return bool(keys and await self._client.delete(*keys))


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Forgetting]:
    """Raises:
    SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
    """
    async with connection.client(settings, timeout_s=5) as redis_client:
        yield Forgetting(redis_client, settings)
