"""Places of faces in a real Redis: what is kept, for how long, and what counts as unknown."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import redis

from streams.errors import RedisUnavailable, ServiceUnavailable, SettingsInvalid
from streams.settings import Settings
from streams.store import optional_store
from streams.store.camera_track_store import CameraTracks, CameraTracksStore, TrackRecord, tracks_key

AT_US = 1_764_000_000_000_000
TRACK = TrackRecord(
    "yard:abcd2345", (100.0, 80.0, 90.0, 0.1), (70.0, 50.0, 130.0, 110.0), (12.0, -3.0, 0.01), AT_US
)
RECORD = CameraTracks(
    AT_US, (TRACK, msgspec.structs.replace(TRACK, subject_id="yard:zzzz2345")), AT_US - 9_000_000, 90
)


@pytest.fixture
def raw(redis_url: str) -> redis.Redis:
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    return client


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[CameraTracksStore]:
    async with CameraTracksStore.connect(Settings(redis_url=redis_url, hand_over_ttl_s=9)) as store:
        yield store


async def test_what_was_written_is_read_and_expires(store: CameraTracksStore, raw: redis.Redis) -> None:
    empty = CameraTracks(AT_US + 1, ())
    await store.write({"yard": RECORD, "hall": empty})

    assert await store.read("yard") == RECORD
    assert await store.read("hall") == empty
    assert await store.read("attic") is None
    assert tracks_key("yard") == "mien:{yard}:tracks"
    assert 0 < raw.ttl(tracks_key("yard")) <= 9
    value = raw.get(tracks_key("yard"))
    assert isinstance(value, bytes)
    assert len(value) < 400


async def test_reading_does_not_make_it_last_longer(store: CameraTracksStore, raw: redis.Redis) -> None:
    """Else a place that nobody looks at any more could be kept alive."""
    await store.write({"yard": RECORD})
    raw.expire(tracks_key("yard"), 3)
    await store.read("yard")
    assert raw.ttl(tracks_key("yard")) <= 3


async def test_what_a_release_without_runs_wrote_is_of_run_0(
    store: CameraTracksStore, raw: redis.Redis
) -> None:
    raw.set(tracks_key("yard"), msgspec.msgpack.encode(["mien.camera-tracks/1", AT_US, [TRACK]]))
    assert await store.read("yard") == CameraTracks(AT_US, (TRACK,), 0, -1)


def changed(**changes: Any) -> bytes:
    return msgspec.msgpack.encode(CameraTracks(AT_US, (msgspec.structs.replace(TRACK, **changes),)))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x00junk",
        msgspec.msgpack.encode(["mien.camera-tracks/2", AT_US, []]),
        msgspec.msgpack.encode(["mien.camera-tracks/1", AT_US]),
        changed(subject_id="a}b"),
        changed(roi=(1.0, 1.0, float("nan"), 0.0)),
        changed(roi=(1.0, 1.0, 0.0, 0.0)),
        changed(velocity=(float("inf"), 0.0, 0.0)),
        changed(box_xyxy_px=(5.0, 5.0, 5.0, 9.0)),
        changed(box_xyxy_px=(5.0, 5.0, 9.0, 5.0)),
        changed(seen_us=-1),
        changed(seen_us=2**63),
    ],
    ids=[
        "empty",
        "junk",
        "newer schema",
        "half",
        "brace",
        "nan",
        "no size",
        "inf",
        "no width",
        "no height",
        "before 1970",
        "far future",
    ],
)
async def test_what_is_no_record_counts_as_unknown(
    store: CameraTracksStore, raw: redis.Redis, value: bytes
) -> None:
    raw.set(tracks_key("yard"), value)
    assert await store.read("yard") is None


async def test_no_redis_is_told_at_once_each_time() -> None:
    async with CameraTracksStore.connect(Settings(redis_url="redis://127.0.0.1:1/0")) as store:
        for call in (store.ping, lambda: store.read("a"), lambda: store.write({"a": RECORD})):
            with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1 does not answer.*MIEN_REDIS_URL"):
                await call()


async def test_a_redis_that_hangs_is_not_waited_for_long() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with CameraTracksStore.connect(Settings(redis_url=f"redis://127.0.0.1:{port}/0")) as store:
            started_s = time.monotonic()
            with pytest.raises(ServiceUnavailable):
                await store.read("a")
            assert time.monotonic() - started_s < 10 * optional_store.TIMEOUT_S
    finally:
        server.close()


async def test_another_programs_key_counts_as_unknown_and_is_replaced(
    store: CameraTracksStore, raw: redis.Redis
) -> None:
    raw.lpush(tracks_key("list"), "x")
    assert await store.read("list") is None
    await store.write({"list": RECORD})
    assert await store.read("list") == RECORD


async def test_a_url_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_REDIS_URL"):
        async with CameraTracksStore.connect(Settings(redis_url="http://localhost")):
            pass
