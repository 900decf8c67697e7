"""Which of Redis' errors are of Redis, and waited for, and which are of one key; on real servers."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import (
    AuthenticationError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from streams.errors import AccessDenied, InputRefused, RedisUnavailable, ServiceUnavailable, SettingsInvalid
from streams.local import embedded_servers
from streams.local.child_process import free_ports
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import connection, subject_state
from streams.store.camera_track_store import CameraTracks, CameraTracksStore
from streams.store.neutral_face_store import NeutralFace, NeutralFaceStore
from streams.store.subject_state import state_key, window_key

Make = Callable[..., EmotionEvent]
TRACKS = CameraTracks(1, ())
FACE = NeutralFace("set", b"", 1.0, 1, 1)


@pytest.fixture
def server() -> Iterator["redis.Redis[bytes]"]:
    """A Redis of this test's own."""
    with own_redis() as client:
        yield client


@contextlib.contextmanager
def own_redis() -> Iterator["redis.Redis[bytes]"]:
    """One that neither waits for more replicas before it feeds one, nor for any before it ends."""
    with embedded_servers.redis_server() as url, redis.Redis.from_url(url) as client:
        client.config_set("repl-diskless-sync-delay", 0)
        client.config_set("shutdown-timeout", 0)
        yield client


def address(client: "redis.Redis[bytes]") -> tuple[str, int]:
    about = client.connection_pool.connection_kwargs
    return about["host"], about["port"]


def settings(client: "redis.Redis[bytes]") -> Settings:
    host, port = address(client)
    return Settings(redis_url=f"redis://{host}:{port}/0")


@pytest.mark.parametrize("key", [state_key, window_key])
async def test_a_key_of_another_program_costs_its_own_events_alone(
    server: "redis.Redis[bytes]", make_event: Make, key: Callable[[str], str]
) -> None:
    server.set(key("door:odd"), "x")
    async with subject_state.connect(settings(server)) as store:
        applied = await store.apply(
            [make_event(subject_id=who, frame_seq=1) for who in ("door:a", "door:odd", "door:b")]
        )
        assert [applied[0], applied[2]] == [True, True]
        assert isinstance(applied[1], InputRefused)
        assert applied[1].reason == "foreign-redis-key"
        assert "WRONGTYPE" in str(applied[1])
        assert {subject.subject_id for subject in await store.subjects()} == {"door:a", "door:b"}

        server.delete(key("door:odd"))  # as the runbook says; nothing was applied by halves
        assert await store.apply([make_event(subject_id="door:odd", frame_seq=1)]) == [True]


async def test_a_damaged_state_costs_its_own_events_alone(
    server: "redis.Redis[bytes]", make_event: Make
) -> None:
    server.hset(state_key("door:odd"), "frame_seq", "many")
    server.hset(state_key("door:worse"), mapping={"last_event": b"{", "frame_seq": "1"})
    async with subject_state.connect(settings(server)) as store:
        odd, good = await store.apply([make_event(subject_id=who) for who in ("door:odd", "door:a")])
        assert good is True
        assert isinstance(odd, InputRefused)  # Lua cannot compare it
        assert [subject.subject_id for subject in await store.subjects()] == ["door:a"]


async def test_a_full_redis_is_waited_for_and_nothing_of_the_batch_is_lost(
    server: "redis.Redis[bytes]", make_event: Make
) -> None:
    events = [make_event(frame_seq=seq) for seq in range(1, 65)]
    async with subject_state.connect(settings(server)) as store:
        await store.apply(events[:1])
        server.config_set("maxmemory", 1)
        server.config_set("maxmemory-policy", "noeviction")
        with pytest.raises(RedisUnavailable, match="maxmemory"):
            await store.apply(events)
        server.config_set("maxmemory", 0)

        assert await store.apply(events) == [False] + [True] * 63
        assert (await store.subjects())[0].events == 64


