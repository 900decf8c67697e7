"""The ``server.properties`` of the local Apache Kafka, as a pure function."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
MESSAGE_MAX_BYTES = 5 * 1024 * 1024
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_JAAS = "org.apache.kafka.common.security"


class Node(NamedTuple):
    """One of several nodes: who it is, and who the others are."""

    number: int
    controller_ports: Mapping[int, int]
    """Of all nodes, by number."""
    advertised_port: int
    """The port that clients are told: that of a proxy before the node, or the node's own."""

    @property
    def replicas(self) -> int:
        """Copies of what must not be lost: one a node, three at most."""
        return min(3, len(self.controller_ports))


def server_properties(
    *,
    data_dir: Path,
    client_port: int,
    internal_port: int,
    controller_port: int,
    partitions: int = 4,
    sasl: tuple[str, str] | None = None,
    keystore: Path | None = None,
    keystore_password: str = "",
    client_ca: Path | None = None,
    super_user: str | None = None,
    node: Node | None = None,
) -> dict[str, str]:
    """The node's ``server.properties``; without ``node`` it is the only one.

    ``sasl`` is (user, password), accepted with PLAIN and SCRAM; the SCRAM secret itself is written when the
    data directory is formatted. ``keystore`` is a PKCS12 file with the server's key and certificate.
    ``client_ca`` (PEM): clients must show a certificate that it signed; its CN is the user. ``super_user``:
    all other users may only do what ACLs allow.
    Names and defaults: https://kafka.apache.org/documentation/#brokerconfigs
    """
    protocol = security_protocol(sasl=sasl is not None, tls=keystore is not None)
    node = node or Node(1, {1: controller_port}, client_port)
    replicas = str(node.replicas)
    min_in_sync = str(max(1, node.replicas - 1))
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(
            f"{number}@{HOST}:{port}" for number, port in node.controller_ports.items()
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "listeners": f"CLIENT://{HOST}:{client_port},INTERNAL://{HOST}:{internal_port},"
        f"CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"CLIENT://{HOST}:{node.advertised_port},INTERNAL://{HOST}:{internal_port}",
        "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data_dir),
        "num.partitions": str(partitions),
        "message.max.bytes": str(MESSAGE_MAX_BYTES),
        # One node has nothing to replicate to, and nobody to wait for; of three, one may be gone.
        "default.replication.factor": replicas,
        "min.insync.replicas": min_in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": min_in_sync,
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": min_in_sync,
        "group.initial.rebalance.delay.ms": "0",
        # A node that was killed may register again as soon as its old session has ended.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # A topic that Kafka invents would keep pictures for a week; `mien topics` makes them right.
        "auto.create.topics.enable": "false",
        # Frames are kept for a minute; Kafka's default is to look only every five.
        "log.retention.check.interval.ms": "10000",
    }
    if sasl is not None:
        user, password = sasl
        properties |= {
            "sasl.enabled.mechanisms": ",".join(SASL_MECHANISMS),
            "listener.name.client.plain.sasl.jaas.config": f"{_JAAS}.plain.PlainLoginModule required "
            f'"user_{user}"="{password}";',
        }
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            properties[f"listener.name.client.{mechanism}.sasl.jaas.config"] = (
                f"{_JAAS}.scram.ScramLoginModule required;"
            )
    if keystore is not None:
        properties |= {
            "listener.name.client.ssl.keystore.type": "PKCS12",
            "listener.name.client.ssl.keystore.location": str(keystore),
            "listener.name.client.ssl.keystore.password": keystore_password,
            "listener.name.client.ssl.key.password": keystore_password,
        }
    if client_ca is not None:
        properties |= {
            "listener.name.client.ssl.client.auth": "required",
            "listener.name.client.ssl.truststore.type": "PEM",
            "listener.name.client.ssl.truststore.location": str(client_ca),
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        }
    if super_user is not None:
        properties |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # ANONYMOUS is the node itself, by the listeners that are not for clients.
            "super.users": f"User:{super_user};User:ANONYMOUS",
        }
    return properties


def security_protocol(*, sasl: bool, tls: bool) -> str:
    """Kafka's name for the protocol of a listener, as clients want it."""
    return ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")
