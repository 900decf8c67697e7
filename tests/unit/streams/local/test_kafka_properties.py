"""The local Kafka's properties: loopback only, one node, and security for clients alone."""

from pathlib import Path

import pytest

from streams.local.kafka_properties import Node, security_protocol, server_properties

PORTS = {"client_port": 1001, "internal_port": 1002, "controller_port": 1003}


def test_properties_listen_on_loopback_only_and_plaintext_by_default() -> None:
    properties = server_properties(data_dir=Path("/data"), **PORTS)

    assert properties["listeners"] == (
        "CLIENT://127.0.0.1:1001,INTERNAL://127.0.0.1:1002,CONTROLLER://127.0.0.1:1003"
    )
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:1003"
    assert properties["log.dirs"] == "/data"
    assert "CLIENT:PLAINTEXT" in properties["listener.security.protocol.map"]
    assert not [name for name in properties if "sasl" in name or "ssl" in name]


def test_properties_take_a_frame_of_five_mebibytes_and_need_no_second_node() -> None:
    properties = server_properties(data_dir=Path("/data"), partitions=7, **PORTS)

    assert int(properties["message.max.bytes"]) == 5 * 1024 * 1024
    assert properties["num.partitions"] == "7"
    assert {value for name, value in properties.items() if "replication.factor" in name} == {"1"}


def test_properties_secure_the_client_listener_alone() -> None:
    properties = server_properties(
        data_dir=Path("/data"), sasl=("ann", "pw"), keystore=Path("/k.p12"), keystore_password="kp", **PORTS
    )

    assert properties["listener.security.protocol.map"] == (
        "CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
    )
    assert properties["sasl.enabled.mechanisms"] == "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
    assert '"user_ann"="pw"' in properties["listener.name.client.plain.sasl.jaas.config"]
    assert properties["listener.name.client.ssl.keystore.location"] == "/k.p12"


def test_properties_let_others_than_the_super_user_do_what_acls_allow_alone() -> None:
    properties = server_properties(
        data_dir=Path("/data"), super_user="ann", client_ca=Path("/ca.pem"), **PORTS
    )

    assert properties["authorizer.class.name"].endswith("StandardAuthorizer")
    assert properties["super.users"] == "User:ann;User:ANONYMOUS"
    assert "allow.everyone.if.no.acl.found" not in properties
    assert properties["listener.name.client.ssl.client.auth"] == "required"
    assert properties["listener.name.client.ssl.truststore.location"] == "/ca.pem"


@pytest.mark.parametrize(
    ("sasl", "tls", "expected"),
    [
        (False, False, "PLAINTEXT"),
        (False, True, "SSL"),
        (True, False, "SASL_PLAINTEXT"),
        (True, True, "SASL_SSL"),
    ],
)
def test_security_protocol(sasl: bool, tls: bool, expected: str) -> None:
    assert security_protocol(sasl=sasl, tls=tls) == expected


def test_one_of_three_nodes_knows_the_others_and_keeps_three_copies_of_everything() -> None:
    node = Node(2, {1: 1013, 2: 1003, 3: 1023}, advertised_port=2001)

    properties = server_properties(data_dir=Path("/data"), node=node, **PORTS)

    assert properties["node.id"] == "2"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:1013,2@127.0.0.1:1003,3@127.0.0.1:1023"
    assert properties["advertised.listeners"] == "CLIENT://127.0.0.1:2001,INTERNAL://127.0.0.1:1002"
    assert "CLIENT://127.0.0.1:1001" in properties["listeners"]
    assert {value for name, value in properties.items() if "replication.factor" in name} == {"3"}
    assert {value for name, value in properties.items() if "min.i" in name} == {"2"}
