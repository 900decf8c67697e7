"""The row `pipeline` of `mien bench`: frames per second per core, from picture files to Redis.

The chain is the real one, all on this machine: Apache Kafka (the embedded broker where there is no Java),
Redis, lossless file cameras as fast as the stages take their frames, every stage a process. It takes turns
with the bare library loop: while one is measured, the other is stopped (SIGSTOP), so they do not compete.

    start → warm up → (chain runs → chain paused, loop runs) × rounds → cameras stop, chain drains → count
          → cameras at 70 % of the rate → how old frames are in Redis
    start again, with two landmarks processes → warm up → chain runs × rounds
"""

import math
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import simplejpeg

from models.faces.engine import EYE_CORNERS
from models.judging.facemesh_reference import FaceMeshReference
from streams.settings import Settings
from workers import model_loading
from workers.bench.speed_rows import FRAMES, frames, jpegs
from workers.figures.process_figures import children_of, cpu_s_of, peak_rss_mib
from workers.figures.timing import Comparison, Cost, Side, cost_of
from workers.local import metrics_scrape
from workers.local.chain import STAGES, Chain, one_camera_a_partition
from workers.local.measured_servers import PARTITIONS, Servers, servers

LATENCY_SHARE = 0.7
SIZE_PX = (640, 480)
CHAIN_ROUND_S = 2.0
"""Longer than the time between two commits, by which a lossless camera is held back."""
LOOP_ROUND_S = 1.0
"""Shorter than the time after which Kafka gives up a member that is paused."""
WARM_UP_S = {"embedded": 3.0, "Apache Kafka": 20.0}
"""A young JVM interprets and compiles: its first seconds cost several times the later ones."""
SETTLE_S = 0.3
LATENCY_SETTLE_S = 3.0
LATENCY_MIN_S = 10.0
STATE_EVENTS = "mien_state_events_total"


