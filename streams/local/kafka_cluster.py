"""Several nodes of a real Apache Kafka on this machine, each broker and controller.

Of three nodes one may be gone: everything has three copies, of which two must have a message before it counts
as written (``streams.local.kafka_properties``).
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.local.child_process import free_ports
from streams.local.kafka_jars import DEFAULT_LIB_DIR
from streams.local.kafka_properties import Node
from streams.local.kafka_server import KafkaServer, new_cluster_id


class KafkaCluster:
    """Use ``with``. What it keeps is in ``folder``, a folder a node.

    client_ports: one a node, which its clients reach it at.
    advertised_ports: what clients are told instead, where proxies stand before the nodes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        client_ports: Sequence[int],
        advertised_ports: Sequence[int] | None = None,
        short_lived: bool = False,
        lib_dir: Path = DEFAULT_LIB_DIR,
    ) -> None:
        count = len(client_ports)
        controllers = dict(enumerate(free_ports(count), start=1))
        cluster_id = new_cluster_id()
        self.nodes = [
            KafkaServer(
                data_dir=folder / f"kafka-{number}",
                short_lived=short_lived,
                lib_dir=lib_dir,
                ready_timeout_s=120.0,
                node=Node(number, controllers, advertised),
                ports=(client, internal, controllers[number]),
                cluster_id=cluster_id,
            )
            for number, client, advertised, internal in zip(
                controllers, client_ports, advertised_ports or client_ports, free_ports(count), strict=True
            )
        ]

    @property
    def internal_bootstrap(self) -> str:
        """All nodes, for whoever watches from outside."""
        return ",".join(node.internal_bootstrap for node in self.nodes)

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.wait_ready()  # none is before most of them run
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for node in self.nodes:
            node.kill()  # in order, the last ones would wait for a majority that has gone
            node.stop()
