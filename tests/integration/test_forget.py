"""`mien forget`: what was known of people is gone, and does not come back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from harness import Chain, eventually, the_line

STAGES = ("landmarks", "classify", "state")
CAMERA = ["camera", "--lossless", "--as-fast-as-possible", "--json"]


def subject_of(chain: Chain, camera: str) -> str:
    (subject,) = {event["subject_id"] for event in chain.events() if event["camera_id"] == camera}
    return str(subject)


def keys(chain: Chain, owner: str) -> set[str]:
    """What Redis has of a subject or of a camera's subjects, but for the marks of those forgotten."""
    found = {key.decode() for key in chain.redis.keys("*")}
    return {key for key in found if owner in key and not key.endswith(":forgotten")}


def records(chain: Chain, topic: str) -> int:
    """How many can still be read, by the first and next offsets."""
    tail = chain.tail(topic)
    bounds = [
        tail._consumer.get_watermark_offsets(TopicPartition(f"{chain.prefix}.{topic}", place.partition))
        for place in tail._places
    ]
    return sum(high - low for low, high in bounds)


@pytest.fixture
def seen(make_chain: Callable[..., Chain], pictures: Callable[[int], Path]) -> Chain:
    """Two cameras with a person each, in Redis; no stage runs any more."""
    chain = make_chain(partitions=1, events_retention_ms=4 * 3600 * 1000)
    stages, source = chain.start_stages(*STAGES), str(pictures(12))
    for camera in ("here", "there"):
        status, _, err = chain.run(*CAMERA, "--camera", camera, "--source", source)
        assert status == 0, err
        eventually(lambda camera=camera: keys(chain, f"{{{camera}:"), "its state")
    eventually(lambda: sum(s["events"] for s in chain.subjects()) == 24, "all events in Redis")
    for process in stages:
        process.end()
    return chain


def test_a_forgotten_subject_is_gone_and_does_not_come_back(seen: Chain) -> None:
    gone, stays = subject_of(seen, "here"), subject_of(seen, "there")
    before = seen.redis.hgetall(f"mien:{{{stays}}}:state")

    status, out, err = seen.run("forget", "--subject", gone, "--yes", "--json")
    assert status == 0, err
    done = json.loads(out)
    assert done["subjects"] == [gone]
    assert keys(seen, gone) == set()
    assert done["not_kept_again_s"] >= 5 * 3600  # retention, and the time until a segment is closed
    assert seen.redis.ttl(f"mien:{{{gone}}}:forgotten") > 5 * 3600 - 60
    emotions = next(row for row in done["remains"] if row["topic"].endswith(".emotions"))
    assert (emotions["deleted"], emotions["partitions"]) == (False, [0])
    assert records(seen, "emotions") == 24  # single records cannot be taken out

    # Read once more from the beginning, after Redis has lost the other one.
    seen.redis.delete(f"mien:{{{stays}}}:state", f"mien:{{{stays}}}:window")
    status, _, err = seen.run("rebuild")
    assert status == 0, err
    assert seen.redis.hgetall(f"mien:{{{stays}}}:state") == before
    assert keys(seen, gone) == set()


def test_a_forgotten_camera_takes_all_its_subjects_along_and_its_records_if_wanted(seen: Chain) -> None:
    stays = subject_of(seen, "there")
    status, out, err = seen.run("forget", "--camera", "here", "--records", "--yes", "--json")
    assert status == 0, err

    assert len(json.loads(out)["subjects"]) == 1
    assert keys(seen, "{here") == set()
    assert keys(seen, stays)
    assert {row["deleted"] for row in json.loads(out)["remains"]} == {True}
    assert {topic: records(seen, topic) for topic in ("frames", "landmarks", "emotions")} == {
        "frames": 0, "landmarks": 0, "emotions": 0,
    }  # fmt: skip

    status, out, err = seen.run("forget", "--camera", "here", "--yes")  # once more
    assert (status, "0 subjects" in out) == (0, True), err


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ([], 2, "say whom"),
        (["--subject", "a:b", "--camera", "a", "--yes"], 2, "say whom"),
        (["--camera", "a"], 2, "nobody to ask"),
        (["--camera", "a b", "--yes"], 78, "Camera id"),
        (["--subject", "nobody", "--yes"], 78, "CAMERA:NAME"),
        (["--subject", "a:{b}", "--yes"], 78, "Subject id"),
    ],
)
def test_what_cannot_be_forgotten_is_said(chain: Chain, options: list[str], status: int, says: str) -> None:
    code, _, err = chain.run("forget", *options)

    assert (code, says in err, "Traceback" in err) == (status, True, False), err


def test_nothing_is_erased_while_kafka_does_not_answer(chain: Chain) -> None:
    chain.redis.hset("mien:{a:b}:state", "frame_seq", "7")
    code, _, err = chain.run("forget", "--subject", "a:b", "--yes", kafka_bootstrap_servers="127.0.0.1:1")

    assert (code, "Kafka at 127.0.0.1:1" in the_line(err)) == (69, True)
    assert chain.redis.exists("mien:{a:b}:state")
