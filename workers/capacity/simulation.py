"""The chain as queues, event by event (SimPy): what waits where, how old frames are, what is dropped.

    cameras, each at its own moment → partition of its id → landmarks worker: first come, first served, one
    frame at a time; a frame older than `MAX_AGE_S` is dropped → classify → state

A stage takes all that waits at once, and holds back before it asks again as long as it would in truth
(``workers.stages.fetch_gathering``): that is most of a frame's age on a busy chain. A service takes the CPU
time that was measured, a fifth more or less (lognormal), and a core while it lasts, where there are fewer
cores than processes. Pure but for its seed.
"""

from collections import defaultdict
from collections.abc import Generator
from typing import Any, Final, NamedTuple

import numpy as np
import simpy
from aiokafka.partitioner import DefaultPartitioner

from workers.capacity.plan import Needs
from workers.capacity.service_times import ServiceTimes
from workers.stages.fetch_gathering import GATHER_BYTES, GATHER_FROM_PER_S, GATHER_S, MessageRate

MAX_AGE_S: Final = 2.0
"""MIEN_MAX_FRAME_AGE_MS."""
SPREAD: Final = 0.2
"""Of service times, standard deviation of the logarithm."""
BATCH_MAX: Final = 64
AHEAD_MAX: Final = 80
"""Frames that a lossless camera may be ahead of its worker: about 3 MiB."""
SENT_TOGETHER: Final = 3
"""Frames whose faces landmarks sends in one request."""

_partition_of = DefaultPartitioner()

Process = Generator[Any, Any, None]


class Load(NamedTuple):
    """What comes in, and who works on it."""

    cameras: int
    fps: float
    faces: float
    partitions: int
    workers: int
    """Of landmarks."""
    others: int = 1
    """Workers of classify, and of state."""
    cores: int | None = None
    """None: as many as there are processes."""
    saturated: bool = False
    """Every worker always has frames, as with lossless cameras that send as fast as they can."""


class Outcome(NamedTuple):
    """What came of it, after the first tenth of the time."""

    frames_per_s: float
    """Through all stages."""
    stale: float
    """Share of the frames that were dropped as too old."""
    age_p50_ms: float
    age_p99_ms: float
    busiest: float
    """Share of the time in which the busiest landmarks worker works."""


