"""Measures what the simulation needs on the real chain (Apache Kafka, Redis), and holds the two together.

`measure`: CPU time of each process a frame, with 0, 1 and 4 faces in it, lossless cameras as fast as they go.
And what `mien live` costs a message, by the row `live` of `mien bench`.
`check`: frames a second with 1, 2 and 4 landmarks workers, and how old live frames are, beside what the
simulation says of the same load on as many cores.
"""

import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer

from models.faces.pictures import encode_jpeg
from models.staged import scenes
from streams.settings import Settings
from streams.topics import Topic
from workers.bench import pipeline_row
from workers.bench.bench import cpu_model
from workers.bench.pipeline_row import MeasuredChain, quantile
from workers.bench.speed_rows import JPEG_QUALITY
from workers.bench_live import live_row
from workers.capacity.service_times import FACES, FrameCost, LiveCost, ServiceTimes
from workers.capacity.simulation import Load, simulate
from workers.figures.process_figures import cpu_s_of
from workers.local import measured_servers, metrics_scrape
from workers.local.measured_servers import PARTITIONS

SIZE_PX: Final = (640, 480)
FACE_PX: Final = 90.0
PICTURES: Final = 40
SAMPLED: Final = 50
WORKERS: Final = (1, 2, 4)
LIVE_CAMERAS: Final = 50
LIVE_VIEWERS: Final = 20
LIVE_SHARE: Final = 0.6
"""Of the rate of one worker, at which ages are compared."""


class Checked(NamedTuple):
    """One comparison of the simulation with the chain."""

    case: str
    unit: str
    simulated: float
    measured: float


def measure(settings: Settings, seconds: float) -> ServiceTimes:
    """The cost of a frame by the number of its faces, each over so many seconds of the running chain."""
    by_faces = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-capacity-")))
        servers = stack.enter_context(measured_servers.servers(settings))
        for faces in FACES:
            pictures = _pictures(folder / str(faces), faces)
            with pipeline_row.running_chain(servers, folder, pictures) as chain:
                cpu_ms = _cost(chain, seconds)
            sizes = {} if not faces else asyncio.run(_sizes(Settings(**servers.settings)))
            by_faces[faces] = FrameCost(
                cpu_ms,
                _mean_bytes(pictures),
                faces * sizes.get("landmarks", 0.0),
                faces * sizes.get("emotions", 0.0),
            )
        with pipeline_row.running_chain(servers, folder, folder / "1", sending=False) as chain:
            alone_ms = _age_ms(chain, folder / "1", fps=4.0, seconds=seconds)["p50"]
    work_ms = sum(by_faces[1].cpu_ms[name] for name in ("landmarks", "classify", "state"))
    return ServiceTimes(
        machine=f"{cpu_model(Path('/proc/cpuinfo'))}, {os.cpu_count()} cores",
        measured_at=time.strftime("%Y-%m-%d", time.gmtime()),
        frame=f"{SIZE_PX[0]}x{SIZE_PX[1]}, JPEG quality {JPEG_QUALITY}, faces {FACE_PX:.0f} px wide",
        by_faces=by_faces,
        hop_ms=round(max(0.5, (alone_ms - work_ms) / 3), 2),
        live=_live_cost(settings, seconds),
    )


def _live_cost(settings: Settings, seconds: float) -> LiveCost:
    lines = live_row.live(settings, seconds, LIVE_CAMERAS, LIVE_VIEWERS)
    return next(LiveCost(**line.figures) for line in lines if line.case == live_row.COST)


