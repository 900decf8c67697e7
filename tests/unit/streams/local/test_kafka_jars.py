"""Kafka's jars and the programs that fetch and run them."""

import shutil
from pathlib import Path

import pytest

from streams.errors import KafkaServerUnavailable
from streams.local.kafka_jars import POM, fetch_jars, jars_ready
from streams.local.kafka_server import KafkaServer


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
