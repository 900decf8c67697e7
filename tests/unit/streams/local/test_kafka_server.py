"""The local Apache Kafka up to its start: configuration as text, and what is refused with which words."""

import shutil
from pathlib import Path

import pytest

from streams.errors import KafkaServerUnavailable, SettingsInvalid
from streams.local.child_process import free_ports
from streams.local.kafka_jars import POM, fetch_jars, jars_ready
from streams.local.kafka_properties import security_protocol, server_properties
from streams.local.kafka_server import KafkaServer

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


@pytest.mark.parametrize(
    "sasl", [('a"b', "pw"), ("ann", "p w"), ("ann", ""), ("ann", "pw;"), ("ann\n", "pw")]
)
def test_credentials_that_would_change_the_configuration_are_refused(sasl: tuple[str, str]) -> None:
    with pytest.raises(SettingsInvalid):
        KafkaServer(sasl=sasl)


def test_free_ports_are_distinct_and_outside_the_range_of_outgoing_connections() -> None:
    ports = free_ports(20)

    assert len(set(ports)) == 20
    assert all(20_000 <= port < 32_000 for port in ports)


def test_jars_of_another_pom_are_not_ready(tmp_path: Path) -> None:
    assert not jars_ready(tmp_path)
    (tmp_path / POM.name).write_bytes(POM.read_bytes())
    assert jars_ready(tmp_path)
    (tmp_path / POM.name).write_bytes(POM.read_bytes().replace(b"kafka_2.13", b"kafka_2.12"))
    assert not jars_ready(tmp_path)


def test_missing_jars_say_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(KafkaServerUnavailable, match="make kafka"):
        KafkaServer(lib_dir=tmp_path).start()


@pytest.mark.parametrize(("missing", "call"), [("java", "start"), ("mvn", "fetch")])
def test_missing_programs_say_what_to_install(
    missing: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(
        KafkaServerUnavailable, match=rf"(?s){missing}.*not installed.*openjdk-17-jre-headless"
    ):
        fetch_jars(tmp_path) if call == "fetch" else KafkaServer(lib_dir=tmp_path).start()


def test_bootstrap_is_unknown_before_the_start() -> None:
    with pytest.raises(KafkaServerUnavailable, match="start"):
        _ = KafkaServer().bootstrap
