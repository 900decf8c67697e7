"""Values on their way to Redis: what is written when, and a Redis that is away."""

import asyncio
from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.errors import RedisUnavailable
from workers.stages import write_behind
from workers.stages.write_behind import WriteBehind


class FakeStore:
    """A store that can be away, and counts what it is asked."""

    def __init__(self) -> None:
        self.away = False
        self.reads: list[str] = []
        self.writes: list[dict[str, int]] = []
        self.pings = 0

    def _check(self) -> None:
        if self.away:
            raise RedisUnavailable("away")

    async def read(self, what: str) -> int | None:
        self.reads.append(what)
        self._check()
        return len(what)

    async def write(self, values: Mapping[str, int], /) -> None:
        self._check()
        self.writes.append(dict(values))

    async def ping(self) -> None:
        self.pings += 1
        self._check()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def failures() -> Counter:
    return Counter("failures", "Of these tests.", ["operation"], registry=CollectorRegistry())


@pytest.fixture
def behind(store: FakeStore, failures: Counter) -> WriteBehind[int]:
    return WriteBehind(store, failures, away="gone", back="here again", at_most=3)


def count(failures: Counter, operation: str) -> float:
    return float(failures.labels(operation)._value.get())


async def test_each_value_is_written_once_and_the_newest_of_a_key(
    store: FakeStore, behind: WriteBehind[int]
) -> None:
    behind.put("a", 1)
    behind.put("b", 1)
    behind.put("a", 2)
    await behind.write()
    await behind.write()

    assert store.writes == [{"b": 1, "a": 2}]
    assert store.pings == 0


async def test_what_is_put_during_a_write_is_written_next(store: FakeStore, behind: WriteBehind[int]) -> None:
    write = store.write

    async def slow(values: Mapping[str, int], /) -> None:
        store.write = write  # type: ignore[method-assign]
        behind.put("a", 2000)
        await write(values)

    store.write = slow  # type: ignore[method-assign]
    behind.put("a", 1000)
    await behind.write()
    await behind.write()

    assert store.writes == [{"a": 1000}, {"a": 2000}]


async def test_what_could_not_be_written_stays_but_no_more_than_allowed(
    store: FakeStore, behind: WriteBehind[int], failures: Counter
) -> None:
    store.away = True
    behind.put("a", 1)
    await behind.write()
    for key in ("b", "c", "a", "d"):
        behind.put(key, 2)
    store.away = False
    await behind.write()

    assert store.writes == [{"c": 2, "a": 2, "d": 2}]
    assert count(failures, "write") == 1


async def test_a_store_that_is_away_is_asked_once_in_the_stream_and_then_in_the_background_alone(
    store: FakeStore, behind: WriteBehind[int], failures: Counter
) -> None:
    store.away = True
    assert await behind.ask(store.read, "a") is None
    assert await behind.ask(store.read, "bb") is None
    assert store.reads == ["a"]
    await behind.write()
    assert store.pings == 1
    assert (count(failures, "read"), count(failures, "write")) == (1, 1)

    store.away = False
    assert await behind.ask(store.read, "bb") is None  # nobody has looked yet
    await behind.write()
    assert await behind.ask(store.read, "bb") == 2
    assert store.reads == ["a", "bb"]


async def test_the_log_tells_once_that_the_store_is_away_and_once_that_it_is_back(
    store: FakeStore, behind: WriteBehind[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Log:
        def warning(self, event: str, **_: object) -> None:
            said.append(event)

        info = warning

    monkeypatch.setattr(write_behind, "log", Log())
    store.away = True
    for _ in range(3):
        await behind.ask(store.read, "a")
        await behind.write()
    store.away = False
    await behind.write()
    await behind.write()

    assert said == ["gone", "here again"]


async def test_beside_a_block_it_writes_again_and_again_and_once_more_at_the_end(
    store: FakeStore, behind: WriteBehind[int]
) -> None:
    rounds = 0

    def then() -> None:
        nonlocal rounds
        rounds += 1

    behind.put("a", 1)
    async with asyncio.timeout(10), behind.writing(0.001, then):
        while rounds < 2:
            await asyncio.sleep(0.001)
        behind.put("b", 2)

    assert store.writes == [{"a": 1}, {"b": 2}]


async def test_a_bug_in_the_background_is_not_swallowed(behind: WriteBehind[int]) -> None:
    met = asyncio.Event()

    def then() -> None:
        met.set()
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        async with behind.writing(0.001, then):
            await asyncio.wait_for(met.wait(), 10)
