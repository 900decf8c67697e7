"""Stages and servers die and come back while frames flow: nothing is lost, nothing counts twice."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from harness import Chain, Process, assert_nothing_lost, eventually

from streams.local import child_process
from streams.local.embedded_servers import redis_server_binary
from streams.local.kafka_server import KafkaServer
from workers.camera.backpressure import UNREAD_BYTES_MAX
from workers.local.chain import STAGES

FPS = 8
PICTURES = 118  # there and back: the face does not jump when it starts again
HELD = "held"
OTHER = "other"


def start_camera(chain: Chain, camera: str, folder: Path) -> Process:
    """A lossless camera that sends until it is told to stop."""
    options = ["--source", str(folder), "--lossless", "--repeat", "--fps", str(FPS), "--json"]
    return chain.start("camera", "--id", camera, *options)


def flows_on(chain: Chain, camera: str, frames: int = 10) -> None:
    """Returns when so many more frames of the camera have an event."""
    chain.frames()  # they are deleted after a minute
    before = len(chain.seen().get(camera, ()))
    eventually(lambda: len(chain.seen().get(camera, ())) >= before + frames, f"new events of {camera}")


def test_no_stage_that_dies_or_is_stopped_loses_or_repeats_anything(
    chain: Chain, pictures: Callable[[int], Path]
) -> None:
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    folder = pictures(PICTURES)
    camera, other = start_camera(chain, HELD, folder), start_camera(chain, OTHER, folder)
    flows_on(chain, HELD)
    flows_on(chain, OTHER)

    for name in STAGES:
        assert stages[name].end(signal.SIGKILL) == -signal.SIGKILL
        stages[name] = chain.start(name)
        flows_on(chain, HELD)
    for name in STAGES:
        assert stages[name].end(signal.SIGTERM) == 0, stages[name].err
        assert "Traceback" not in stages[name].err, stages[name].err
        stages[name] = chain.start(name)
        flows_on(chain, HELD)

    other.end(signal.SIGKILL)
    flows_on(chain, HELD)
    assert camera.running
    assert camera.end(signal.SIGTERM) == 0, camera.err
    published = json.loads(camera.out)["published"]
    assert chain.frames()[HELD] == set(range(published))
    assert_nothing_lost(chain)


@pytest.fixture
def own_kafka(lib_dir: Path) -> Iterator[KafkaServer]:
    """One that may be killed."""
    with KafkaServer(short_lived=True, lib_dir=lib_dir) as server:
        yield server


class OwnRedis:
    """A redis-server that writes down everything before it answers, so that it can come back as it was."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = child_process.free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "",
                   "--appendonly", "yes", "--appendfsync", "always"]  # fmt: skip
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
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = OwnRedis(folder)
    yield server
    server.kill()
    shutil.rmtree(folder)


def test_a_dead_kafka_and_a_dead_redis_are_waited_for(
    make_chain: Callable[..., Chain],
    own_kafka: KafkaServer,
    own_redis: OwnRedis,
    pictures: Callable[[int], Path],
) -> None:
    chain = make_chain(kafka=own_kafka.bootstrap, redis_url=own_redis.url)
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    camera = start_camera(chain, HELD, pictures(PICTURES))
    live = chain.start("camera", "--id", "live", "--source", "demo:calm", "--fps", "4", "--json")
    flows_on(chain, HELD)
    flows_on(chain, "live", 2)

    own_redis.kill()
    flows_on(chain, HELD)  # the stages before it do not mind
    eventually(lambda: not stages["state"].is_ready(), "the state stage says that it is not ready")
    own_redis.start()
    eventually(lambda: stages["state"].is_ready(), "the state stage is ready again")

    own_kafka.kill()
    eventually(lambda: "frame not delivered" in camera.err, "the camera notices")
    own_kafka.restart()
    flows_on(chain, HELD)
    flows_on(chain, "live", 2)

    assert all(process.running for process in chain.processes)
    for process in (live, camera):
        assert process.end() == 0, process.err
    published = json.loads(camera.out)["published"]
    assert chain.frames()[HELD] == set(range(published))
    assert_nothing_lost(chain, "live")
    for process in stages.values():
        assert process.end() == 0, process.err


def test_stages_and_a_lossless_camera_can_be_stopped_while_kafka_is_away(
    make_chain: Callable[..., Chain], own_kafka: KafkaServer, pictures: Callable[[int], Path]
) -> None:
    chain = make_chain(kafka=own_kafka.bootstrap)
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    camera = start_camera(chain, HELD, pictures(PICTURES))
    flows_on(chain, HELD)

    own_kafka.kill()
    eventually(lambda: "frame not delivered yet" in camera.err, "the camera notices")

    assert camera.end() == 0, camera.err
    assert json.loads(camera.out)["undelivered"] >= 1
    for process in stages.values():
        assert process.end() in (0, 69), process.err  # 69: it had a batch in hand
        assert "Traceback" not in process.err, process.err


def test_a_lossless_camera_that_nobody_reads_can_be_stopped(
    chain: Chain, pictures: Callable[[int], Path]
) -> None:
    options = ["--source", str(pictures(60)), "--lossless", "--as-fast-as-possible", "--repeat", "--json"]
    camera = chain.start("camera", "--id", HELD, *options)
    published = chain.tail("frames")
    eventually(
        lambda: sum(len(message.value()) for message in published.poll()) > UNREAD_BYTES_MAX,
        "it is as far ahead as it may be",
    )
    assert len(published.messages) > 60
    assert camera.running

    assert camera.end() == 0, camera.err
    assert json.loads(camera.out)["published"] == len(published.poll())
