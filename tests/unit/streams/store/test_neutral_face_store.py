"""Neutral faces in a real Redis: what is kept, for how long, and what counts as unknown."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import numpy as np
import pytest
import redis

from streams.errors import RedisUnavailable, ServiceUnavailable, SettingsInvalid
from streams.settings import Settings
from streams.store import optional_store
from streams.store.neutral_face_store import NeutralFaceStore, neutral_key, pack, unpack_points
from streams.store.subject_state import state_key

POINTS = np.random.default_rng(3).normal(0, 1, (5, 3)).astype(np.float32)
FACE = pack("set-5", POINTS, 12.5, 3, 1_764_000_000_000_000)


@pytest.fixture
def raw(redis_url: str) -> redis.Redis:
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    return client


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[NeutralFaceStore]:
    async with NeutralFaceStore.connect(Settings(redis_url=redis_url, subject_ttl_s=100)) as store:
        yield store


async def test_what_was_written_is_read_bit_by_bit(store: NeutralFaceStore, raw: redis.Redis) -> None:
    other = pack("set-5", POINTS + 1, 0.5, 1, 5)
    await store.write({"yard:a": FACE, "yard:b": other})
    read = await store.read(["yard:b", "yard:unknown", "yard:a"])

    assert read == {"yard:a": FACE, "yard:b": other}
    points = unpack_points(read["yard:a"], "set-5", 5)
    assert np.array_equal(points, POINTS)
    assert points.dtype == np.float32
    assert await store.read([]) == {}
    await store.write({})
    assert len(raw.keys()) == 2


async def test_it_shares_the_subjects_slot_and_expires(store: NeutralFaceStore, raw: redis.Redis) -> None:
    await store.write({"yard:a": FACE})
    key = neutral_key("yard:a")

    assert key == "mien:{yard:a}:neutral"
    assert key.partition("}")[0] == state_key("yard:a").partition("}")[0]
    assert 0 < raw.ttl(key) <= 100
    raw.expire(key, 5)
    await store.read(["yard:a"])
    assert raw.ttl(key) > 5  # it is in use
    assert len(raw.get(key)) < 200 + POINTS.nbytes


def test_another_landmark_set_or_damaged_points_are_no_neutral_face() -> None:
    assert unpack_points(FACE, "set-6", 5) is None
    assert unpack_points(FACE, "set-5", 6) is None
    for value in (np.nan, np.inf, 1e12):  # the classifier would refuse them, and with them the whole batch
        assert unpack_points(pack("set-5", np.full_like(POINTS, value), 1.0, 1, 1), "set-5", 5) is None
    with pytest.raises(ValueError, match="read-only"):
        unpack_points(FACE, "set-5", 5)[:] = 0  # type: ignore[index]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x00junk",
        msgspec.msgpack.encode(["mien.neutral-face/2", "set-5", b"", 1.0, 1, 1]),
        msgspec.msgpack.encode(["mien.neutral-face/1", "set-5"]),
        msgspec.msgpack.encode(msgspec.structs.replace(FACE, weight=float("nan"))),
        msgspec.msgpack.encode(msgspec.structs.replace(FACE, weight=float("inf"))),
        msgspec.msgpack.encode(msgspec.structs.replace(FACE, weight=-1.0)),
        msgspec.msgpack.encode(msgspec.structs.replace(FACE, readings=0)),
        msgspec.msgpack.encode(msgspec.structs.replace(FACE, read_at_us=2**63)),
    ],
    ids=["empty", "junk", "newer schema", "half", "nan", "inf", "negative", "no reading", "far future"],
)
async def test_what_is_no_neutral_face_counts_as_unknown(
    store: NeutralFaceStore, raw: redis.Redis, value: bytes
) -> None:
    raw.set(neutral_key("yard:bad"), value)
    await store.write({"yard:a": FACE})

    assert await store.read(["yard:bad", "yard:a"]) == {"yard:a": FACE}


async def test_no_redis_is_told_at_once_each_time() -> None:
    async with NeutralFaceStore.connect(Settings(redis_url="redis://127.0.0.1:1/0")) as store:
        for call in (store.ping, lambda: store.read(["a"]), lambda: store.write({"a": FACE})):
            with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1 does not answer.*MIEN_REDIS_URL"):
                await call()


async def test_a_redis_that_hangs_is_not_waited_for_long() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with NeutralFaceStore.connect(Settings(redis_url=f"redis://127.0.0.1:{port}/0")) as store:
            started_s = time.monotonic()
            with pytest.raises(ServiceUnavailable):
                await store.read(["a", "b", "c"])
            assert time.monotonic() - started_s < 10 * optional_store.TIMEOUT_S
    finally:
        server.close()


async def test_another_programs_key_counts_as_unknown_and_costs_the_others_nothing(
    store: NeutralFaceStore, raw: redis.Redis
) -> None:
    raw.lpush(neutral_key("yard:list"), "x")
    await store.write({"yard:a": FACE})
    assert await store.read(["yard:list", "yard:a"]) == {"yard:a": FACE}
    await store.write({"yard:list": FACE})
    assert await store.read(["yard:list"]) == {"yard:list": FACE}


async def test_a_url_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_REDIS_URL"):
        async with NeutralFaceStore.connect(Settings(redis_url="http://localhost")):
            pass
