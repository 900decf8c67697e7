"""How many workers, partitions, bytes a second and on the disk so many cameras need. Pure arithmetic."""

import math
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from workers.capacity.service_times import LiveCost, ServiceTimes

UTILISATION: Final = 0.4
"""Share of its time in which a worker works, on average. The busiest of many has twice as many cameras as
others, as ids are spread by a hash (docs/scaling.md has the simulation)."""
REPLICATION: Final = 3
FRAMES_KEPT_S: Final = 75.0
"""MIEN_FRAMES_RETENTION_MS and what Kafka takes to notice: a quarter."""
EVENTS_KEPT_S: Final = 24 * 3600.0 * 1.25
"""MIEN_EVENTS_RETENTION_MS, likewise."""
PARTITIONS_LEAST: Final = 8
STAGES: Final = ("landmarks", "classify", "state")


class Needs(NamedTuple):
    """Of an installation."""

    frames_per_s: float
    workers: dict[str, int]
    """Processes of each stage."""
    partitions: int
    cores: dict[str, float]
    """CPU by process, the cameras' own too."""
    in_mb_s: float
    """What producers send to Kafka …"""
    out_mb_s: float
    """… what stages read, with state and alerts …"""
    replicated_mb_s: float
    """… and what brokers send each other."""
    disk_gb: float
    """All copies, when the retention is full."""
    viewers: int
    """Who look at all cameras through one `mien live` …"""
    live_cores: float | None
    """… and the CPU of that; None where it was not measured."""


def needs(times: ServiceTimes, *, cameras: int, fps: float, faces: float, viewers: int = 1) -> Needs:
    """What `cameras` need that send `fps` frames a second with `faces` faces in each."""
    cost = times.of(faces)
    rate = cameras * fps
    cores = {name: rate * ms / 1000 for name, ms in cost.cpu_ms.items()}
    workers = {stage: max(1, math.ceil(cores[stage] / UTILISATION - 1e-9)) for stage in STAGES}
    pictures, events = cost.jpeg_bytes, cost.landmarks_bytes + cost.events_bytes
    in_b_s = rate * (pictures + events)
    return Needs(
        frames_per_s=rate,
        workers=workers,
        # A power of two, so that more is twice as many; several a worker, so that shares differ little.
        partitions=max(PARTITIONS_LEAST, 1 << (3 * max(workers.values()) - 1).bit_length()),
        cores=cores,
        in_mb_s=in_b_s / 1e6,
        out_mb_s=rate * (pictures + cost.landmarks_bytes + 2 * cost.events_bytes) / 1e6,
        replicated_mb_s=(REPLICATION - 1) * in_b_s / 1e6,
        disk_gb=REPLICATION * rate * (pictures * FRAMES_KEPT_S + events * EVENTS_KEPT_S) / 1e9,
        viewers=viewers,
        live_cores=_live_cores(times.live, 2 * faces * rate, viewers) if times.live else None,
    )


def _live_cores(cost: LiveCost, messages_per_s: float, viewers: int) -> float:
    return messages_per_s / 1000 * (cost.read_ms + viewers * cost.sent_to_each_viewer_ms) / 1000


def show(plan: Needs, console: Console) -> None:
    """Prints it as a table."""
    rows = Table(show_header=False)
    rows.add_row("frames a second", f"{plan.frames_per_s:,.0f}")
    for stage, count in plan.workers.items():
        rows.add_row(f"{stage} workers", f"{count:,}")
    rows.add_row("partitions", f"{plan.partitions:,}")
    for name, cores in plan.cores.items():
        rows.add_row(f"cores, {name}", f"{cores:,.2f}")
    if plan.live_cores is not None:
        whose = "1 viewer" if plan.viewers == 1 else f"{plan.viewers} viewers"
        rows.add_row(f"cores, live with {whose} of all", f"{plan.live_cores:,.2f}")
    rows.add_row("to Kafka, from Kafka", f"{plan.in_mb_s:,.1f} MB/s, {plan.out_mb_s:,.1f} MB/s")
    rows.add_row(f"between brokers, {REPLICATION} copies", f"{plan.replicated_mb_s:,.1f} MB/s")
    rows.add_row("disk, all copies", f"{plan.disk_gb:,.0f} GB")
    console.print(rows)
