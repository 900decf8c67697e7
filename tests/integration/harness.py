"""Mien's commands as their own processes, and what a stranger sees of them in Kafka and Redis."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.local import child_process
from streams.settings import Settings, child_environment
from workers.local import metrics_scrape

DEADLINE_S = 90.0
"""How long the tests wait for what must come; generous, because the processors are shared."""
SASL = ("mien", "right-1")
"""User and password of the Kafka that asks for them."""

COMMANDS = {
    "camera": ["camera", "--id", "a", "--source", "demo:calm"],
    "topics": ["topics"],
    "landmarks": ["landmarks"],
    "classify": ["classify"],
    "state": ["state"],
    "demo": ["demo", "--seconds", "5"],
}
"""What needs Kafka, with the options that it cannot do without."""

T = TypeVar("T")


def lacks(reason: object) -> None:
    """Skips the test, or fails it in CI."""
    if os.environ.get("CI"):
        pytest.fail(str(reason))
    pytest.skip(str(reason))


def command(name: str) -> str:
    """The path of a Debian package's command; a skip without it, but never in CI."""
    found = shutil.which(name)
    if found is None:
        lacks(f"{name} is not installed: `make servers` installs it")
    return str(found)


def unique_prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


def eventually(look: Callable[[], T], what: str | Callable[[], str], deadline_s: float = DEADLINE_S) -> T:
    """The first true answer of ``look``; fails when none came in time."""
    until_s = time.monotonic() + deadline_s
    while True:
        if answer := look():
            return answer
        assert time.monotonic() < until_s, (
            f"not within {deadline_s:.0f} s: {what() if callable(what) else what}"
        )
        time.sleep(0.2)


def the_line(err: str) -> str:
    """What the command says to the user, among the lines of its log."""
    assert "Traceback" not in err, err
    lines = [line for line in err.splitlines() if line.startswith("mien: ")]
    assert len(lines) == 1, err
    return lines[0]


class Process:
    """One `mien` command."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        folder: Path,
        port: int,
        python: str = sys.executable,
    ) -> None:
        self.port = port
        self.folder = folder
        self._out, self._err = folder / f"{port}.out", folder / f"{port}.err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.popen = child_process.start(
                [python, "-m", "workers.cli", *arguments],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=err,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def is_ready(self) -> bool:
        assert self.running, f"ended with {self.popen.returncode}:\n{self.err}"
        return metrics_scrape.get(self.port, "/readyz")[0] == 200

    def wait_ready(self) -> "Process":
        eventually(self.is_ready, lambda: f"ready; its log:\n{self.err}")
        return self

    def totals(self, metric: str, label: str) -> Counter[str]:
        return metrics_scrape.totals(self.port, metric, label)

    def partitions(self) -> set[int]:
        """Those whose lag it watches: its assignment, a moment ago."""
        return {
            int(s.labels["partition"])
            for s in metrics_scrape.samples(self.port)
            if s.name == "mien_consumer_lag"
        }

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Its exit status."""
        try:
            return self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs; its log:\n{self.err}") from None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and waits; its exit status."""
        self.popen.send_signal(number)
        return self.wait()


