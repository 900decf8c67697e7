"""The way to Redis: one place for its address, its time-outs, its errors and the wait for it."""

import asyncio
import time
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from streams import logs
from streams.errors import AccessDenied, RedisUnavailable, ServiceUnavailable, SettingsInvalid
from streams.redact_url import parse_url
from streams.settings import Settings

log = logs.get("mien.redis")

_NO_URL: Final = (
    "MIEN_REDIS_URL is not a Redis URL, like redis://user:password@host:6379/0 "
    "(rediss:// for TLS, unix:// for a socket). Percent-encode special signs in user and password: "
    "@ as %40, / as %2F, # as %23, ? as %3F"
)


class Store(Protocol):
    """Any of our stores."""

    async def ping(self) -> object:
        """Raises ServiceUnavailable if Redis does not answer."""


def client(settings: Settings, *, timeout_s: float, **options: Any) -> Redis:
    """A client that does not connect yet. Timeouts are those of connecting and of each answer.

    Raises:
        SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
    """
    if not parse_url(settings.redis_url):  # redis-py would take a piece of the password for the host
        raise SettingsInvalid(_NO_URL)
    try:
        made = Redis.from_url(
            settings.redis_url, socket_connect_timeout=timeout_s, socket_timeout=timeout_s, **options
        )
        made.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # does not connect yet, but finds unknown options
    except (ValueError, TypeError) as exc:
        # Not the reason itself: it may quote a part of the password.
        raise SettingsInvalid(_NO_URL) from exc
    return made


def unavailable(settings: Settings, exc: RedisError) -> ServiceUnavailable:
    """The error that says in the user's terms why Redis cannot be used. Never shows the password."""
    url = parse_url(settings.redis_url)
    where = f"Redis at {f'{url.host}:{url.port or 6379}' if url and url.host else 'its socket'}"
    denied = isinstance(exc, AuthenticationError | NoPermissionError) or (
        isinstance(exc, ResponseError) and str(exc).startswith(("NOAUTH", "WRONGPASS"))
    )
    if denied:
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
