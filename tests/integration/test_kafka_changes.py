"""What others do to Kafka while stages run: new partitions, a topic made again, a group in use, no Kafka."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import NewPartitions, NewTopic
from harness import COMMANDS, Chain, Process, eventually, unique_prefix

from streams.health import STALL_S
from streams.local.child_process import free_ports
from workers.local import metrics_scrape
from workers.local.chain import STAGES, one_camera_a_partition

SOON_S = 45.0
"""By then what changed is noticed: metadata is five seconds old at most, then the group is shared anew."""
FRAMES = 20


def send_pictures(chain: Chain, camera: str, folder: Path) -> None:
    """A lossless camera, from its start to its end."""
    status, _, err = chain.run("camera", "--id", camera, "--source", str(folder), "--lossless", "--fps", "20")
    assert status == 0, err


def has_events(chain: Chain, camera: str) -> Callable[[], bool]:
    return lambda: len(chain.seen().get(camera, ())) == FRAMES


def test_cameras_on_partitions_that_are_added_while_running_are_seen(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    before, after = 2, 6
    chain = make_chain(partitions=before)
    stages = chain.start_stages(*STAGES)
    names = [chain.settings.topics.frames.name, chain.settings.topics.emotions.name]
    for future in chain.admin.create_partitions([NewPartitions(name, after) for name in names]).values():
        future.result(30)
    chain.partitions = after  # for what the test reads
    new = one_camera_a_partition(after, "hall")[-1]
    send_pictures(chain, new, pictures(FRAMES))

    eventually(has_events(chain, new), f"events of {new}", SOON_S)
    eventually(
        lambda: all(int(chain.redis.exists(f"mien:{{{e['subject_id']}}}:state")) for e in chain.events()),
        "its subject's state",
        SOON_S,
    )
    assert all(stage.is_ready() for stage in stages)


@pytest.mark.parametrize(("stage", "name"), [("landmarks", "frames"), ("state", "emotions")])
def test_a_topic_that_is_deleted_and_made_again_is_read_again(
    chain: Chain, pictures: Callable[[int], Path], stage: str, name: str
) -> None:
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    folder = pictures(FRAMES)
    send_pictures(chain, "before", folder)
    eventually(has_events(chain, "before"), "events before")
    topic = next(t for t in chain.settings.topics if t.name.endswith(f".{name}"))
    chain.admin.delete_topics([topic.name])[topic.name].result(30)
    eventually(lambda: not stages[stage].is_ready(), "alone and without a partition it is not ready", SOON_S)
    chain.tail(name).close()
    del chain._tails[name]

    def made_again() -> bool:
        wish = NewTopic(topic.name, topic.partitions, 1, config=topic.config())
        return chain.admin.create_topics([wish])[topic.name].exception(30) is None

    eventually(made_again, "Kafka has deleted the topic, and makes it again")
    eventually(lambda: stages[stage].is_ready(), lambda: f"ready again:\n{stages[stage].err}", SOON_S)
    send_pictures(chain, "after", folder)
    eventually(has_events(chain, "after"), "events of frames after that", SOON_S)
    subjects = {event["subject_id"] for event in chain.events() if event["camera_id"] == "after"}
    eventually(
        lambda: all(chain.redis.exists(f"mien:{{{who}}}:state") for who in subjects), "their state", SOON_S
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_group_that_another_program_uses_is_waited_for_and_named(chain: Chain, stage: str) -> None:
    group = chain.settings.group(stage)
    other = Consumer({"bootstrap.servers": chain.bootstrap, "group.id": group, "session.timeout.ms": 6000})
    other.subscribe([f"{chain.prefix}.emotions"])
    try:
        eventually(lambda: other.poll(0.2) is None and other.assignment(), "the other program has the group")
        worker = chain.start(stage)

        def is_told() -> bool:
            other.poll(0.1)
            return group in worker.err and "another program" in worker.err

        eventually(is_told, lambda: f"which group is in use:\n{worker.err}", SOON_S)
        assert "MIEN_TOPIC_PREFIX" in worker.err
        assert "Traceback" not in worker.err
        assert not worker.is_ready()
        assert metrics_scrape.get(worker.port, "/healthz")[0] == 200
    finally:
        other.close()

    eventually(worker.is_ready, lambda: f"ready when the other has gone:\n{worker.err}", SOON_S)
    assert worker.end() == 0, worker.err


@pytest.fixture
def without_kafka(tmp_path: Path) -> Iterator[Chain]:
    (port,) = free_ports(1)
    chain = Chain(
        tmp_path,
        kafka=f"127.0.0.1:{port}",
        redis_url="redis://127.0.0.1:1/0",
        prefix=unique_prefix(),
        startup_timeout_s=120,
    )
    yield chain
    chain.close()


def test_who_waits_for_kafka_at_the_start_is_alive_and_not_ready(without_kafka: Chain) -> None:
    commands = {name: COMMANDS[name] for name in (*STAGES, "camera")}
    waiting = {name: without_kafka.start(*arguments) for name, arguments in commands.items()}
    for name, process in waiting.items():
        eventually(lambda p=process: "not ready yet" in p.err, f"{name} waits for Kafka")
    time.sleep(STALL_S + 2)  # as long as a loop must stand still to be taken for dead

    def answers(process: Process) -> tuple[int, int]:
        return metrics_scrape.get(process.port, "/healthz")[0], metrics_scrape.get(process.port, "/readyz")[0]

    assert {name: answers(process) for name, process in waiting.items()} == dict.fromkeys(waiting, (200, 503))