class Tail:
    """All messages of one topic, from its first on, kept as they come."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "tests",  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
                "fetch.message.max.bytes": 8 * 1024 * 1024,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._places = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)]
        self._consumer.assign(self._places)
        self._next = [0] * partitions
        self.messages: list[Message] = []

    def poll(self) -> list[Message]:
        """All messages until now. Frames are deleted after a minute: poll more often than that."""
        bounds = eventually(self._bounds, "first and last offsets")
        self._next = [max(at, low) for at, (low, _) in zip(self._next, bounds, strict=True)]
        ends = [high for _, high in bounds]
        until_s = time.monotonic() + DEADLINE_S
        while any(at < end for at, end in zip(self._next, ends, strict=True)):
            assert time.monotonic() < until_s, f"read {self._next} of {ends} in {self._places[0].topic}"
            for message in self._consumer.consume(500, timeout=0.2):
                if message.error() is None:
                    self.messages.append(message)
                    self._next[message.partition()] = message.offset() + 1
        return self.messages

    def _bounds(self) -> list[tuple[int, int]]:
        """First and next offset of each partition; none while Kafka does not answer, or is just back."""
        try:
            return [self._consumer.get_watermark_offsets(place, timeout=30) for place in self._places]
        except KafkaException:
            return []

    def close(self) -> None:
        self._consumer.close()


class Chain:
    """Topics, group and Redis database of one test, and the processes that work on them."""

    def __init__(
        self, folder: Path, *, kafka: str, redis_url: str, prefix: str, partitions: int = 4, **changes: Any
    ) -> None:
        self.folder = folder
        self.bootstrap = kafka
        self.prefix = prefix
        self.partitions = partitions
        self.variables = {
            "kafka_bootstrap_servers": kafka,
            "redis_url": redis_url,
            "topic_prefix": prefix,
            "topic_partitions": partitions,
            "kafka_session_timeout_s": 6,  # the least that Kafka allows
            "metrics_host": "127.0.0.1",
        } | changes
        self.settings = Settings(**self.variables)
        self.admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        self.redis_url = redis_url
        self.redis = redis.Redis.from_url(redis_url)
        self.processes: list[Process] = []
        self.python = sys.executable
        self._tails: dict[str, Tail] = {}

    def create_topics(self) -> None:
        topics = self.settings.topics
        futures = self.admin.create_topics(
            [NewTopic(t.name, t.partitions, 1, config=t.config()) for t in topics]
        )
        for future in futures.values():
            future.result(30)

    def environment(self, **changes: Any) -> dict[str, str]:
        # One thread a process: several at once would only wait for one another here.
        return child_environment(**(self.variables | changes)) | {"OMP_NUM_THREADS": "1"}

    def start(self, *arguments: str, **changes: Any) -> Process:
        """`mien ARGUMENTS`, on a metrics port of its own, with these settings."""
        (port,) = child_process.free_ports(1)
        environment = self.environment(metrics_port=port, **changes)
        process = Process(list(arguments), environment, self.folder, port, self.python)
        self.processes.append(process)
        return process

    def start_stages(self, *names: str) -> list[Process]:
        started = [self.start(name) for name in names]
        return [process.wait_ready() for process in started]

    def run(self, *arguments: str, **changes: Any) -> tuple[int, str, str]:
        """Status, stdout and stderr of a command that ends by itself."""
        process = self.start(*arguments, **changes)
        status = process.wait()
        return status, process.out, process.err

    def tail(self, name: str, partitions: int | None = None) -> Tail:
        """Of the topic ``PREFIX.NAME``."""
        if name not in self._tails:
            topic = f"{self.prefix}.{name}"
            self._tails[name] = Tail(self.bootstrap, topic, partitions or self.partitions)
        return self._tails[name]

    def frames(self) -> dict[str, set[int]]:
        """Camera → numbers of all frames that Kafka took."""
        found = defaultdict(set)
        for message in self.tail("frames").poll():
            found[message.key().decode()].add(int(dict(message.headers())["seq"]))
        return dict(found)

    def events(self) -> list[dict[str, Any]]:
        """The values of all emotion events, in the order of each partition."""
        return [json.loads(message.value()) for message in self.tail("emotions").poll()]

    def seen(self) -> dict[str, set[int]]:
        """Camera → numbers of the frames that have an event."""
        found = defaultdict(set)
        for event in self.events():
            found[event["camera_id"]].add(event["frame_seq"])
        return dict(found)

    def subjects(self) -> list[dict[str, Any]]:
        status, out, err = self.run("subjects", "--json")
        assert status == 0, err
        return list(msgspec.json.decode(out))

    def dead_letters(self) -> list[Message]:
        return self.tail("dead-letters", partitions=1).poll()

    def send(
        self, topic: str, key: bytes | None, value: bytes, headers: dict[str, str] | None = None
    ) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "message.max.bytes": 8 * 1024 * 1024})
        problems = []
        producer.produce(
            f"{self.prefix}.{topic}",
            value,
            key,
            headers={name: text.encode() for name, text in (headers or {}).items()},
            on_delivery=lambda error, _message: problems.append(error),
        )
        assert producer.flush(30) == 0
        assert problems == [None]

    def close(self) -> None:
        for process in self.processes:
            if process.running:
                process.popen.kill()
            process.popen.wait()
        for tail in self._tails.values():
            tail.close()
        self.redis.close()


def assert_nothing_lost(chain: Chain, *live: str) -> None:
    """Every frame that Kafka took has its event, each event one id, and Redis has counted each once.

    Call it when no camera sends any more. ``live`` cameras may lack events: their old frames are dropped.
    """
    frames = {camera: seqs for camera, seqs in chain.frames().items() if camera not in live}
    assert frames
    eventually(
        lambda: not lacking(chain, frames),
        lambda: f"an event for each frame; lacking: {lacking(chain, frames)}",
    )
    by_subject: dict[str, set[int]] = defaultdict(set)
    ids: dict[tuple[str, int], str] = {}
    for event in chain.events():
        by_subject[event["subject_id"]].add(event["frame_seq"])
        assert (
            ids.setdefault((event["subject_id"], event["frame_seq"]), event["event_id"]) == event["event_id"]
        )
    assert len(set(ids.values())) == len(ids)
    expected = {who: (max(seqs), len(seqs)) for who, seqs in by_subject.items()}

    def state() -> dict[str, tuple[int, int]]:
        return {who: kept(chain, who) for who in by_subject}

    eventually(lambda: state() == expected, lambda: f"Redis: {state()}, expected {expected}")


def lacking(chain: Chain, frames: dict[str, set[int]]) -> dict[str, list[int]]:
    seen = chain.seen()
    without = {camera: sorted(seqs - seen.get(camera, set())) for camera, seqs in frames.items()}
    return {camera: seqs for camera, seqs in without.items() if seqs}


def kept(chain: Chain, subject: str) -> tuple[int, int]:
    """Last frame and number of events that Redis has of a subject; zeros if it knows nothing of it."""
    last, count = chain.redis.hmget(f"mien:{{{subject}}}:state", "frame_seq", "events")
    return int(last or 0), int(count or 0)


def children(pid: int) -> set[int]:
    """Ids of the living processes that this one has started (Linux)."""
    return {child for child, parent in _processes().items() if parent == pid}


def living(pids: set[int]) -> set[int]:
    return pids & _processes().keys()


def _processes() -> dict[int, int]:
    """Id → parent of all processes that did not end yet. Source: man 5 proc_pid_stat."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has just ended
        if state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found
