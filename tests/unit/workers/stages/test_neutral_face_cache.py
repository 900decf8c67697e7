"""Neutral faces of subjects in memory and in Redis: restarts, a Redis that is away, and bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import redis

from models.emotion.classifier import Classifier
from streams import metrics
from streams.errors import RedisUnavailable
from streams.settings import Settings
from streams.store.neutral_face_store import NeutralFace, NeutralFaceStore, neutral_key, pack
from workers.stages import neutral_face_cache as module
from workers.stages.neutral_face_cache import NeutralFaceCache

SET = Classifier.load().landmark_set
REST = np.random.default_rng(1).normal(0, 0.5, (len(SET), 3)).astype(np.float32)
CALM = np.array([0.95, 0.01, 0.01, 0.01, 0.01, 0, 0, 0.01], np.float32)
T0_US = 1_764_000_000_000_000
READ_S = 4.8
"""More than a subject needs to be known, and to be written anew; at 10 frames a second, each third counts."""
SETTINGS = Settings(subject_ttl_s=100)


class FakeStore:
    """A store that can be away, and counts what it is asked."""

    def __init__(self) -> None:
        self.away = False
        self.faces: dict[str, NeutralFace] = {}
        self.reads: list[list[str]] = []
        self.writes: list[dict[str, NeutralFace]] = []

    def _check(self) -> None:
        if self.away:
            raise RedisUnavailable("away")

    async def read(self, subject_ids: Sequence[str]) -> dict[str, NeutralFace]:
        self.reads.append(list(subject_ids))
        self._check()
        return {who: self.faces[who] for who in subject_ids if who in self.faces}

    async def write(self, faces: Mapping[str, NeutralFace]) -> None:
        self._check()
        self.writes.append(dict(faces))
        self.faces.update(faces)

    async def ping(self) -> None:
        self._check()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the worker's clock on."""
    now_s = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])

    def forward(seconds: float) -> None:
        now_s[0] += seconds

    return forward


def made(store: Any) -> NeutralFaceCache:
    return NeutralFaceCache(store, SETTINGS, SET)


async def rest(
    cache: NeutralFaceCache, *subject_ids: str, start_s: float = 0.0, seconds: float = READ_S
) -> None:
    """Shows faces at rest, at 10 frames a second."""
    for tenth in range(round(seconds * 10)):
        at_us = T0_US + round((start_s + tenth / 10) * 1e6)
        await cache.of(subject_ids)
        for place in cache.due([(subject_id, at_us) for subject_id in subject_ids]):
            cache.learn(subject_ids[place], REST, CALM, at_us, usable=True)


@pytest.fixture
async def real_store(redis_url: str) -> AsyncIterator[NeutralFaceStore]:
    redis.Redis.from_url(redis_url).flushdb()
    async with NeutralFaceStore.connect(Settings(redis_url=redis_url, subject_ttl_s=100)) as store:
        yield store


async def test_a_subject_gets_its_own_and_another_worker_has_it_at_once(
    real_store: NeutralFaceStore, redis_url: str
) -> None:
    first = made(real_store)
    assert await first.of(["a", "b"]) == [None, None]
    await rest(first, "a", seconds=2 * READ_S)
    mine, other = await first.of(["a", "b"])
    assert np.allclose(mine, REST)
    assert other is None
    await first.write()
    assert redis.Redis.from_url(redis_url).keys() == [neutral_key("a").encode()]

    second = made(real_store)
    assert np.array_equal((await second.of(["a"]))[0], mine)
    await rest(second, "a", start_s=3600)
    assert second._subjects["a"].estimate.readings > first._subjects["a"].estimate.readings


async def test_redis_is_asked_once_for_each_subject_and_written_to_only_what_is_new(store: FakeStore) -> None:
    cache = made(store)
    await rest(cache, "a", "b")
    await cache.of(["c", "a"])
    assert store.reads == [["a", "b"], ["c"]]

    await cache.write()
    await cache.write()
    assert [set(written) for written in store.writes] == [{"a", "b"}]
    await rest(cache, "b", start_s=READ_S)
    await cache.write()
    assert [set(written) for written in store.writes] == [{"a", "b"}, {"b"}]


async def test_while_redis_is_away_it_goes_on_and_does_not_ask_in_vain(store: FakeStore) -> None:
    store.away = True
    cache = made(store)
    failures = metrics.neutral_store_failures_total.labels("read")._value.get()
    await rest(cache, "a")
    assert np.allclose((await cache.of(["a"]))[0], REST)
    await cache.of(["b"])
    assert store.reads == [["a"]]
    assert metrics.neutral_store_failures_total.labels("read")._value.get() == failures + 1
    await cache.write()
    assert store.writes == []

    store.away = False
    await cache.write()
    assert set(store.faces) == {"a"}
    await cache.of(["a", "b"])
    assert store.reads == [["a"], ["a", "b"]]


