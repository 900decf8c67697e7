"""The row `pipeline` of `mien bench`: frames per second per core, from picture files to Redis.

The chain is the real one: embedded broker and Redis, two lossless file cameras as fast as the stages take
their frames, every stage a process. It takes turns with the bare library loop: while one is measured, the
other is stopped (SIGSTOP), so they do not compete.

    start → warm up → (chain runs → chain paused, loop runs) × rounds → cameras stop, chain drains → count
"""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import redis
import simplejpeg
from rich.console import Console

from models.faces import EYE_CORNERS
from models.reference import FaceMeshReference
from streams import embedded
from streams.settings import Settings
from workers import demo, loading, scrape
from workers.bench_rows import FRAMES, frames, jpegs
from workers.demo import DRAIN_TIMEOUT_S, STAGES, Chain
from workers.measure import Comparison, Cost, Side, cost_of

CAMERAS = ("bench-1", "bench-2")
"""Their frames fall into different partitions of the embedded broker's four."""
SIZE_PX = (640, 480)
CHAIN_ROUND_S = 2.0
"""Longer than the second between two commits, by which a lossless camera is held back."""
LOOP_ROUND_S = 1.0
"""Shorter than the time after which Kafka gives up a member that is paused."""
WARM_UP_S = 3.0
SETTLE_S = 0.3
LATENCY_FPS = 10.0
LATENCY_MIN_S = 5.0


def pipeline(settings: Settings, seconds: float) -> list[Comparison]:
    """The whole chain beside one process that decodes, runs FaceMesh and ONNX Runtime, and does no more."""
    rounds = max(2, round(seconds / CHAIN_ROUND_S))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        pictures = folder / "pictures"
        pictures.mkdir()
        for number, jpeg in enumerate(jpegs(SIZE_PX, FRAMES)):
            (pictures / f"{number}.jpg").write_bytes(jpeg)
        chain = stack.enter_context(_running_chain(settings, folder, pictures))
        loop = stack.enter_context(_library_loop(settings))
        time.sleep(WARM_UP_S)
        chain.check()
        costs: dict[str, list[Cost]] = {"chain": [], "loop": []}
        spent: list[dict[str, float]] = []
        for _ in range(rounds):
            cost, by_process = _measure_chain(chain)
            costs["chain"].append(cost)
            spent.append(by_process)
            with chain.paused():
                calls = max(1, round(LOOP_ROUND_S * 1000 / cost_of(loop, 10).wall_ms))
                costs["loop"].append(cost_of(loop, calls))
            time.sleep(SETTLE_S)
        details = _drain(chain)
    cpu_ms = {name: round(float(np.median([s[name] for s in spent])), 3) for name in spent[0]}
    without_cameras = float(np.median([sum(s.values()) - s["cameras"] for s in spent]))
    case = f"{SIZE_PX[0]}x{SIZE_PX[1]}, {len(CAMERAS)} file cameras, 1 face"
    return [
        Comparison.of(
            "pipeline",
            case,
            Side.of(
                "camera → Kafka → … → Redis",
                costs["chain"],
                **_rates(costs["chain"]),
                frames_per_cpu_s_without_cameras=1000 / without_cameras,
                cpu_ms_per_frame=cpu_ms,
                **details,
                **_latency(settings, seconds),
            ),
            Side.of("simplejpeg + FaceMesh + ONNX Runtime", costs["loop"], **_rates(costs["loop"])),
        )
    ]


def _rates(costs: list[Cost]) -> dict[str, float]:
    return {
        "frames_per_s": 1000 / float(np.median([cost.wall_ms for cost in costs])),
        "frames_per_cpu_s": 1000 / float(np.median([cost.cpu_ms for cost in costs])),
    }


class MeasuredChain(Chain):
    """The demo's chain, with its processes' costs, and a pause."""

    redis_pid: int = 0

    def pids(self) -> dict[str, int]:
        return {name: child.process.pid for name, child in self._children.items()} | {"redis": self.redis_pid}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops all stages and cameras for so long, but not the servers."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children.values():
            child.process.send_signal(number)


