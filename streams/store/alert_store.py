"""What the stage `mien alerts` must remember, in Redis: any of its workers goes on where another one ended.

Keys (each expires; those of a subject or camera lie in its hash slot):
    mien:{subject}:alerts       hash: the engine's state of a subject, and a version
    mien:{camera}:alerts        the same of a camera, for rules that ask for several faces
    mien:{camera}:alert-votes   sorted set: what its faces say to such rules, by time of capture in µs
    mien:{…}:alert-claim:ID     who is sending this message now, for ``CLAIM_MS``
    mien:{alerts-N}:active      hash: whose alerts of partition N are firing, and when they will be over
    mien:{alert-cameras-N}:watch  hash: cameras of share N with votes or alerts
    mien:{alerts}:progress      hash: until when everything of each partition is done

The states are opaque here: the engine packs them. A state is written only if nobody has written it since it
was read (``alert_state.lua``), so a worker that lost its partition cannot take back what the next has done.

What another program put under a subject's key is refused with the subject's events; under a key of many
subjects it is told once, and passed over: waiting for Redis would mend nothing.
"""

import hashlib
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError

from streams import logs
from streams.errors import InputRefused
from streams.messages.unreadable import UNREADABLE
from streams.settings import Settings
from streams.store import connection
from streams.store.subject_state import forgotten_key

CLAIM_MS: Final = 10_000
INDEX_TTL_S: Final = 24 * 3600
"""Of the two indices; each write prolongs them."""
TOLD_MAX: Final = 100
"""Foreign keys and entries that the log tells of."""

log = logs.get("mien.alerts")

T = TypeVar("T")

_LUA = Path(__file__).with_name("alert_state.lua").read_text()
_LUA_SHA1 = hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()  # by which Redis knows a script


def state_key(who: str) -> str:
    """Of a subject or a camera: no camera's id has the colon of a subject's."""
    return f"mien:{{{who}}}:alerts"


def votes_key(camera_id: str) -> str:
    return f"mien:{{{camera_id}}}:alert-votes"


def claim_key(who: str, message_id: str) -> str:
    return f"mien:{{{who}}}:alert-claim:{message_id}"


def active_key(partition: int) -> str:
    return f"mien:{{alerts-{partition}}}:active"


def cameras_key(share: int) -> str:
    return f"mien:{{alert-cameras-{share}}}:watch"


PROGRESS_KEY: Final = "mien:{alerts}:progress"


class Stored(NamedTuple):
    """A state as it was read."""

    version: int
    """0: there is none."""
    state: bytes
    forgotten: bool = False
    """`mien forget` has erased the subject, and nothing of it is to be kept."""
    refusal: InputRefused | None = None
    """What stands under its key is not ours."""


class Active(msgspec.Struct, frozen=True, array_like=True):
    """A subject or camera whose alerts are firing."""

    camera_id: str
    seen_us: int
    """Event time of its last event."""
    over_at_us: int
    """Event time at which the next one of its alerts is over, unless the condition holds again."""
    written_s: float
    """When this was written, by the worker's clock."""
    alerts: Sequence[tuple[str, str]]
    """Rule and severity of each."""


class Watched(msgspec.Struct, frozen=True, array_like=True):
    """A camera with votes or alerts."""

    voted_us: int
    """Event time of a vote of late."""
    written_s: float


_packer = msgspec.msgpack.Encoder()
_active = msgspec.msgpack.Decoder(Active)
_watched = msgspec.msgpack.Decoder(Watched)


class Write(NamedTuple):
    """A state to write."""

    who: str
    version: int
    """As it was read."""
    state: bytes
    active_in: str | None = None
    """The index to change too; None leaves it."""
    active: Active | None = None
    """Its new entry; None takes it out."""


