"""Whether Redis still has what was written, against a real one that loses it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis

from streams.errors import RedisUnavailable
from streams.settings import Settings
from streams.store import connection
from streams.store.state_watch import CLAIM_S, LEAST_TTL_S, WHOLE_KEY, StateWatch


@pytest.fixture
def raw(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture
async def watches(redis_url: str, raw: Any) -> AsyncIterator[list[StateWatch]]:
    """Of two workers."""
    assert raw.dbsize() == 0
    settings = Settings(redis_url=redis_url)
    async with AsyncExitStack() as stack:
        yield [
            StateWatch(await stack.enter_async_context(connection.client(settings, timeout_s=5)), settings)
            for _ in range(2)
        ]


def counts(raw: Any) -> dict[bytes, bytes]:
    return {key: raw.get(key) for key in raw.keys("mien:{state}:worker:*")}


async def test_an_empty_redis_is_made_whole_by_one_and_then_is_whole_for_all(
    watches: list[StateWatch], raw: Any
) -> None:
    one, other = watches
    assert await one.look()
    assert not await other.look()  # it is being done
    async with one.rebuilding():
        assert not await other.look()
    assert raw.get(WHOLE_KEY) == b"whole"
    assert not any([await one.look(), await other.look()])
    assert not one.lost
    assert all(0 < raw.ttl(key) <= 600 for key in [WHOLE_KEY, *counts(raw)])


async def test_who_ends_while_at_it_is_replaced(watches: list[StateWatch], raw: Any) -> None:
    one, other = watches
    assert await one.look()
    assert 0 < raw.ttl(WHOLE_KEY) <= CLAIM_S
    raw.delete(WHOLE_KEY)  # as when it has expired
    assert await other.look()


async def test_who_fails_at_it_tries_again(watches: list[StateWatch]) -> None:
    one, _ = watches
    assert await one.look()
    with pytest.raises(RedisUnavailable):
        async with one.rebuilding():
            raise RedisUnavailable("away")
    assert await one.look()


async def test_a_claim_is_renewed_and_is_not_taken_back_at_the_end(
    watches: list[StateWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.store.state_watch.CLAIM_S", 0.03)
    marks: list[tuple[bytes, float]] = []
    one, _ = watches

    async def mark(value: bytes, ttl_s: int) -> None:
        marks.append((value, ttl_s))

    monkeypatch.setattr(one, "_mark", mark)
    async with one.rebuilding():
        while len(marks) < 3:
            await asyncio.sleep(0.01)
    done = list(marks)
    await asyncio.sleep(0.03)
    assert marks == done
    assert marks[-1] == (b"whole", 600)


@pytest.mark.parametrize("whole", [False, True])
async def test_a_flush_is_noticed_even_if_another_worker_made_the_state_again(
    watches: list[StateWatch], raw: Any, whole: bool
) -> None:
    one, other = watches
    assert await one.look()
    async with one.rebuilding():
        pass
    await other.look()
    raw.flushdb()
    if whole:
        raw.set(WHOLE_KEY, "whole")
    assert await one.look()
    async with one.rebuilding():
        pass
    assert not await one.look()


async def test_a_replica_that_lacks_the_last_writes_is_noticed(watches: list[StateWatch], raw: Any) -> None:
    """It has the mark and the count, as they were before."""
    one, _ = watches
    await one.look()
    async with one.rebuilding():
        pass
    await one.look()
    (before,) = counts(raw).items()
    await one.look()
    raw.set(*before)
    assert await one.look()
    async with one.rebuilding():
        pass
    assert not await one.look()


async def test_writes_at_once_are_no_loss(watches: list[StateWatch]) -> None:
    """Their answers may come in another order."""
    one, _ = watches
    async with one.rebuilding():
        assert not any(await asyncio.gather(*(one.look() for _ in range(20))))
    assert not one.lost
    befores = [one._count] * 2
    for before, answer in zip(befores, (one._count + 2, one._count + 1), strict=True):
        one.check(before, answer)
    assert not one.lost


async def test_a_short_life_of_subjects_does_not_shorten_the_marks(redis_url: str, raw: Any) -> None:
    settings = Settings(redis_url=redis_url, subject_ttl_s=1)
    async with connection.client(settings, timeout_s=5) as client:
        watch = StateWatch(client, settings)
        async with watch.rebuilding():
            pass
        await watch.look()
    assert all(1 < raw.ttl(key) <= LEAST_TTL_S for key in [WHOLE_KEY, *counts(raw)])


async def test_no_redis_is_told() -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    async with connection.client(settings, timeout_s=5) as client:
        with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1"):
            await StateWatch(client, settings).look()