def check(settings: Settings, times: ServiceTimes, seconds: float) -> list[Checked]:
    """The simulation beside the chain, on this machine, now."""
    found, cores = [], os.cpu_count() or 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-capacity-")))
        servers = stack.enter_context(measured_servers.servers(settings))
        pictures = _pictures(folder / "1", 1)
        for workers in WORKERS:
            with pipeline_row.running_chain(servers, folder, pictures, processes=workers) as chain:
                measured = _rate(chain, seconds)
            load = Load(PARTITIONS, 1000.0, 1, PARTITIONS, workers, cores=cores, saturated=True)
            expected = simulate(load, times, seconds=20.0).frames_per_s
            case = f"landmarks workers: {workers}, as fast as it goes"
            found.append(Checked(case, "frames/s", expected, measured))
        one = found[0].measured
        fps = LIVE_SHARE * one / PARTITIONS
        with pipeline_row.running_chain(servers, folder, pictures, sending=False) as chain:
            ages = _age_ms(chain, pictures, fps=fps, seconds=seconds)
        outcome = simulate(Load(PARTITIONS, fps, 1, PARTITIONS, 1, cores=cores), times)
        case = f"one worker, live at {LIVE_SHARE:.0%} of that"
        found.append(Checked(f"{case}: age in Redis, p50", "ms", outcome.age_p50_ms, ages["p50"]))
        found.append(Checked(f"{case}: age in Redis, p99", "ms", outcome.age_p99_ms, ages["p99"]))
    return found


def _pictures(folder: Path, faces: int) -> Path:
    folder.mkdir()
    scene = scenes.standing(faces, FACE_PX, SIZE_PX, seconds=PICTURES / scenes.FPS, seed=1)
    for number, frame in enumerate(scene.frames()):
        (folder / f"{number:03}.jpg").write_bytes(encode_jpeg(frame.picture_rgb, JPEG_QUALITY))
    return folder


def _mean_bytes(folder: Path) -> float:
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return sum(sizes) / len(sizes)


class _Reading(NamedTuple):
    at_s: float
    frames: int
    cpu_s: dict[str, float]


def _read(chain: MeasuredChain) -> _Reading:
    cpu_s = {
        name: sum(cpu_s_of(Path(f"/proc/{pid}/stat").read_text()) for pid in pids)
        for name, pids in chain.all_pids().items()
    }
    cameras_s = sum(cpu_s.pop(camera) for camera in chain.cameras)
    return _Reading(time.perf_counter(), _frames(chain), {"camera": cameras_s} | cpu_s)


def _frames(chain: MeasuredChain) -> int:
    outcomes = metrics_scrape.totals(chain.ports["landmarks"], "mien_frames_total", "outcome")
    return outcomes["faces"] + outcomes["no-face"]


def _cost(chain: MeasuredChain, seconds: float) -> dict[str, float]:
    before = _read(chain)
    time.sleep(seconds)
    chain.check()
    after = _read(chain)
    frames = max(1, after.frames - before.frames)
    return {name: round(1000 * (after.cpu_s[name] - before.cpu_s[name]) / frames, 4) for name in before.cpu_s}


def _rate(chain: MeasuredChain, seconds: float) -> float:
    before, began_s = pipeline_row.applied_frames(chain), time.perf_counter()
    time.sleep(seconds)
    chain.check()
    return (pipeline_row.applied_frames(chain) - before) / (time.perf_counter() - began_s)


def _age_ms(chain: MeasuredChain, pictures: Path, *, fps: float, seconds: float) -> dict[str, float]:
    chain.start_cameras(pictures, "--fps", f"{fps:.2f}")
    time.sleep(3.0)
    before = pipeline_row.ages(chain)
    time.sleep(max(10.0, seconds))
    counts = {bound_s: n - before.get(bound_s, 0) for bound_s, n in pipeline_row.ages(chain).items()}
    return {"p50": 1000 * quantile(counts, 0.5), "p99": 1000 * quantile(counts, 0.99)}


async def _sizes(settings: Settings) -> dict[str, float]:
    """Mean bytes of the newest messages of landmarks and emotions: key, value and headers."""
    topics = settings.topics
    return {
        "landmarks": await _mean_size(settings, topics.landmarks),
        "emotions": await _mean_size(settings, topics.emotions),
    }


async def _mean_size(settings: Settings, topic: Topic) -> float:
    sizes: list[int] = []
    async with AIOKafkaConsumer(
        topic.name, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        async for record in consumer:
            about = sum(len(name) + len(value or b"") for name, value in record.headers)
            sizes.append(len(record.key or b"") + len(record.value or b"") + about)
            if len(sizes) >= SAMPLED:
                break
    return sum(sizes) / len(sizes)