async def test_a_batch_is_one_transaction(server: "redis.Redis[bytes]", make_event: Make) -> None:
    """Else Redis could be full for one event, and not for the subject's next one, which then fences it."""
    async with subject_state.connect(settings(server)) as store:
        await store.apply([make_event(frame_seq=0)])  # the script is there
        server.config_resetstat()
        await store.apply([make_event(frame_seq=seq) for seq in range(1, 65)])

    calls = {name: about["calls"] for name, about in server.info("commandstats").items()}
    assert calls["cmdstat_multi"] == calls["cmdstat_exec"] == 1
    assert calls["cmdstat_evalsha"] == 64


@pytest.mark.parametrize("open_store", [CameraTracksStore.connect, NeutralFaceStore.connect])
async def test_a_full_redis_is_told_by_the_optional_stores(
    server: "redis.Redis[bytes]", open_store: Any
) -> None:
    server.config_set("maxmemory", 1)
    async with open_store(settings(server)) as store:
        with pytest.raises(RedisUnavailable, match="maxmemory"):
            await store.write({"a": TRACKS if open_store == CameraTracksStore.connect else FACE})


class Service:
    """An address whose new connections go to the primary of now, as a Kubernetes service's do."""

    def __init__(self, primary: "redis.Redis[bytes]") -> None:
        self.primary = primary
        self.settings = Settings()

    async def __aenter__(self) -> "Service":
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.settings = Settings(redis_url=f"redis://127.0.0.1:{port}/0")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(*address(self.primary))
        await asyncio.gather(self._copy(reader, to_writer), self._copy(to_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@pytest.fixture
async def failing_over(server: "redis.Redis[bytes]") -> AsyncIterator[tuple[Service, Callable[[], None]]]:
    """A service before a primary with a replica, and what swaps their roles while both live on."""
    with own_redis() as replica:
        replica.replicaof(*address(server))
        deadline_s = time.monotonic() + 20
        while replica.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)
        async with Service(server) as service:

            def fail_over() -> None:
                replica.replicaof("NO", "ONE")
                server.replicaof(*address(replica))
                service.primary = replica

            yield service, fail_over


async def test_after_a_failover_the_state_goes_to_the_new_primary(
    failing_over: tuple[Service, Callable[[], None]], make_event: Make
) -> None:
    service, fail_over = failing_over
    async with subject_state.connect(service.settings) as store:
        assert await store.apply([make_event(frame_seq=1)]) == [True]
        fail_over()
        with pytest.raises(RedisUnavailable, match="read only"):
            await store.apply([make_event(frame_seq=2)])

        assert await store.apply([make_event(frame_seq=2)]) == [True]  # the kept connection was left


@pytest.mark.parametrize(
    ("open_store", "values"),
    [(CameraTracksStore.connect, {"a": TRACKS}), (NeutralFaceStore.connect, {"a": FACE})],
    ids=["tracks", "neutral faces"],
)
async def test_after_a_failover_the_optional_stores_go_to_the_new_primary(
    failing_over: tuple[Service, Callable[[], None]], open_store: Any, values: dict[str, Any]
) -> None:
    service, fail_over = failing_over
    async with open_store(service.settings) as store:
        await store.write(values)
        fail_over()
        with pytest.raises(RedisUnavailable, match="read only"):
            await store.write(values)

        await store.write(values)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RedisConnectionError("gone"), RedisUnavailable),
        (OutOfMemoryError("command not allowed"), RedisUnavailable),
        (ReadOnlyError("You can't write"), RedisUnavailable),
        (ResponseError("BUSY Redis is busy running a script"), RedisUnavailable),
        (ResponseError("MISCONF Redis is configured to save RDB snapshots"), RedisUnavailable),
        (ResponseError("something new"), RedisUnavailable),
        # As Redis 6 words what happens inside a script:
        (ResponseError("Error running script: @user_script:30: -OOM command not allowed"), RedisUnavailable),
        (ResponseError("Error running script: @user_script:30: -READONLY You can't"), RedisUnavailable),
        (ResponseError("ACL failure in script: User ann … on @user_script:30."), AccessDenied),
        (NoPermissionError("this user has no permissions"), AccessDenied),
        (AuthenticationError("invalid"), AccessDenied),
        (MovedError("3999 127.0.0.1:6381"), SettingsInvalid),
    ],
)
def test_an_error_that_speaks_of_redis_is_no_refusal(error: redis.RedisError, kind: type) -> None:
    with pytest.raises(type(error)):
        connection.refusal_of(error)
    assert type(connection.unavailable(Settings(), error)) is kind


