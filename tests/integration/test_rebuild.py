"""Redis loses the state: it is made again from Kafka's log, byte for byte, by itself and by hand."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Producer
from harness import Chain, Process, eventually, the_line

from streams.local import child_process
from streams.local.embedded_servers import redis_server_binary
from streams.messages import emotion_event
from streams.messages.emotion_event import EMOTIONS, EmotionEvent
from workers.local import metrics_scrape

Make = Callable[..., EmotionEvent]
State = dict[str, tuple[Any, Any]]
T0_US = 1_764_000_000_000_000
CAMERAS = ("door", "hall", "yard")


def send(chain: Chain, make_event: Make, seqs: range) -> None:
    """So many events of each camera, every other one twice, and an event that is none."""
    producer = Producer({"bootstrap.servers": chain.bootstrap})
    for seq in seqs:
        for camera in CAMERAS:
            event = make_event(
                camera_id=camera,
                subject_id=f"{camera}:abcd2345",
                run=T0_US,
                frame_seq=seq,
                captured_at=emotion_event.time_of(T0_US + seq * 100_000),
                p={"neutral": 0.2, EMOTIONS[seq // 7 % 8]: 0.8},
            )
            key, value, headers = emotion_event.encode(event)
            for _ in range(1 + seq % 2):
                producer.produce(f"{chain.prefix}.emotions", value, key, headers=headers)
    producer.produce(f"{chain.prefix}.emotions", b"none", b"door:abcd2345")
    assert producer.flush(30) == 0


def state(chain: Chain) -> State:
    """All that Redis has of every subject, as bytes."""
    found = {}
    for camera in CAMERAS:
        keys = [f"mien:{{{camera}:abcd2345}}:{kind}" for kind in ("state", "window")]
        found[camera] = chain.redis.hgetall(keys[0]), chain.redis.zrange(keys[1], 0, -1, withscores=True)
    return found


def whole(chain: Chain, seqs: range) -> State:
    """The state, once it has all events."""
    count = str(len(seqs)).encode()

    def is_whole() -> bool:
        return all(fields.get(b"events") == count for fields, _ in state(chain).values())

    eventually(is_whole, lambda: f"{len(seqs)} events in each of {state(chain)}")
    return state(chain)


def rebuilds(worker: Process) -> float:
    name = "mien_state_rebuilds_total"
    return sum(each.value for each in metrics_scrape.samples(worker.port) if each.name == name)


def test_what_is_flushed_is_made_again_while_workers_go_on(chain: Chain, make_event: Make) -> None:
    workers = chain.start_stages("state", "state")
    send(chain, make_event, range(300))
    before = whole(chain, range(300))
    chain.redis.flushdb()
    eventually(lambda: state(chain) == before, "the state is as it was")

    chain.redis.flushdb()
    send(chain, make_event, range(300, 400))  # they go on in an empty Redis
    after = whole(chain, range(400))
    for worker in workers:
        worker.end()

    chain.redis.flushdb()
    status, out, err = chain.run("rebuild", "--json")
    assert status == 0, err
    done = json.loads(out)
    assert state(chain) == after
    assert done.pop("seconds") < 60
    assert done == {
        "events_read": 3 * 600 + 2,
        "events_applied": 3 * 400,
        "replaced": 3,
        "left": 0,
    }
    assert [key for key in chain.redis.keys("*") if b"." in key] == []


def test_a_worker_that_finds_redis_empty_makes_the_state_again_and_others_do_not(
    chain: Chain, make_event: Make
) -> None:
    (worker,) = chain.start_stages("state")
    send(chain, make_event, range(50))
    before = whole(chain, range(50))
    worker.end()
    chain.redis.flushdb()

    first = chain.start("state").wait_ready()
    eventually(lambda: state(chain) == before, "the state is as it was")
    eventually(lambda: rebuilds(first) == 1, "one rebuild")
    second = chain.start("state").wait_ready()
    send(chain, make_event, range(50, 60))
    whole(chain, range(60))
    assert (rebuilds(first), rebuilds(second)) == (1, 0)


class SnapshotRedis:
    """A redis-server that keeps only what was saved by hand."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = child_process.free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        self._process = child_process.start([str(redis_server_binary()), *options], stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            eventually(lambda: answers(client), "redis-server answers")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def snapshot_redis(tmp_path: Path) -> Iterator[SnapshotRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = SnapshotRedis(folder)
    yield server
    server.kill()
    shutil.rmtree(folder)


def test_a_redis_that_comes_back_as_it_was_earlier_is_made_up_for(
    make_chain: Callable[..., Chain], make_event: Make, snapshot_redis: SnapshotRedis
) -> None:
    """As a replica does that takes over without the last writes: what it lacks, no replay would bring."""
    chain = make_chain(redis_url=snapshot_redis.url)
    (worker,) = chain.start_stages("state")
    send(chain, make_event, range(40))
    whole(chain, range(40))
    chain.redis.save()
    send(chain, make_event, range(40, 80))
    before = whole(chain, range(80))
    snapshot_redis.kill()
    snapshot_redis.start()
    assert state(chain) != before

    eventually(lambda: state(chain) == before, "the state is as it was")
    assert worker.running
    send(chain, make_event, range(80, 90))
    whole(chain, range(90))


def test_it_needs_kafka_and_redis_and_says_so(chain: Chain) -> None:
    for changes in (
        {"redis_url": "redis://127.0.0.1:1/0"},
        {"kafka_bootstrap_servers": "127.0.0.1:1"},
        {"topic_prefix": "nobodys"},
    ):
        status, out, err = chain.run("rebuild", **changes)
        assert (status, out) == (69, "")
        assert the_line(err)