@contextmanager
def _running_chain(settings: Settings, folder: Path, pictures: Path) -> Iterator[MeasuredChain]:
    with embedded.broker(*settings.topics) as address, embedded.redis_server() as redis_url:
        servers: dict[str, Any] = {
            "kafka_bootstrap_servers": address,
            "kafka_fetch_max_wait_ms": embedded.FETCH_MAX_WAIT_MS,
            "redis_url": redis_url,
        }
        chain = MeasuredChain(servers, folder)
        try:
            with redis.Redis.from_url(redis_url) as client:
                chain.redis_pid = int(client.info("server")["process_id"])
            for name in STAGES:
                chain.start(name, name)
            chain.wait_ready(STAGES)
            for camera_id in CAMERAS:
                options = ["--lossless", "--as-fast-as-possible", "--repeat", "--json"]
                chain.start(camera_id, "camera", "--id", camera_id, "--source", str(pictures), *options)
            yield chain
        finally:
            chain.kill()


@contextmanager
def _library_loop(settings: Settings) -> Iterator[Callable[[], None]]:
    """One frame: decode, FaceMesh in video mode, ONNX Runtime on its points, centred and scaled."""
    loaded = loading.load_classifier(settings)
    turn = cycle(jpegs(SIZE_PX, FRAMES))
    width, height = SIZE_PX
    to_px = np.array([width, height, width], np.float32)
    with closing(FaceMeshReference(frames("cycle")[0])) as reference:

        def step() -> None:
            for face in reference.process(simplejpeg.decode_jpeg(next(turn))):
                points = np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * to_px
                unit = np.linalg.norm(points[EYE_CORNERS[0]] - points[EYE_CORNERS[1]])
                normal = (points - points.mean(axis=0)) / unit
                loaded.classify(normal[None, loaded.landmark_set.indices])

        step()
        yield step


class _Reading(NamedTuple):
    wall_s: float
    frames: int
    cpu_s: dict[str, float]


def _read(chain: MeasuredChain) -> _Reading:
    cpu_s = {name: cpu_s_of(Path(f"/proc/{pid}/stat").read_text()) for name, pid in chain.pids().items()}
    cameras_s = sum(cpu_s.pop(camera_id) for camera_id in CAMERAS)
    # The embedded broker is threads of this process, whose main thread only waits and measures.
    broker_s = time.process_time() - time.thread_time()
    return _Reading(time.perf_counter(), _applied(chain), {"cameras": cameras_s, "broker": broker_s} | cpu_s)


def _measure_chain(chain: MeasuredChain) -> tuple[Cost, dict[str, float]]:
    """The cost of a frame that reached Redis, and its CPU time in ms by process."""
    before = _read(chain)
    time.sleep(CHAIN_ROUND_S)
    chain.check()
    after = _read(chain)
    frames = max(1, after.frames - before.frames)
    cpu_ms = {name: 1000 * (after.cpu_s[name] - before.cpu_s[name]) / frames for name in before.cpu_s}
    return Cost(1000 * (after.wall_s - before.wall_s) / frames, sum(cpu_ms.values())), cpu_ms


def _applied(chain: Chain) -> int:
    return scrape.totals(chain.ports["state"], "mien_state_events_total", "outcome")["applied"]


def _drain(chain: MeasuredChain) -> dict[str, Any]:
    """Ends the cameras, waits for what they sent, and says whether all of it arrived."""
    sent = [msgspec.json.decode(output) for output in chain.stop(*CAMERAS).values()]
    published = sum(outcomes["published"] for outcomes in sent)
    deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
    while (applied := _applied(chain)) < published and time.monotonic() < deadline_s:
        time.sleep(0.1)
    pids = chain.pids()
    peak = {name: peak_rss_mib(Path(f"/proc/{pids[name]}/status").read_text()) for name in (*STAGES, "redis")}
    chain.stop(*STAGES)
    return {"frames_published": published, "frames_in_redis": applied, "peak_rss_mib": peak}


def _latency(settings: Settings, seconds: float) -> dict[str, Any]:
    """End to end at a moderate rate: one live camera in `mien demo`."""
    summary = demo.run(
        settings,
        cameras=1,
        seconds=max(LATENCY_MIN_S, seconds),
        source="demo:cycle",
        fps=LATENCY_FPS,
        console=Console(quiet=True),
    )
    return {"latency_ms": summary["latency_ms"] | {"fps": LATENCY_FPS, "frames": summary["frames"]}}


def cpu_s_of(stat: str) -> float:
    """User and system time of a process from its /proc/PID/stat (proc(5), fields 14 and 15), in s."""
    after_name = stat.rpartition(")")[2].split()  # the name may hold spaces and brackets
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mib(status: str) -> float:
    """VmHWM of /proc/PID/status, in MiB."""
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)