class AlertStore:
    """Use :func:`connect`; every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._told: set[str] = set()
        """Keys of others that the log has told of."""

    async def read(self, names: Sequence[str]) -> dict[str, Stored]:
        """The states of subjects or cameras; version 0 of who has none."""
        async with self._pipeline() as pipe:
            for who in names:
                pipe.hmget(state_key(who), "version", "state")
                pipe.exists(forgotten_key(who))
            found = await pipe.execute(raise_on_error=False)
            refusals = [connection.refusal_of(answer) for answer in found]
        stored = {}
        for who, state, forgotten, refusal in zip(names, found[::2], found[1::2], refusals[::2], strict=True):
            if refusal:
                stored[who] = Stored(0, b"", refusal=refusal)
            elif not (state[0] or b"0").isdigit():
                foreign = InputRefused(
                    f"{state_key(who)} has no number as its version", reason="foreign-redis-key"
                )
                stored[who] = Stored(0, b"", refusal=foreign)
            else:
                stored[who] = Stored(int(state[0] or 0), state[1] or b"", bool(forgotten))
        return stored

    async def write(self, writes: Sequence[Write], ttl_s: int) -> list[bool]:
        """Writes each state; for each, whether it is written (False: another worker has been quicker)."""
        if not writes:
            return []
        async with connection.errors_told(self._client, self._settings):
            try:
                return await self._write(writes, ttl_s)
            except NoScriptError:  # a Redis that is new, or was restarted
                await self._client.script_load(_LUA)
                return await self._write(writes, ttl_s)

    async def _write(self, writes: Sequence[Write], ttl_s: int) -> list[bool]:
        async with self._client.pipeline(transaction=False) as pipe:
            # The index first: a state whose subject stands in no index would never be resolved by time.
            for write in writes:
                if write.active_in and write.active:
                    pipe.hset(write.active_in, write.who, _packer.encode(write.active))
                    pipe.expire(write.active_in, INDEX_TTL_S)
            states = len(pipe)
            for write in writes:
                pipe.evalsha(
                    _LUA_SHA1,
                    2,
                    state_key(write.who),
                    forgotten_key(write.who),
                    write.version,
                    write.state,
                    ttl_s,
                )
            gone = len(pipe)
            for write in writes:
                if write.active_in and not write.active:
                    pipe.hdel(write.active_in, write.who)
            return [
                bool(written)
                for written in (await self._ours(pipe, "the index of active alerts, or a state"))[states:gone]
            ]

    async def claim(self, names: Iterable[tuple[str, str]], token: str) -> list[bool]:
        """Claims to send messages (who, message id) now; False where another worker is at it.

        A claim ends by itself after `CLAIM_MS`, for a worker that died with it.
        """
        keys = [claim_key(who, message_id) for who, message_id in names]
        async with self._pipeline() as pipe:
            for key in keys:
                pipe.set(key, token, nx=True, px=CLAIM_MS)
                pipe.get(key)
            answers = await self._ours(pipe, "a claim to send")
        return [holder == token.encode() for holder in answers[1::2]]

    async def active(self, partition: int) -> dict[str, Active]:
        """Whose alerts of a partition are firing."""
        return await self._index(active_key(partition), _active.decode)

    async def watched(self, share: int) -> dict[str, Watched]:
        """Cameras of a share with votes or alerts."""
        return await self._index(cameras_key(share), _watched.decode)

    async def note_progress(self, done_until_s: Mapping[int, float]) -> None:
        """Until when everything of some partitions is done, in seconds of the epoch."""
        async with self._pipeline() as pipe:
            for partition, until_s in done_until_s.items():
                pipe.hset(PROGRESS_KEY, str(partition), until_s)
            pipe.expire(PROGRESS_KEY, INDEX_TTL_S)
            await self._ours(pipe, PROGRESS_KEY)

    async def progress(self, partitions: int) -> float | None:
        """Until when everything of all partitions is done; None: not known of each."""
        found = await self._index(PROGRESS_KEY, float)
        everything = [found.get(str(partition), math.nan) for partition in range(partitions)]
        return min(everything) if all(map(math.isfinite, everything)) else None

    async def forget(self, key: str, who: str) -> None:
        """Takes a subject or camera out of an index."""
        async with connection.errors_told(self._client, self._settings):
            await self._client.hdel(key, who)

    async def vote(
        self, votes: Sequence[tuple[str, int, bytes]], watched: Mapping[tuple[str, str], Watched], ttl_s: int
    ) -> None:
        """Adds votes (camera, time in µs, packed vote); the same vote twice is one.

        ``watched`` by index key and camera.
        """
        if not votes:
            return
        async with self._pipeline() as pipe:
            for (key, camera_id), entry in watched.items():
                pipe.hset(key, camera_id, _packer.encode(entry))
                pipe.expire(key, INDEX_TTL_S)
            for camera_id, at_us, packed in votes:
                pipe.zadd(votes_key(camera_id), {packed: at_us})
                pipe.expire(votes_key(camera_id), ttl_s)
            await self._ours(pipe, "votes, or the index of cameras with votes")

    async def votes(self, camera_id: str, until_us: int) -> list[bytes]:
        """The votes up to this time."""
        async with self._pipeline() as pipe:
            pipe.zrangebyscore(votes_key(camera_id), "-inf", until_us)
            (found,) = await self._ours(pipe, votes_key(camera_id))
        return found or []

    async def drop_votes(self, camera_id: str, until_us: int) -> int:
        """Forgets the votes up to this time; how many are left."""
        async with self._pipeline() as pipe:
            pipe.zremrangebyscore(votes_key(camera_id), "-inf", until_us)
            pipe.zcard(votes_key(camera_id))
            _, left = await self._ours(pipe, votes_key(camera_id))
        return int(left or 0)

    async def ping(self) -> Self:
        async with connection.errors_told(self._client, self._settings):
            await self._client.ping()
        return self

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[Pipeline]:
        async with (
            connection.errors_told(self._client, self._settings),
            self._client.pipeline(transaction=False) as pipe,
        ):
            yield pipe

    async def _index(self, key: str, decode: Callable[[bytes], T]) -> dict[str, T]:
        async with self._pipeline() as pipe:
            pipe.hgetall(key)
            (found,) = await self._ours(pipe, key)
        entries: dict[str, T] = {}
        for who, raw in (found or {}).items():
            try:
                entries[who.decode()] = decode(raw)
            except (ValueError, *UNREADABLE):
                self._tell(f"{key} {who!r}", "it cannot be read")
        return entries

    async def _ours(self, pipe: Pipeline, about: str) -> list[Any]:
        """The answers to a pipeline's commands; None to each whose key (`about` says which) is not ours."""
        answers = await pipe.execute(raise_on_error=False)
        for place, answer in enumerate(answers):
            if refusal := connection.refusal_of(answer):
                self._tell(about, str(refusal))
                answers[place] = None
        return answers

    def _tell(self, what: str, why: str) -> None:
        if what not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(what)
            log.warning("not ours in redis", what=what, why=why)


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[AlertStore]:
    """Raises:
    SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
    """
    async with connection.client(settings, timeout_s=5) as redis_client:
        yield AlertStore(redis_client, settings)
