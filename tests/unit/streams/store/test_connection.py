"""Redis is waited for, where it may still come."""

import re
import socket
from types import SimpleNamespace

import pytest

from streams.errors import AccessDenied, RedisUnavailable, SettingsInvalid
from streams.local.child_process import free_ports
from streams.settings import Settings
from streams.store import connection, subject_state


async def test_redis_is_waited_for_as_long_as_asked() -> None:
    (port,) = free_ports(1)
    async with subject_state.connect(Settings(redis_url=f"redis://127.0.0.1:{port}")) as store:
        with pytest.raises(RedisUnavailable):
            await connection.wait_for_redis(store, 0)


async def test_a_mistyped_address_is_refused_without_its_password() -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_REDIS_URL is not a Redis URL") as told:
        async with subject_state.connect(Settings(redis_url="redis:/:hunter2@redis.local")):
            pass
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunt@zap/w#rd@localhost",
        "redis://:hunt/zap@localhost",
        "redis://ann:hunt#zap@localhost/0",
        "redis://ann:hunt?zap@localhost/0",
        "redis://ann:hunt@zap@localhost/0",
        "redis://ann:hunt zap@localhost/0",
    ],
)
async def test_no_piece_of_an_unescaped_password_is_shown_or_looked_up(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *about, **_: asked.append(about) or [])
    with pytest.raises(SettingsInvalid, match="Percent-encode special signs") as told:
        async with subject_state.connect(Settings(redis_url=url)) as store:
            await store.ping()
    assert not {"hunt", "zap"} & set(re.split(r"\W", str(told.value)))
    assert asked == []


async def test_redis_that_comes_late_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [RedisUnavailable("not yet"), RedisUnavailable("not yet")]

    async def ping() -> None:
        if errors:
            raise errors.pop()

    async def at_once(_: float) -> None:
        pass

    monkeypatch.setattr(connection.asyncio, "sleep", at_once)
    await connection.wait_for_redis(SimpleNamespace(ping=ping), 60)

    assert not errors  # both were raised


async def test_refused_credentials_of_redis_are_not_waited_for() -> None:
    async def ping() -> None:
        raise AccessDenied("no")

    with pytest.raises(AccessDenied):
        await connection.wait_for_redis(SimpleNamespace(ping=ping), 3600)
