"""The local Apache Kafka for real: started, used, killed, restarted, ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from clients import create, read, send

from streams.errors import KafkaServerUnavailable
from streams.local.child_process import free_ports
from streams.local.kafka_server import KafkaServer

ROOT = Path(__file__).parents[2]


def listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


async def read_in_group(server: KafkaServer) -> bytes:
    consumer = AIOKafkaConsumer(
        "letters", bootstrap_servers=server.bootstrap, group_id="readers", auto_offset_reset="earliest"
    )
    async with consumer:
        message = await consumer.getone()
        await consumer.commit({TopicPartition(message.topic, message.partition): message.offset + 1})
        return bytes(message.value)


async def test_messages_and_offsets_outlive_a_kill_and_nothing_outlives_stop(lib_dir: Path) -> None:
    large = b"x" * 4_000_000
    with KafkaServer(short_lived=True, lib_dir=lib_dir, partitions=1) as server:
        address, data_dir = server.bootstrap, server.data_dir
        await create(server, "letters")
        await send(server, [b"a", large])
        assert await read_in_group(server) == b"a"
        server.kill()
        assert not server.alive
        with pytest.raises(KafkaConnectionError):
            await send(server, [b"lost"])

        server.restart()

        assert server.alive
        assert server.bootstrap == address
        await send(server, [b"b"])
        assert await read(server, 3) == [b"a", large, b"b"]
        assert await read_in_group(server) == large
    assert not server.alive
    assert not data_dir.exists()
    assert not listens(address)


def test_a_port_in_use_is_named(lib_dir: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(KafkaServerUnavailable, match=f"port {port} .*in use"):
            KafkaServer(port=port, short_lived=True, lib_dir=lib_dir).start()


def test_a_server_that_cannot_start_shows_its_log(lib_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text("version=1\nnode.id=99\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")
    server = KafkaServer(short_lived=True, lib_dir=lib_dir, data_dir=tmp_path)
    with pytest.raises(KafkaServerUnavailable, match=r"(?s)ended at once.*99"):
        server.start()
    assert not server.alive


def test_the_foreground_entry_leaves_no_child_behind(lib_dir: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    entry = [sys.executable, "-m", "streams.local.kafka_server", "--port", str(port), "--lib", str(lib_dir)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}  # a killed parent cannot clear up
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        with subprocess.Popen(
            [*entry, "--dir", str(tmp_path / "data")],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert address in process.stdout.readline()
            assert listens(address)
            process.send_signal(number)
            assert process.wait(30) == status
        deadline = time.monotonic() + 10
        while listens(address) and time.monotonic() < deadline:  # a killed JVM takes a moment to go
            time.sleep(0.05)
        assert not listens(address)
