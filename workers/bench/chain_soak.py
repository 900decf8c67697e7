"""`mien bench chain-soak`: the chain as fast as it goes, for long: do memory, threads or open files grow?

Measured only when it is named: `mien bench chain-soak --seconds 3600`. Apache Kafka and Redis on this
machine, lossless file cameras that repeat their pictures, each stage a process. At the end the cameras stop,
the chain drains, and what they sent is compared with what is in Redis.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from streams.settings import Settings
from workers.bench.pipeline_row import SIZE_PX, MeasuredChain, applied_frames, drain, running_chain
from workers.bench.soak import slope
from workers.bench.speed_rows import FRAMES, jpegs
from workers.figures.process_figures import open_file_count, rss_mib, thread_count
from workers.figures.timing import Finding
from workers.local.measured_servers import PARTITIONS, servers

SAMPLES: Final = 360
LEAST_EVERY_S: Final = 1.0


class Sample(NamedTuple):
    """What one process holds at a moment."""

    at_s: float
    rss_mib: float
    threads: int
    open_files: int


def chain_soak(settings: Settings, seconds: float) -> list[Finding]:
    """Runs the chain for so long and reads each process from Linux, `SAMPLES` times."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        pictures = folder / "pictures"
        pictures.mkdir()
        for number, jpeg in enumerate(jpegs(SIZE_PX, FRAMES)):
            (pictures / f"{number}.jpg").write_bytes(jpeg)
        using = stack.enter_context(servers(settings))
        chain = stack.enter_context(running_chain(using, folder, pictures))
        taken: dict[str, list[Sample]] = {}
        started_s, applied = time.monotonic(), applied_frames(chain)
        while (passed_s := time.monotonic() - started_s) < seconds:
            chain.check()
            for name, sample in _sample(chain, passed_s).items():
                taken.setdefault(name, []).append(sample)
            time.sleep(max(LEAST_EVERY_S, seconds / SAMPLES))
        applied = applied_frames(chain) - applied
        drained = drain(chain)
    table = f"{PARTITIONS} file cameras as fast as they go, for {seconds:.0f} s, {using.kind}"
    whole = {
        "frames_per_s": applied / passed_s,
        **{name: drained[name] for name in ("frames_published", "frames_in_redis")},
    }
    return [
        Finding("chain-soak", table, "the chain", whole),
        *(Finding("chain-soak", table, name, figures(samples)) for name, samples in taken.items()),
    ]


def figures(samples: Sequence[Sample]) -> dict[str, float]:
    """What grew: medians of the second and of the last tenth, as the first is of caches that fill; and the
    slope of memory over the second half."""
    tenth = max(1, len(samples) // 10)
    early, late = samples[tenth : 2 * tenth] or samples, samples[-tenth:]
    half = [(sample.at_s / 3600, sample.rss_mib) for sample in samples[len(samples) // 2 :]]
    return {
        f"{name}_{when}": float(np.median([getattr(sample, name) for sample in some]))
        for name in ("rss_mib", "threads", "open_files")
        for when, some in (("early", early), ("late", late))
    } | {"rss_mib_per_hour": slope(half)}


def _sample(chain: MeasuredChain, at_s: float) -> dict[str, Sample]:
    return {
        name: Sample(
            at_s, sum(map(rss_mib, pids)), sum(map(thread_count, pids)), sum(map(open_file_count, pids))
        )
        for name, pids in chain.all_pids().items()
    }
