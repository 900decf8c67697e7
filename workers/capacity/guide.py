"""The tables of docs/scaling.md, from what was measured: the page between its marks is this file's text."""

from collections.abc import Sequence
from typing import Final

from workers.capacity.measuring import Checked
from workers.capacity.plan import UTILISATION, needs
from workers.capacity.service_times import FACES, ServiceTimes

CAMERAS: Final = (10, 100, 1_000, 10_000)
FPS: Final = (5.0, 10.0, 15.0)
BEGIN, END = "<!-- begin of what `mien capacity --markdown` writes -->", "<!-- end of it -->"


def markdown(times: ServiceTimes) -> str:
    """What a camera costs, and what installations need."""
    return "\n".join([BEGIN, "", *_costs(times), "", *_plans(times), "", END])


def _costs(times: ServiceTimes) -> list[str]:
    processes = list(times.by_faces[FACES[1]].cpu_ms)
    lines = [
        f"CPU time of one frame in ms: {times.frame}; {times.machine}, {times.measured_at}.",
        "",
        f"| faces | {' | '.join(processes)} | all | JPEG, kB | landmarks and events, kB |",
        f"|---|{'---|' * (len(processes) + 3)}",
    ]
    for faces in FACES:
        cost = times.by_faces[faces]
        each = " | ".join(f"{cost.cpu_ms[name]:.2f}" for name in processes)
        more_kb = (cost.landmarks_bytes + cost.events_bytes) / 1000
        all_ms, jpeg_kb = sum(cost.cpu_ms.values()), cost.jpeg_bytes / 1000
        lines.append(f"| {faces} | {each} | {all_ms:.2f} | {jpeg_kb:.0f} | {more_kb:.1f} |")
    lines += ["", f"Cameras that one landmarks worker takes, working for {UTILISATION:g} of its time:", ""]
    lines += [f"| faces | {' | '.join(f'{fps:g} fps' for fps in FPS)} |", f"|---|{'---|' * len(FPS)}"]
    for faces in FACES:
        cost_ms = times.by_faces[faces].cpu_ms["landmarks"]
        lines.append(
            f"| {faces} | " + " | ".join(f"{1000 * UTILISATION / (cost_ms * fps):.1f}" for fps in FPS) + " |"
        )
    return lines


def _plans(times: ServiceTimes) -> list[str]:
    lines = [
        "At 10 frames a second, with one face in each, three copies in Kafka, default retention:",
        "",
        "| cameras | frames/s | landmarks | classify | state | partitions | cores, stages | cores, Kafka | "
        "to Kafka, MB/s | from Kafka, MB/s | between brokers, MB/s | disk, GB |",
        f"|---|{'---|' * 11}",
    ]
    for cameras in CAMERAS:
        plan = needs(times, cameras=cameras, fps=10.0, faces=1.0)
        stages = sum(plan.cores[name] for name in plan.workers)
        workers = " | ".join(f"{count:,}" for count in plan.workers.values())
        lines.append(
            f"| {cameras:,} | {plan.frames_per_s:,.0f} | {workers} | {plan.partitions:,} | {stages:,.1f} | "
            f"{plan.cores['kafka']:,.1f} | {plan.in_mb_s:,.1f} | {plan.out_mb_s:,.1f} | "
            f"{plan.replicated_mb_s:,.1f} | {plan.disk_gb:,.0f} |"
        )
    return lines


def of_checks(checks: Sequence[Checked]) -> list[str]:
    """The simulation beside the chain, as a table."""
    lines = ["| case | simulated | measured | simulated / measured |", "|---|---|---|---|"]
    for one in checks:
        ratio = one.simulated / one.measured if one.measured else float("nan")
        lines.append(
            f"| {one.case} | {one.simulated:.0f} {one.unit} | {one.measured:.0f} {one.unit} | {ratio:.2f} |"
        )
    return lines
