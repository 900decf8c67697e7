"""A Redis with a replica, behind one address that leads to whichever is the primary.

    clients → front → primary ← link ← replica

Both ways are proxies, so each can be cut. The primary writes down what it has before it answers, so that it
comes back from SIGKILL as it was; the replica has it a little later, and a cut link makes that as late as one
wants.
"""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from streams.errors import RedisUnavailable
from streams.local import child_process
from streams.local.embedded_servers import redis_server_binary
from workers.chaos.tcp_proxy import Network

READY_TIMEOUT_S = 20.0


class RedisNode:
    """One redis-server, with its data in ``folder``."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = child_process.free_ports(1)
        self._folder = folder
        folder.mkdir()
        self.client = redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Starts it, and waits until it answers.

        Raises:
            RedisUnavailable: if it does not in time.
        """
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "",
                   "--appendonly", "yes", "--appendfsync", "everysec",
                   "--repl-diskless-sync-delay", "0"]  # fmt: skip
        self._process = child_process.start([str(redis_server_binary()), *options], stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline_s:
                raise RedisUnavailable(f"redis-server on port {self.port} does not answer")
            time.sleep(0.05)

    def follow(self, port: int) -> None:
        """Makes it the replica of whoever is behind this port."""
        self.client.replicaof("127.0.0.1", str(port))

    def lead(self) -> None:
        """Makes it a primary."""
        self.client.replicaof("NO", "ONE")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


class RedisPair:
    """Use `running`."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.nodes = [RedisNode(folder / "redis-1"), RedisNode(folder / "redis-2")]
        self._primary = 0
        self.front = network.proxy(self.primary.port)
        self.link = network.proxy(self.primary.port)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, network: Network) -> Iterator["RedisPair"]:
        pair = cls(folder, network)
        try:
            for node in pair.nodes:
                node.start()
            pair.replica.follow(pair.link.port)
            yield pair
        finally:
            for node in pair.nodes:
                node.client.close()
                node.kill()

    @property
    def primary(self) -> RedisNode:
        return self.nodes[self._primary]

    @property
    def replica(self) -> RedisNode:
        return self.nodes[1 - self._primary]

    @property
    def url(self) -> str:
        """What clients are told."""
        return f"redis://127.0.0.1:{self.front.port}/0"

    def fail_over(self) -> None:
        """The replica takes over with what it has. The old primary becomes its replica and drops the rest.

        Who is connected stays connected to the old one, as after a failover that nobody told it of.
        """
        old, new = self.primary, self.replica
        new.lead()
        self._primary = 1 - self._primary
        self.front.target_port = self.link.target_port = new.port
        old.follow(self.link.port)
