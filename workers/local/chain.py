"""The whole chain on this machine, each stage and camera a process of its own: `mien demo` and `mien bench`.

stages, until all are ready → cameras → … → stop the cameras → drain: wait for the frames under way
"""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.partitioner import DefaultPartitioner

from streams import settings
from streams.errors import ServiceUnavailable
from streams.local import child_process, embedded_servers
from streams.topics import Topic
from workers.local import metrics_scrape

STAGES = ("landmarks", "classify", "state")
PAGE = "live"
STAGES_WITHOUT_FRAMES = STAGES[1:]
"""Where cameras find the faces themselves (MIEN_FRAMES=none)."""
READY_TIMEOUT_S = 90.0
DRAIN_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 15.0


class Child(NamedTuple):
    process: "subprocess.Popen[str]"
    log: Path


class Chain:
    """The processes. `servers` are the settings that lead to Kafka and Redis; the logs go to `folder`.

    Without landmarks among the `stages`, the cameras do its work.
    """

    def __init__(self, servers: Mapping[str, Any], folder: Path, stages: Sequence[str] = STAGES) -> None:
        self._settings = {**servers, "frames": "publish" if "landmarks" in stages else "none"}
        self.stages = stages
        self._folder = folder
        self._children: dict[str, Child] = {}
        self.ports: dict[str, int] = {}
        """Name → port of its metrics."""

    @contextmanager
    def running_stages(self, options: Mapping[str, Sequence[str]] | None = None) -> Iterator[None]:
        """Starts all stages, each with its `options`, waits until they are ready, and kills all at the end.

        Raises:
            ServiceUnavailable: if a stage does not get ready in time, or ends.
        """
        try:
            for name in self.stages:
                self.start(name, name, *(options or {}).get(name, ()))
            self.wait_ready(self.stages)
            yield
        finally:
            self.kill()

    def start(self, name: str, *arguments: str, **changes: str) -> None:
        """Starts `mien ARGUMENTS` on a metrics port of its own, reachable from this machine alone.

        `changes` are settings of this process alone; one that is secret belongs there, not in `arguments`.
        """
        (self.ports[name],) = child_process.free_ports(1)
        log = self._folder / f"{name}.log"
        with log.open("w") as stderr:
            process = child_process.start(
                [sys.executable, "-m", "workers.cli", *arguments],
                env=settings.child_environment(
                    **(self._settings | changes), metrics_host="127.0.0.1", metrics_port=self.ports[name]
                ),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._children[name] = Child(process, log)

    def start_camera(self, camera_id: str, source: str, *options: str) -> int:
        """Starts a camera of that name that repeats its source; returns the number of its first frame."""
        # Numbers that go on where an earlier start's ended: the state is fenced by them.
        first_seq = time.time_ns() // 1_000_000
        how = ["--first-seq", str(first_seq), "--repeat", "--json"]
        self.start(camera_id, "camera", "--camera", camera_id, *how, *options, camera_source=source)
        return first_seq

    def start_page(self, port: int, *, frames: bool = False) -> str:
        """Starts `mien live`, on another port where somebody listens on this one; its address.

        With `frames` it shows pictures.
        """
        if port == 0 or not child_process.can_listen(port):
            (port,) = child_process.free_ports(1)
        changes = {"live_host": "127.0.0.1", "live_port": str(port), "live_frames": str(frames)}
        self.start(PAGE, PAGE, **changes)
        return f"http://localhost:{port}"

    @property
    def cameras(self) -> list[str]:
        """The names of all that are neither stages nor the page."""
        return [name for name in self._children if name not in (*STAGES, PAGE)]

    @property
    def pids(self) -> dict[str, int]:
        """Name → process id."""
        return {name: child.process.pid for name, child in self._children.items()}

    def wait_ready(self, names: Iterable[str]) -> None:
        """Returns when all of them say that they are ready.

        Raises:
            ServiceUnavailable: if one is not in time, or ends.
        """
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        for name in names:
            while (answer := metrics_scrape.get(self.ports[name], "/readyz"))[0] != 200:
                self.check()
                if time.monotonic() > deadline_s:
                    raise ServiceUnavailable(
                        f"The stage {name} is not ready after {READY_TIMEOUT_S:.0f} s: {answer[1].strip()}"
                    )
                time.sleep(0.1)

    def waiting_cameras(self) -> dict[str, str]:
        """Camera → what it waits for, of those that are not ready."""
        answers = {name: metrics_scrape.get(self.ports[name], "/readyz") for name in self.cameras}
        return {name: text.strip() for name, (status, text) in answers.items() if status not in (0, 200)}

    def check(self) -> None:
        """Looks whether all run that should.

        Raises:
            ServiceUnavailable: if one has ended; a camera may, but without an error.
        """
        for name, child in self._children.items():
            code = child.process.poll()
            if code or (code is not None and name in (*STAGES, PAGE)):  # a camera's source may have an end
                raise ServiceUnavailable(f"`mien {name}` ended with code {code}:\n{self.log_tail(name)}")

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self._children[name].log.read_text().splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Sends the signal to all processes."""
        for child in self._children.values():
            child.process.send_signal(number)

    def stop(self, *names: str) -> dict[str, str]:
        """Sends SIGTERM, waits, and kills what does not end; returns what each wrote to stdout."""
        for name in names:
            self._children[name].process.send_signal(signal.SIGTERM)
        outputs = {}
        for name in names:
            process = self._children[name].process
            try:
                outputs[name] = process.communicate(timeout=STOP_TIMEOUT_S)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                outputs[name] = process.communicate()[0]
        return outputs

    def stop_cameras(self) -> Counter[str]:
        """Stops all cameras; returns how many of their frames had which outcome, ``published`` the good."""
        outcomes: Counter[str] = Counter()
        for name, output in self.stop(*self.cameras).items():
            if output.strip():
                outcomes.update(json.loads(output))
            del self._children[name]
        return outcomes

    def drain(
        self, stage: str, metric: str, frames: int, done: Callable[[Counter[str]], int] = Counter.total
    ) -> Counter[str]:
        """Waits, not for ever, until a stage has had so many frames.

        Returns its counter `metric` by the label ``outcome``; `done` says how many frames that is.
        """
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while True:
            outcomes = metrics_scrape.totals(self.ports[stage], metric, "outcome")
            if done(outcomes) >= frames or time.monotonic() > deadline_s:
                return outcomes
            time.sleep(0.1)

    def kill(self) -> None:
        """Ends all at once."""
        for child in self._children.values():
            child.process.kill()
            child.process.wait()
            if child.process.stdout:
                child.process.stdout.close()


@contextmanager
def embedded_kafka(topics: Iterable[Topic]) -> Iterator[dict[str, Any]]:
    """An embedded broker with these topics, as settings."""
    with embedded_servers.broker(*topics) as address:
        yield {
            "kafka_bootstrap_servers": address,
            "kafka_fetch_max_wait_ms": embedded_servers.FETCH_MAX_WAIT_MS,
        }


def one_camera_a_partition(partitions: int, name: str) -> list[str]:
    """Camera ids NAME-1, NAME-2 …, of which Kafka's default partitioner puts one into each partition."""
    everything = list(range(partitions))
    found: dict[int, str] = {}
    for number in count(1):
        camera_id = f"{name}-{number}"
        found.setdefault(DefaultPartitioner()(camera_id.encode(), everything, everything), camera_id)
        if len(found) == partitions:
            break
    return list(found.values())
