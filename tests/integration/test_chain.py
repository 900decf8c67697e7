"""The whole chain on real Kafka and Redis, seen by strangers: kcat, a JSON Schema validator, promtool."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jsonschema
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import ConfigResource
from harness import Chain, Process, command, eventually, unique_prefix

from streams.local.kafka_server import KafkaServer
from workers.local import metrics_scrape
from workers.local.chain import STAGES

NAMESPACE = uuid.UUID("6d69656e-0000-5000-8000-656d6f74696f")
"""Written out again: other programs rely on the ids."""
CAMERA = "lobby"
FPS = 8


class Running(NamedTuple):
    chain: Chain
    short: Chain
    """Its frames are kept for a second; nothing runs on it."""
    stages: dict[str, Process]
    camera: Process


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServer, redis_url: Callable[[], str]
) -> Iterator[Running]:
    """`mien topics`, the three stages, and a demo camera that keeps sending."""
    folder = tmp_path_factory.mktemp("chain")
    chain = Chain(folder, kafka=kafka.bootstrap, redis_url=redis_url(), prefix=unique_prefix(), partitions=3)
    status, out, err = chain.run("topics", "--json")
    assert status == 0, err
    assert {row["outcome"] for row in json.loads(out)} == {"created"}
    short = Chain(
        folder, kafka=kafka.bootstrap, redis_url=redis_url(), prefix=unique_prefix(), partitions=1,
        frames_retention_ms=1000,
    )  # fmt: skip
    status, _, err = short.run("topics")
    assert status == 0, err
    short.send("frames", b"lobby", b"a picture")
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    camera = chain.start("camera", "--id", CAMERA, "--source", "demo:cycle", "--fps", str(FPS), "--json")
    yield Running(chain, short, stages, camera.wait_ready())
    short.close()
    chain.close()


def test_topics_have_the_partitions_and_the_retention_that_the_settings_say(running: Running) -> None:
    chain = running.chain
    metadata = chain.admin.list_topics(timeout=30).topics
    partitions = {"frames": 3, "landmarks": 3, "emotions": 3, "alerts": 3, "dead-letters": 1}
    assert {name: len(metadata[f"{chain.prefix}.{name}"].partitions) for name in partitions} == partitions

    hour_ms = 3600 * 1000
    retention_ms = {"frames": 60_000, "landmarks": 24 * hour_ms, "emotions": 24 * hour_ms,
                    "alerts": 24 * hour_ms, "dead-letters": hour_ms}  # fmt: skip
    resources = [ConfigResource(ConfigResource.Type.TOPIC, f"{chain.prefix}.{n}") for n in retention_ms]
    configs = {r.name: future.result(30) for r, future in chain.admin.describe_configs(resources).items()}
    found = {n: int(configs[f"{chain.prefix}.{n}"]["retention.ms"].value) for n in retention_ms}
    assert found == retention_ms
    # Only whole segments are deleted: with Kafka's own segments of 7 days the pictures would stay.
    assert int(configs[f"{chain.prefix}.frames"]["segment.ms"].value) <= 60_000

    status, out, err = chain.run("topics", "--json")
    assert status == 0, err
    assert {row["outcome"] for row in json.loads(out)} == {"exists"}


def test_kcat_reads_events_that_follow_the_published_schema(running: Running) -> None:
    chain = running.chain
    kcat = command("kcat")
    status, out, err = chain.run("schemas")
    assert status == 0, err
    schema = json.loads(out)["emotion.schema.json"]
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)

    count = 4 * FPS * 2  # a smile and a surprise are among them: the script changes every 2 s
    done = subprocess.run(
        [kcat, "-b", chain.bootstrap, "-C", "-t", f"{chain.prefix}.emotions", "-o", "beginning",
         "-c", str(count), "-J", "-q"],  # -J: one JSON document a message, with key, headers and payload
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(messages) == count
    emotions = set()
    for message in messages:
        event = json.loads(message["payload"])
        validator.validate(event)
        assert message["key"] == event["subject_id"]
        name = f"{event['camera_id']}\n{event['run']}\n{event['frame_seq']}\n{event['subject_id']}"
        assert event["event_id"] == str(uuid.uuid5(NAMESPACE, name))
        assert event["camera_id"] == CAMERA
        assert (event["emotion"] is None) == (event["abstained"] is not None)

        why = event["explanation"]
        assert abs(sum(why["attributions"]) - why["score_change"]) < 1e-3
        assert why["completeness_error"] < 1e-3
        assert len(why["attributions"]) == 128
        assert sum(why["regions"].values()) == pytest.approx(1, abs=1e-3)
        strengths = [abs(point["attribution"]) for point in why["landmarks"]]
        assert strengths == sorted(strengths, reverse=True)
        assert why["text"]
        assert sum(event["probabilities"].values()) == pytest.approx(1, abs=1e-3)

        headers = dict(zip(message["headers"][::2], message["headers"][1::2], strict=True))
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_id"] == event["event_id"]
        assert headers["ce_source"] == f"/cameras/{CAMERA}"
        assert headers["ce_type"] == "mien.emotion.v1"
        assert headers["ce_subject"] == event["subject_id"]
        assert headers["ce_time"] == event["captured_at"]
        assert headers["content-type"] == "application/json"
        assert len(headers["ce_traceparent"]) == 55
        emotions.add(event["emotion"])
    assert {"happiness", "surprise", "neutral"} <= emotions
    assert len({message["key"] for message in messages}) == 1  # one person, followed all the time


def test_redis_and_mien_subjects_know_who_is_in_view(running: Running) -> None:
    chain = running.chain
    eventually(lambda: chain.events(), "events")
    (subject,) = eventually(chain.subjects, "a subject")
    assert subject["camera_id"] == CAMERA
    assert subject["dominant"] == max(subject["probabilities"], key=subject["probabilities"].get)
    assert subject["last_explanation"]["text"]
    assert subject["last_explanation"]["landmarks"]
    assert 0 < sum(subject["window"].values()) <= subject["events"]
    status, out, err = chain.run("subjects", "--camera", "nobody-home", "--json")
    assert (status, json.loads(out)) == (0, []), err
    status, out, err = chain.run("subjects")
    assert status == 0, err
    assert "1 subjects" in out

    kinds = ("state", "window", "neutral")
    wanted = {f"mien:{{{subject['subject_id']}}}:{kind}" for kind in kinds} | {f"mien:{{{CAMERA}}}:tracks"}
    eventually(
        lambda: len(chain.redis.keys("*")) >= len(wanted) + 2, lambda: f"{wanted}: {chain.redis.keys('*')}"
    )
    keys = {key.decode() for key in chain.redis.keys("*")}
    of_the_stage = {key for key in keys if key.startswith("mien:{state}:")}
    assert len(of_the_stage) == 2  # that the state is whole, and how often the worker has written
    coverage = {key for key in keys if key.startswith(f"mien:{{{CAMERA}}}:coverage:")}
    assert len(coverage) <= 1  # today's, written after some seconds; it lives longer
    keys -= coverage
    assert keys - of_the_stage == wanted
    keys.remove(f"mien:{{{CAMERA}}}:tracks")  # which lives shorter
    ttl_s = chain.settings.subject_ttl_s
    assert all(ttl_s - 60 <= chain.redis.ttl(key) <= ttl_s for key in keys)


@pytest.mark.parametrize("name", ["camera", *STAGES])
def test_promtool_accepts_the_metrics_and_the_probes_answer(running: Running, name: str) -> None:
    process = running.camera if name == "camera" else running.stages[name]
    promtool = command("promtool")
    status, text = eventually(
        lambda: (
            (page := metrics_scrape.get(process.port, "/metrics"))[1].count("mien_frame_age_seconds_bucket{")
            and page
        ),
        "ages of frames",
    )
    assert status == 200
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    own = {
        "camera": 'mien_frames_total{camera="lobby",outcome="published",stage="camera"}',
        "landmarks": 'mien_faces_total{camera="lobby"}',
        "classify": 'mien_emotions_total{camera="lobby",emotion=',
        "state": 'mien_active_subjects{camera="lobby"} 1.0',
    }
    assert own[name] in text
    if name != "camera":
        assert "mien_consumer_lag{" in text
    assert metrics_scrape.get(process.port, "/healthz") == (200, "ok\n")
    assert metrics_scrape.get(process.port, "/readyz") == (200, "ok\n")
    assert metrics_scrape.get(process.port, "/elsewhere")[0] == 404


def test_sigterm_ends_the_camera_with_its_summary(running: Running) -> None:
    # The last test of this file: the camera ends here.
    assert running.camera.end() == 0
    published = json.loads(running.camera.out)["published"]
    frames = running.chain.frames()[CAMERA]
    assert len(frames) == published  # it waited for the last deliveries
    assert running.camera.err.splitlines()[-1].count("camera ended") == 1


def test_pictures_are_deleted_when_their_time_is_over(running: Running) -> None:
    consumer = Consumer({"bootstrap.servers": running.short.bootstrap, "group.id": "tests"})
    frames = TopicPartition(f"{running.short.prefix}.frames", 0)
    # Kafka looks for old segments 30 s after its start, then every 10 s.
    eventually(lambda: consumer.get_watermark_offsets(frames, timeout=30) == (1, 1), "the picture is deleted")
    consumer.close()
