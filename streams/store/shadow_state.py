"""The state of subjects made again beside the one in use, and put in its place, subject by subject.

Keys, in the subject's hash slot, gone when it is in place:
    mien:{subject}:state.{token}, mien:{subject}:window.{token}

The same script makes it as makes the state itself. One more (``shadow_state.lua``) puts it in place in one
step, if it has seen all that the state in use has seen. So state workers need not stop meanwhile: what they
write before is in the log too, and what they write after goes on from the log's.
"""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from redis.asyncio import Redis

from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import connection, subject_state
from streams.store.subject_state import forgotten_key, state_key, window_key

TTL_S: Final = 3600
"""Of what a killed process leaves. No rebuild may take longer."""

Outcome = Literal["replaced", "behind", "less"]
"""Whether a shadow is in place; if not, whether it has to see more first, or the log no longer has enough."""

_SWAP_LUA = subject_state.FENCE_LUA + Path(__file__).with_name("shadow_state.lua").read_text()


class ShadowState:
    """One rebuild's. Methods raise ServiceUnavailable if Redis does not answer."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._suffix = f".{uuid.uuid4().hex[:12]}"
        self._apply = client.register_script(subject_state.LUA)
        self._swap = client.register_script(_SWAP_LUA)
        self.subject_ids: set[str] = set()
        """Who has a shadow now."""

    def _keys(self, subject_id: str) -> tuple[str, str]:
        return state_key(subject_id) + self._suffix, window_key(subject_id) + self._suffix

    async def apply(self, events: Sequence[EmotionEvent]) -> int:
        """Applies events to the shadows, in order; how many the fence let pass."""
        if not events:
            return 0
        self.subject_ids.update(event.subject_id for event in events)
        async with (
            connection.errors_told(self._client, self._settings),
            self._client.pipeline(transaction=False) as pipe,
        ):
            for event in events:
                arguments = subject_state.script_arguments(self._settings, event, ttl_s=TTL_S)
                keys = [*self._keys(event.subject_id), forgotten_key(event.subject_id)]
                await self._apply(keys, arguments, pipe)
            return sum(await pipe.execute())

    async def put_in_place(self, ttl_s: Mapping[str, int]) -> dict[str, Outcome]:
        """Puts the shadows of these subjects in place, each for so long; for each, what came of it."""
        if not ttl_s:
            return {}
        async with (
            connection.errors_told(self._client, self._settings),
            self._client.pipeline(transaction=False) as pipe,
        ):
            for subject_id, left_s in ttl_s.items():
                keys = [state_key(subject_id), window_key(subject_id), *self._keys(subject_id)]
                await self._swap(keys, [max(1, left_s)], pipe)
            answers = [answer.decode() for answer in await pipe.execute()]
        outcomes: dict[str, Outcome] = dict(zip(ttl_s, answers, strict=True))
        self.subject_ids -= {who for who, outcome in outcomes.items() if outcome == "replaced"}
        return outcomes

    async def drop(self) -> None:
        """Deletes the shadows that are not in place."""
        keys = [key for subject_id in self.subject_ids for key in self._keys(subject_id)]
        async with connection.errors_told(self._client, self._settings):
            for start in range(0, len(keys), 1000):
                await self._client.delete(*keys[start : start + 1000])