@pytest.mark.parametrize(
    "error",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "Error running script: @user_script:30: -WRONGTYPE Operation against a key",
        "user_script:30: attempt to compare nil with number script: 1f, on @user_script:30.",
    ],
)
def test_an_error_that_speaks_of_a_key_is_a_refusal(error: str) -> None:
    assert connection.refusal_of(ResponseError(error)) is not None
    assert connection.refusal_of(b"an answer") is None


def test_a_node_of_a_cluster_is_a_wrong_setting() -> None:
    told = connection.unavailable(Settings(), MovedError("3999 127.0.0.1:6381"))

    assert isinstance(told, SettingsInvalid)
    assert "Redis Cluster, which Mien does not work with" in str(told)
    assert "MIEN_REDIS_SENTINELS" in str(told)


@pytest.fixture
def sentinel(server: "redis.Redis[bytes]", tmp_path: Path) -> Iterator[tuple[int, "redis.Redis[bytes]"]]:
    """The port of a Sentinel that watches the server and its replica, and that replica."""
    with own_redis() as replica:
        replica.replicaof(*address(server))
        (port,) = free_ports(1)
        host, primary_port = address(server)
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor faces {host} {primary_port} 1\n"
            "sentinel down-after-milliseconds faces 2000\nsentinel failover-timeout faces 5000\n"
        )
        command = [embedded_servers.redis_server_binary(), str(config), "--sentinel"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                yield port, replica
            finally:
                process.terminate()


async def eventually(look: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        with contextlib.suppress(redis.RedisError, ServiceUnavailable):
            found = look()
            if await found if asyncio.iscoroutine(found) else found:
                return
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.1)


async def test_sentinels_name_the_primary_also_after_a_failover(
    server: "redis.Redis[bytes]", sentinel: tuple[int, "redis.Redis[bytes]"], make_event: Make
) -> None:
    port, replica = sentinel
    through = Settings(
        redis_url="redis://nobody.invalid/0",
        redis_sentinels=f"127.0.0.1:{port}",
        redis_sentinel_primary="faces",
    )
    with redis.Redis(port=port) as asked:
        await eventually(lambda: asked.sentinel_master("faces")["num-slaves"] == 1)
        async with subject_state.connect(through) as store:
            assert await store.apply([make_event(frame_seq=1)]) == [True]
            await eventually(lambda: replica.exists(state_key("lobby-1:7k3f")))
            await eventually(lambda: asked.execute_command("SENTINEL", "FAILOVER", "faces"))
            await eventually(lambda: replica.role()[0] == b"master" and server.role()[0] == b"slave")

            async def applied() -> bool:
                return await store.apply([make_event(frame_seq=2)]) == [True]

            await eventually(applied)
            assert (await store.subjects())[0].events == 2
            assert replica.hget(state_key("lobby-1:7k3f"), "events") == b"2"


async def test_sentinels_that_are_away_are_named() -> None:
    (port,) = free_ports(1)
    through = Settings(redis_url="redis://:hunter2@x/0", redis_sentinels=f"127.0.0.1:{port}")
    async with CameraTracksStore.connect(through) as store:
        with pytest.raises(RedisUnavailable, match=f"mymaster of the Sentinels at 127.0.0.1:{port}") as told:
            await store.ping()
    assert "hunter2" not in str(told.value)


async def test_a_socket_has_no_sentinels() -> None:
    both = Settings(redis_url="unix:///run/redis.sock", redis_sentinels="127.0.0.1:26379")
    with pytest.raises(SettingsInvalid, match="MIEN_REDIS_SENTINELS"):
        async with subject_state.connect(both):
            pass
