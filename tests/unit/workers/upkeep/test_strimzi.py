"""Topics and users as Strimzi's objects; tests/unit/deployment holds them against the overlay."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers import cli
from workers.upkeep import strimzi


def test_names_follow_the_prefix() -> None:
    documents = strimzi.documents(Settings(topic_prefix="north.hall"))

    topics = {
        one["metadata"]["name"]: one["spec"]["topicName"] for one in documents if one["kind"] == "KafkaTopic"
    }
    assert topics["dead-letters"] == "north.hall.dead-letters"
    users = [one["metadata"]["name"] for one in documents if one["kind"] == "KafkaUser"]
    assert "north.hall-landmarks" in users
    assert "north.hall-topics" not in users  # the operator makes them


def test_names_that_kubernetes_refuses_are_refused_here() -> None:
    with pytest.raises(
        SettingsInvalid, match="MIEN_TOPIC_PREFIX=North_hall cannot begin names in Kubernetes"
    ):
        strimzi.documents(Settings(topic_prefix="North_hall"))


@pytest.mark.parametrize("as_json", [False, True], ids=["yaml", "json"])
def test_the_verb_prints_them(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    monkeypatch.setenv("MIEN_TOPIC_PARTITIONS", "24")
    ended = CliRunner().invoke(cli.app, ["strimzi", *(["--json"] if as_json else [])])

    assert ended.exit_code == 0
    found = json.loads(ended.stdout) if as_json else list(yaml.safe_load_all(ended.stdout))
    partitions = {one["spec"]["partitions"] for one in found if one["kind"] == "KafkaTopic"}
    assert partitions == {24, 1}
    assert not as_json or ended.stdout.count("\n") == 1
