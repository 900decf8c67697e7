"""Topics that exist with other settings than ours, on real Kafka: shown, corrected, refused by stages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import ConfigResource, NewTopic
from harness import Chain, the_line, unique_prefix

from streams.local.kafka_server import KafkaServer

WEEK_MS = "604800000"


@pytest.fixture
def few(tmp_path: Path, kafka: KafkaServer, redis_url: Callable[[], str]) -> Iterator[Chain]:
    """Only ``frames`` is there, made by somebody else, with the broker's defaults and a setting of theirs."""
    chain = Chain(tmp_path, kafka=kafka.bootstrap, redis_url=redis_url(), prefix=unique_prefix())
    theirs = NewTopic(f"{chain.prefix}.frames", 1, 1, config={"message.timestamp.type": "LogAppendTime"})
    chain.admin.create_topics([theirs])[theirs.topic].result(30)
    yield chain
    chain.close()


def config(chain: Chain) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, f"{chain.prefix}.frames")
    found = chain.admin.describe_configs([resource])[resource].result(30)
    return {name: entry.value for name, entry in found.items()}


def rows(out: str) -> dict[str, dict[str, Any]]:
    return {row["name"].rpartition(".")[2]: row for row in json.loads(out)}


def test_an_existing_topic_is_shown_as_it_is_and_corrected_on_request(few: Chain) -> None:
    status, out, err = few.run("topics", "--json")
    frames = rows(out)["frames"]
    found = {d["what"]: (d["actual"], d["wanted"]) for d in frames["differences"]}

    assert status == 78, err
    assert f"{few.prefix}.frames has retention.ms {WEEK_MS}, wanted 60000" in the_line(err)
    assert found["partitions"] == ("1", "4")
    assert found["retention.ms"] == (WEEK_MS, "60000")
    assert frames["actual"]["retention.ms"] == WEEK_MS
    assert frames["outcome"] == "exists"
    assert {name for name, row in rows(out).items() if row["outcome"] == "created"} == {
        "landmarks",
        "emotions",
        "alerts",
        "cameras",
        "verdicts",
        "dead-letters",
    }
    assert config(few)["retention.ms"] == WEEK_MS  # only shown

    status, out, err = few.run("topics", "--apply", "--json")
    assert status == 0, err
    assert {name: row["outcome"] for name, row in rows(out).items()} == dict.fromkeys(rows(out), "exists") | {
        "frames": "corrected"
    }
    assert rows(out)["frames"]["actual"]["partitions"] == "4"
    assert config(few).items() >= few.settings.topics.frames.config().items()
    assert config(few)["message.timestamp.type"] == "LogAppendTime"  # theirs stays
    assert few.run("topics")[0] == 0


def test_what_cannot_be_corrected_is_said(few: Chain) -> None:
    assert few.run("topics", "--apply")[0] == 0
    status, out, err = few.run("topics", "--apply", "--json", topic_partitions=2)

    assert status == 78
    assert "has partitions 4, wanted 2" in the_line(err)
    (difference,) = rows(out)["frames"]["differences"]
    assert "MIEN_TOPIC_PARTITIONS=4" in difference["remedy"]


def test_landmarks_and_cameras_refuse_a_topic_that_keeps_pictures_for_a_week(few: Chain) -> None:
    assert few.run("topics", "--only-create")[0] == 0  # as before each stage: it starts all the same
    for command in (["landmarks"], ["camera", "--camera", "a", "--source", "demo:calm"]):
        status, _, err = few.run(*command)
        assert status == 78, err
        assert f"{few.prefix}.frames keeps pictures" in the_line(err)
        assert "mien topics --apply" in the_line(err)

    allowed = few.start("landmarks", allow_longer_frames_retention=True).wait_ready()
    assert "topic is not as it should be" in allowed.err
    assert f"retention.ms {WEEK_MS}, wanted 60000" in allowed.err
    assert allowed.end() == 0