def pipeline(settings: Settings, seconds: float) -> list[Comparison]:
    """The whole chain beside one process that decodes, runs FaceMesh and ONNX Runtime, and does no more."""
    rounds = max(2, round(seconds / CHAIN_ROUND_S))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        pictures = folder / "pictures"
        pictures.mkdir()
        for number, jpeg in enumerate(jpegs(SIZE_PX, FRAMES)):
            (pictures / f"{number}.jpg").write_bytes(jpeg)
        using = stack.enter_context(servers(settings))
        with running_chain(using, folder, pictures) as chain, _library_loop(settings) as loop:
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
            details = drain(chain)
            rates = _rates(costs["chain"])
            details["in_redis_ms"] = _latency(chain, pictures, LATENCY_SHARE * rates["frames_per_s"], seconds)
            chain.stop(*STAGES)
        with running_chain(using, folder, pictures, processes=2) as chain:
            with_two = _rates([_measure_chain(chain)[0] for _ in range(rounds)])
    cpu_ms = {name: round(float(np.median([s[name] for s in spent])), 3) for name in spent[0]}
    without_cameras = float(np.median([sum(s.values()) - s["cameras"] for s in spent]))
    case = f"{SIZE_PX[0]}x{SIZE_PX[1]}, {PARTITIONS} file cameras, 1 face, {using.kind}"
    return [
        Comparison.of(
            "pipeline",
            case,
            Side.of(
                "camera → Kafka → … → Redis",
                costs["chain"],
                **rates,
                frames_per_cpu_s_without_cameras=1000 / without_cameras,
                frames_per_cpu_s_of_landmarks=1000 / cpu_ms["landmarks"],
                share_of_landmarks=float(np.median([s["landmarks"] / sum(s.values()) for s in spent])),
                cpu_ms_per_frame=cpu_ms,
                **details,
                with_two_landmarks_processes=with_two,
                **({"note": using.note} if using.note else {}),
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
    """The chain with one camera a partition, the processes that it costs, and a pause."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers.settings, folder)
        self._server_pids = servers.pids

    def all_pids(self) -> dict[str, list[int]]:
        """Name → its process and those that it has started; the servers too."""
        return {name: [pid, *children_of(pid)] for name, pid in (self.pids | self._server_pids).items()}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops all stages and cameras for so long, but not the servers."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def start_cameras(self, pictures: Path, *options: str) -> None:
        """Starts one camera a partition."""
        for camera_id in one_camera_a_partition(PARTITIONS, "bench"):
            self.start_camera(camera_id, str(pictures), *options)


@contextmanager
def running_chain(
    servers: Servers, folder: Path, pictures: Path, processes: int = 1, *, sending: bool = True
) -> Iterator[MeasuredChain]:
    """A chain that is warmed up, with cameras as fast as they can be; without `sending` they have ended."""
    chain = MeasuredChain(servers, folder)
    with chain.running_stages({"landmarks": ["--processes", str(processes)]}):
        chain.start_cameras(pictures, "--lossless", "--as-fast-as-possible")
        time.sleep(WARM_UP_S[servers.kind])
        chain.check()
        if not sending:
            chain.stop_cameras()
        yield chain


@contextmanager
def _library_loop(settings: Settings) -> Iterator[Callable[[], None]]:
    """One frame: decode, FaceMesh in video mode, ONNX Runtime on its points, centred and scaled."""
    loaded = model_loading.load_classifier(settings)
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
    cpu_s = {
        name: sum(cpu_s_of(Path(f"/proc/{pid}/stat").read_text()) for pid in pids)
        for name, pids in chain.all_pids().items()
    }
    cameras_s = sum(cpu_s.pop(camera_id) for camera_id in chain.cameras)
    # The embedded broker is threads of this process, whose main thread only waits and measures.
    embedded_s = {} if "kafka" in cpu_s else {"broker": time.process_time() - time.thread_time()}
    return _Reading(time.perf_counter(), applied_frames(chain), {"cameras": cameras_s} | embedded_s | cpu_s)


def _measure_chain(chain: MeasuredChain) -> tuple[Cost, dict[str, float]]:
    """The cost of a frame that reached Redis, and its CPU time in ms by process."""
    before = _read(chain)
    time.sleep(CHAIN_ROUND_S)
    chain.check()
    after = _read(chain)
    frames = max(1, after.frames - before.frames)
    cpu_ms = {name: 1000 * (after.cpu_s[name] - before.cpu_s[name]) / frames for name in before.cpu_s}
    return Cost(1000 * (after.wall_s - before.wall_s) / frames, sum(cpu_ms.values())), cpu_ms


def applied_frames(chain: Chain) -> int:
    return metrics_scrape.totals(chain.ports["state"], STATE_EVENTS, "outcome")["applied"]


def drain(chain: MeasuredChain) -> dict[str, Any]:
    """Ends the cameras, waits for what they sent, and says whether all of it arrived."""
    published = chain.stop_cameras()["published"]
    applied = chain.drain("state", STATE_EVENTS, published, lambda outcomes: outcomes["applied"])["applied"]
    peak = {
        name: peak_rss_mib(Path(f"/proc/{pids[0]}/status").read_text())
        for name, pids in chain.all_pids().items()
    }
    return {"frames_published": published, "frames_in_redis": applied, "peak_rss_mib": peak}


def _latency(chain: MeasuredChain, pictures: Path, fps: float, seconds: float) -> dict[str, Any]:
    """Measures how old frames are when Redis has them, with the cameras together at a rate."""
    chain.start_cameras(pictures, "--fps", f"{fps / PARTITIONS:.2f}")  # live: a file's frames have no age
    time.sleep(LATENCY_SETTLE_S)
    before = ages(chain)
    started_s, frames_before = time.monotonic(), applied_frames(chain)
    time.sleep(max(LATENCY_MIN_S, seconds))
    after, frames = ages(chain), applied_frames(chain) - frames_before
    measured_fps = frames / (time.monotonic() - started_s)
    chain.stop_cameras()
    counts = {bound_s: after[bound_s] - before.get(bound_s, 0) for bound_s in after}
    return {
        "p50": round(1000 * quantile(counts, 0.5), 1),
        "p99": round(1000 * quantile(counts, 0.99), 1),
        "fps": round(measured_fps, 1),
        "frames": frames,
    }


def ages(chain: Chain) -> dict[float, int]:
    """Upper bound in s → frames that were no older, from the state stage's histogram."""
    return {
        float(sample.labels["le"]): int(sample.value)
        for sample in metrics_scrape.samples(chain.ports["state"])
        if sample.name == "mien_frame_age_seconds_bucket" and sample.labels["stage"] == "state"
    }


def quantile(counts: Mapping[float, int], share: float) -> float:
    """A quantile of a cumulative histogram, as Prometheus' ``histogram_quantile`` takes it.

    Within a bucket the values are taken as spread evenly.
    """
    bounds = sorted(counts)
    rank, lower, below = share * counts[bounds[-1]], 0.0, 0
    for bound in bounds:
        if counts[bound] >= rank and counts[bound] > below:
            return (
                lower
                if math.isinf(bound)
                else lower + (bound - lower) * (rank - below) / (counts[bound] - below)
            )
        lower, below = bound, counts[bound]
    return math.nan
