"""What a camera usually sees, in Redis: so that it tells after a restart, too, whether it was moved.

Key: ``mien:{camera}:scene``, as the camera packed it; it expires `TTL_S` after it was last written. It holds
where edges are on a grid of 16 by 9 cells, and no picture.

No frame needs it. So the timeouts are short, and a camera without Redis goes on without it.
"""

from typing import Final

from streams.store.optional_store import QuickStore

TTL_S: Final = 7 * 24 * 3600
"""After a weekend without power the camera still knows."""


def scene_key(camera_id: str) -> str:
    """The Redis key of a camera's usual scene."""
    return f"mien:{{{camera_id}}}:scene"


class SceneStore(QuickStore):
    """Use :meth:`connect`; every method raises ServiceUnavailable if Redis does not answer soon."""

    async def read(self, camera_id: str) -> bytes | None:
        """What the last run left; None if nothing, or what is not ours."""
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            pipe.get(scene_key(camera_id))
            (value,) = await self._values(pipe)
        return value

    async def write(self, camera_id: str, packed: bytes) -> None:
        async with self._in_time():
            await self._client.set(scene_key(camera_id), packed, ex=TTL_S)