class _Chain:
    def __init__(self, load: Load, times: ServiceTimes, seconds: float, seed: int) -> None:
        self.load, self.seconds = load, seconds
        cost = times.of(load.faces)
        self.cost = cost.cpu_ms
        self.bytes = {
            "landmarks": cost.jpeg_bytes, "classify": cost.landmarks_bytes, "state": cost.events_bytes,
        }  # fmt: skip
        self.hop_s = times.hop_ms / 1000
        self.rng = np.random.default_rng(seed)
        self.env = simpy.Environment()
        self.cores = simpy.Resource(self.env, capacity=load.cores or 10**6)
        self.waiting = [simpy.Store(self.env) for _ in range(load.workers)]
        self.faces: simpy.Store = simpy.Store(self.env)
        self.events: simpy.Store = simpy.Store(self.env)
        self.ages_s: list[float] = []
        self.stale = self.seen = 0
        self.busy_s: dict[int, float] = defaultdict(float)
        self.ahead: dict[int, int] = defaultdict(int)
        """Frames that were taken and not begun, by worker."""
        self.warm_s = seconds / 10

    def run(self) -> Outcome:
        env, load = self.env, self.load
        everything = list(range(load.partitions))
        for number in range(load.cameras):
            partition = _partition_of(f"camera-{number}".encode(), everything, everything)
            env.process(self._camera(partition % load.workers))
        for worker in range(load.workers):
            env.process(self._landmarks(worker))
        for _ in range(load.others):
            env.process(self._batches(self.faces, "classify", self.events))
            env.process(self._batches(self.events, "state", None))
        env.run(until=self.seconds)
        measured_s = self.seconds - self.warm_s
        ages = np.array(self.ages_s or [np.nan])
        p50, p99 = (1000 * np.percentile(ages, [50, 99])).tolist()
        return Outcome(
            len(self.ages_s) / measured_s,
            self.stale / max(1, self.seen),
            p50,
            p99,
            max(self.busy_s.values(), default=0.0) / measured_s,
        )

    def _camera(self, worker: int) -> Process:
        interval_s = 1 / self.load.fps
        yield self.env.timeout(self.rng.uniform(0, interval_s))
        while True:
            if self.load.saturated and self.ahead[worker] > AHEAD_MAX:
                yield self.env.timeout(interval_s)
                continue
            taken_s = self.env.now
            self.ahead[worker] += 1
            yield from self._work("camera")
            self.env.process(self._arrive(taken_s, worker))
            yield self.env.timeout(
                max(0.0, taken_s + interval_s * self.rng.uniform(0.98, 1.02) - self.env.now)
            )

    def _arrive(self, taken_s: float, worker: int) -> Process:
        yield from self._work("kafka")
        yield self.waiting[worker].put(taken_s)

    def _landmarks(self, worker: int) -> Process:
        source, rate, done = self.waiting[worker], MessageRate(0.0), list[float]()
        while True:
            answer = yield from self._answer(source)
            asked_s = self.env.now
            rate.took(len(answer), asked_s)
            for place, taken_s in enumerate(answer, start=1):
                self.ahead[worker] -= 1
                counts = self.env.now >= self.warm_s
                self.seen += counts
                if not self.load.saturated and self.env.now - taken_s > MAX_AGE_S:
                    self.stale += counts
                    continue
                began_s = self.env.now
                yield from self._work("landmarks")
                if counts:
                    self.busy_s[worker] += self.env.now - began_s
                done.append(taken_s)
                if len(done) == SENT_TOGETHER or place == len(answer):
                    for one in done:
                        yield self.faces.put(one)
                    done = []
            yield from self._hold_back("landmarks", rate, len(answer), asked_s)

    def _batches(self, source: simpy.Store, stage: str, then: simpy.Store | None) -> Process:
        """Takes all that waits, and sends it on a batch at a time."""
        rate = MessageRate(0.0)
        while True:
            answer = yield from self._answer(source)
            asked_s = self.env.now
            rate.took(len(answer), asked_s)
            for start in range(0, len(answer), BATCH_MAX):
                batch = answer[start : start + BATCH_MAX]
                yield from self._work(stage, len(batch))
                if then is None:
                    yield from self._work("redis", len(batch))
                for taken_s in batch:
                    if then is not None:
                        yield then.put(taken_s)
                    elif self.env.now >= self.warm_s:
                        self.ages_s.append(self.env.now - taken_s)
            yield from self._hold_back(stage, rate, len(answer), asked_s)

    def _answer(self, source: simpy.Store) -> Generator[Any, Any, list[float]]:
        """What waits, when its reader has it; at least one."""
        answer = [(yield source.get())]
        yield self.env.timeout(self.hop_s)
        while source.items:
            answer.append((yield source.get()))
        return answer

    def _hold_back(self, stage: str, rate: MessageRate, count: int, asked_s: float) -> Process:
        if rate.per_s > GATHER_FROM_PER_S and count * self.bytes[stage] < GATHER_BYTES:
            yield self.env.timeout(max(0.0, asked_s + GATHER_S - self.env.now))

    def _work(self, process: str, frames: int = 1) -> Process:
        mean_s = frames * self.cost[process] / 1000
        with self.cores.request() as core:
            yield core
            yield self.env.timeout(mean_s * self.rng.lognormal(-(SPREAD**2) / 2, SPREAD))


def simulate(load: Load, times: ServiceTimes, *, seconds: float = 30.0, seed: int = 1) -> Outcome:
    """Runs the chain for so long, simulated."""
    return _Chain(load, times, seconds, seed).run()


def load_of(plan: Needs, cameras: int, fps: float, faces: float) -> Load:
    """The load of an installation as planned."""
    others = max(plan.workers["classify"], plan.workers["state"])
    return Load(cameras, fps, faces, plan.partitions, plan.workers["landmarks"], others)
