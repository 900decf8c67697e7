"""The way to Redis: one place for its address, its time-outs, its errors and the wait for it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url as redis_options
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from streams import logs
from streams.errors import (
    AccessDenied,
    InputRefused,
    MienError,
    RedisUnavailable,
    ServiceUnavailable,
    SettingsInvalid,
)
from streams.redact_url import parse_url
from streams.settings import Settings

log = logs.get("mien.redis")

_NO_URL: Final = (
    "MIEN_REDIS_URL is not a Redis URL, like redis://user:password@host:6379/0 "
    "(rediss:// for TLS, unix:// for a socket). Percent-encode special signs in user and password: "
    "@ as %40, / as %2F, # as %23, ? as %3F"
)

_PASSING: Final = (OutOfMemoryError, ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)
_PASSING_CODE: Final = re.compile(
    r"(?:^|-)(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN)\b"
)
"""How an error begins that will pass; in Redis 6 it stands behind the words that a script failed."""
_DENIED_IN_A_SCRIPT: Final = re.compile(r"ACL failure|user executing the script can't")
_OF_A_CLUSTER: Final = (MovedError, AskError, ClusterCrossSlotError)


class Store(Protocol):
    """Any of our stores."""

    async def ping(self) -> object:
        """Raises ServiceUnavailable if Redis does not answer."""


@asynccontextmanager
async def client(settings: Settings, *, timeout_s: float, **options: Any) -> AsyncIterator[Redis]:
    """A client that connects when it is first used. Timeouts are those of connecting and of each answer.

    With Sentinels, each new connection goes to the primary that they name then.

    Raises:
        SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
    """
    if not parse_url(settings.redis_url):  # redis-py would take a piece of the password for the host
        raise SettingsInvalid(_NO_URL)
    options |= {"socket_connect_timeout": timeout_s, "socket_timeout": timeout_s}
    try:
        made = Redis.from_url(settings.redis_url, **options)
        made.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # does not connect yet, but finds unknown options
    except (
        ValueError,
        TypeError,
        AttributeError,
    ) as exc:  # whatever its options are: ?retry=x is taken for one
        # Not the reason itself: it may quote a part of the password.
        raise SettingsInvalid(_NO_URL) from exc
    if settings.redis_sentinels is None:
        async with made:
            yield made
        return
    about: dict[str, Any] = {**redis_options(settings.redis_url)}
    tls = about.pop("connection_class", None) is not None
    for name in ("host", "port"):
        about.pop(name, None)
    sentinel = _sentinel(settings, timeout_s)
    try:
        primary = sentinel.master_for(settings.redis_sentinel_primary, ssl=tls, **(about | options))
        async with primary:
            yield primary
    finally:
        for one in sentinel.sentinels:
            await one.aclose()


def _sentinel(settings: Settings, timeout_s: float) -> Sentinel:
    if settings.redis_url.startswith("unix:"):
        raise SettingsInvalid("MIEN_REDIS_URL names a socket, and MIEN_REDIS_SENTINELS servers: choose one")
    addresses = [server.strip().rpartition(":") for server in (settings.redis_sentinels or "").split(",")]
    password = settings.redis_sentinel_password
    return Sentinel(  # type: ignore[no-untyped-call]
        [(host.strip("[]"), int(port)) for host, _, port in addresses],
        sentinel_kwargs={
            "socket_connect_timeout": timeout_s,
            "socket_timeout": timeout_s,
            "password": password.get_secret_value() if password else None,
        },
    )


@asynccontextmanager
async def errors_told(client: Redis, settings: Settings) -> AsyncIterator[None]:
    """Raises Redis' errors as ours.

    A server that refuses is left, so that the next try connects again and looks its address up anew: it may
    have become a replica, or be full, while another one is the primary now.
    """
    try:
        yield
    except RedisError as exc:
        if isinstance(exc, ResponseError):
            with suppress(RedisError, OSError):  # what it says while it is left is of no interest
                await client.connection_pool.disconnect(inuse_connections=False)
        raise unavailable(settings, exc) from exc


def refusal_of(answer: object) -> InputRefused | None:
    """The refusal, if one command of a pipeline failed for what its key holds; None if its answer is good.

    Raises:
        RedisError: the answer, if it is an error that speaks of Redis itself.
    """
    if not isinstance(answer, RedisError):
        return None
    if not _is_of_the_key(answer):
        raise answer
    return InputRefused(f"What Redis holds under its key is not ours: {answer}", reason="foreign-redis-key")


def _is_of_the_key(exc: RedisError) -> bool:
    """Whether the same command on another key would do: then Redis is not away, and waiting mends nothing."""
    text = str(exc)
    if not isinstance(exc, ResponseError) or isinstance(exc, (*_PASSING, *_OF_A_CLUSTER)) or _is_denied(exc):
        return False
    return text.startswith("WRONGTYPE") or ("user_script" in text and not _PASSING_CODE.search(text))


def _is_denied(exc: RedisError) -> bool:
    return isinstance(exc, AuthenticationError | NoPermissionError) or (
        isinstance(exc, ResponseError)
        and (str(exc).startswith(("NOAUTH", "WRONGPASS")) or bool(_DENIED_IN_A_SCRIPT.search(str(exc))))
    )


def unavailable(settings: Settings, exc: RedisError) -> MienError:
    """The error that says in the user's terms why Redis cannot be used. Never shows the password."""
    url = parse_url(settings.redis_url)
    where = f"Redis at {f'{url.host}:{url.port or 6379}' if url and url.host else 'its socket'}"
    if settings.redis_sentinels:
        where = f"Redis, {settings.redis_sentinel_primary} of the Sentinels at {settings.redis_sentinels},"
    if isinstance(exc, _OF_A_CLUSTER):
        return SettingsInvalid(
            f"{where} is a node of a Redis Cluster, which Mien does not work with: {exc}. Name one server in "
            "MIEN_REDIS_URL, or Sentinels in MIEN_REDIS_SENTINELS."
        )
    if _is_denied(exc):
        return AccessDenied(
            f"{where} refused the credentials: {exc}. Check the user and password in MIEN_REDIS_URL."
        )
    why = str(exc).rstrip(".")
    return RedisUnavailable(
        f"{where} does not answer as it should: {why}. Start redis-server or set MIEN_REDIS_URL."
    )


async def wait_for_redis(store: Store, timeout_s: float) -> None:
    """Returns when Redis answers.

    Raises:
        AccessDenied: at once, if the credentials are refused.
        RedisUnavailable: if it did not answer in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            await store.ping()
        except ServiceUnavailable as exc:
            if not exc.retriable or time.monotonic() >= deadline_s:
                raise
            log.warning("redis is not there yet", error=str(exc))
            await asyncio.sleep(1)
        else:
            return
