"""The printed commands; that they are enough, and no more, is for tests/integration/test_rights.py."""

import json
import re

import pytest
from typer.testing import CliRunner

from streams.settings import Settings
from workers import cli
from workers.upkeep import acls

RIGHTS = acls.rights(Settings(topic_prefix="trial"))


def test_only_landmarks_may_read_pictures() -> None:
    readers = {
        right.user
        for right in RIGHTS.kafka
        if "Read" in right.operations and right.name in ("trial.frames", "trial.")
    }
    assert readers == {"trial-landmarks"}


def test_the_page_may_read_pictures_only_where_it_is_to_show_them() -> None:
    shown = set(acls.rights(Settings(topic_prefix="trial", live_frames=True)).kafka)

    assert shown - set(RIGHTS.kafka) == {
        acls.KafkaRight("trial-live", "topic", "trial.frames", "literal", ("Read",))
    }


def test_nobody_may_read_or_write_by_prefix_or_do_everything() -> None:
    for right in RIGHTS.kafka:
        assert "All" not in right.operations
        if right.pattern == "prefixed":
            assert not {"Read", "Write"} & set(right.operations)
        assert right.name.startswith("trial")


def test_a_kafka_right_is_a_line_for_the_shell() -> None:
    right = acls.KafkaRight("trial-camera", "topic", "trial.frames", "literal", ("Write", "Describe"))

    (line,) = acls.shell_commands([right])

    assert line.split() == [
        "kafka-acls.sh",
        *("--bootstrap-server", "$KAFKA", "--command-config", "admin.properties", "--add"),
        *("--allow-principal", "User:trial-camera", "--operation", "Write", "--operation", "Describe"),
        *("--topic", "trial.frames", "--resource-pattern-type", "literal"),
    ]


def test_a_redis_right_begins_from_nothing() -> None:
    for line in acls.redis_commands(RIGHTS.redis):
        assert re.fullmatch(
            r"ACL SETUSER trial-\w+ reset on >PASSWORD( (~|%R~)mien:\{(\*|state)\}:[\w:-]*\*?)+( \+[\w|]+)+",
            line,
        )
        assert "@" not in line


@pytest.mark.parametrize("arguments", [["acls"], ["acls", "--json"]], ids=" ".join)
def test_the_verb_prints_them(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("MIEN_TOPIC_PREFIX", "trial")
    ended = CliRunner().invoke(cli.app, arguments)

    assert ended.exit_code == 0
    if "--json" in arguments:
        rows = json.loads(ended.stdout)
        assert {row["user"] for row in rows["kafka"]} == {row.user for row in RIGHTS.kafka}
        assert {row["user"] for row in rows["redis"]} == {row.user for row in RIGHTS.redis}
    else:
        assert all(line in ended.stdout for line in acls.shell_commands(RIGHTS.kafka))