async def test_what_redis_knows_is_used_when_it_is_back_unless_memory_knows_more(store: FakeStore) -> None:
    store.faces = {
        "known": pack(SET.id, REST + 1, 500.0, 30, T0_US),
        "less": pack(SET.id, REST + 1, 0.3, 1, T0_US),
    }
    store.away = True
    cache = made(store)
    await rest(cache, "known", "less")
    store.away = False
    await cache.write()  # now "known" is overwritten by what is newer
    store.faces["known"] = pack(SET.id, REST + 1, 500.0, 30, T0_US)
    known, less = await cache.of(["known", "less"])

    assert np.allclose(known, REST + 1)
    assert np.allclose(less, REST)


@pytest.mark.parametrize("foreign", ["another-set", SET.id])
async def test_a_foreign_landmark_set_or_too_few_points_are_learnt_anew(
    store: FakeStore, foreign: str
) -> None:
    store.faces = {"a": pack(foreign, REST[:7], 500.0, 30, T0_US)}
    cache = made(store)
    assert await cache.of(["a"]) == [None]
    await rest(cache, "a")
    assert np.allclose((await cache.of(["a"]))[0], REST)


async def test_a_write_that_fails_is_tried_again_with_the_newest(store: FakeStore) -> None:
    cache = made(store)
    await rest(cache, "a")
    store.away = True
    await cache.write()
    await rest(cache, "a", start_s=READ_S)
    store.away = False
    await cache.write()

    (written,) = store.writes
    assert written["a"] == store.faces["a"]
    assert written["a"].readings > READ_S / 2


async def test_what_is_learnt_during_a_write_is_written_next(store: FakeStore) -> None:
    cache = made(store)
    await rest(cache, "a")
    quick = store.write

    async def slow(faces: Mapping[str, NeutralFace]) -> None:
        await rest(cache, "a", start_s=READ_S)
        await quick(faces)

    store.write = slow  # type: ignore[method-assign]
    await cache.write()
    store.write = quick  # type: ignore[method-assign]
    await cache.write()
    early, late = (written["a"].readings for written in store.writes)
    assert early < late


async def test_memory_is_bounded_and_redis_has_what_was_forgotten(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SUBJECTS", 3)
    cache = made(store)
    await rest(cache, "a")
    await cache.of(["b", "c", "d"])
    assert list(cache._subjects) == ["b", "c", "d"]
    assert np.allclose((await cache.of(["a"]))[0], REST)  # not written yet, but not lost either
    await cache.write()
    await cache.of(["b", "c", "d"])
    assert np.allclose((await cache.of(["a"]))[0], REST)

    many = [f"s{n}" for n in range(9)]  # a batch larger than the memory is still served
    assert await cache.of(many) == [None] * 9
    store.away = True
    await rest(cache, *many)
    assert len(cache._behind.unwritten) == 3


async def test_who_is_away_for_long_is_asked_of_redis_again(
    store: FakeStore, clock: Callable[[float], None]
) -> None:
    cache = made(store)
    await rest(cache, "a", "b")
    await cache.write()
    store.faces["a"] = pack(SET.id, REST + 1, 500.0, 30, T0_US)  # another worker had it meanwhile
    clock(module.IDLE_S / 2)
    await cache.of(["b"])
    clock(module.IDLE_S / 2 + 1)
    cache._forget_idle()

    assert list(cache._subjects) == ["b"]
    assert np.allclose((await cache.of(["a"]))[0], REST + 1)


async def test_while_redis_is_away_nobody_is_forgotten_for_idling(
    store: FakeStore, clock: Callable[[float], None]
) -> None:
    store.away = True
    cache = made(store)
    await rest(cache, "a")
    clock(10 * module.IDLE_S)
    cache._forget_idle()
    assert np.allclose((await cache.of(["a"]))[0], REST)


async def test_one_who_smiles_for_long_does_not_expire(
    store: FakeStore, clock: Callable[[float], None]
) -> None:
    cache = made(store)
    await rest(cache, "a")
    await cache.write()
    clock(SETTINGS.subject_ttl_s / 4 + 1)
    await cache.of(["a"])
    await cache.write()
    assert [set(written) for written in store.writes] == [{"a"}, {"a"}]


async def test_frames_of_one_batch_are_not_all_looked_at(store: FakeStore) -> None:
    cache = made(store)
    await cache.of(["a", "b"])
    frames = [(who, T0_US + tenth * 100_000) for tenth in range(10) for who in ("a", "b")]
    wanted = [frames[place] for place in cache.due(frames)]

    assert [at_us - T0_US for who, at_us in wanted if who == "a"] == [0, 300_000, 600_000, 900_000]
    assert sum(who == "b" for who, _ in wanted) == 4


async def test_a_subject_forgotten_while_its_batch_was_at_work_is_no_error(store: FakeStore) -> None:
    made(store).learn("gone", REST, CALM, T0_US, usable=True)


async def test_beside_the_stream_it_writes_forgets_and_counts(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_EVERY_S", 0.01)
    cache = made(store)
    await rest(cache, "a")
    await cache.of(["b"])
    async with asyncio.timeout(20), cache.writing():
        while not store.writes or metrics.own_neutral_subjects._value.get() != 1:
            await asyncio.sleep(0.01)
    assert set(store.faces) == {"a"}
