"""`mien bench`: measures this machine, each part of Mien beside the bare library loop in the same run.

It reports and never judges: medians with their spread, no pass or fail. docs/benchmarks.md says what the
rows mean, and keeps figures.
"""

import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Column, Table

from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers import output_files
from workers.bench import (
    alerts_row,
    camera_rows,
    cameras_soak,
    chain_soak,
    coverage_row,
    landmarks_rows,
    memory_row,
    overload_row,
    pipeline_row,
    scene_runs,
    speed_rows,
    truth_row,
)
from workers.bench_live import live_row
from workers.figures.timing import Comparison, Finding

ROWS: dict[str, Callable[..., Sequence[Comparison | Finding]]] = {
    "camera": camera_rows.camera,
    "decode": speed_rows.decode,
    "mesh": speed_rows.mesh,
    "landmarks": landmarks_rows.landmarks,
    "classify": speed_rows.classify,
    "alerts": alerts_row.alerts,
    "coverage": coverage_row.coverage,
    "pipeline": pipeline_row.pipeline,
    "memory": memory_row.memory,
    "chain-soak": chain_soak.chain_soak,
    "cameras-soak": cameras_soak.cameras_soak,
    "truth": truth_row.truth,
    "overload": overload_row.overload,
    "live": live_row.live,
}
ONLY_NAMED = {"chain-soak", "cameras-soak", "truth", "overload", "live"}
"""Rows that are not measured unless they are asked for: they are for minutes or hours."""
LIBRARIES = (
    "mien",
    "numpy",
    "mediapipe",
    "ai-edge-litert",
    "av",
    "onnxruntime",
    "opencv-python-headless",
    "simplejpeg",
    "faust-streaming",
    "aiokafka",
    "confluent-kafka",
    "redis",
)
SOAK_FRAMES = 250
"""Frames of each camera; enough to see that it runs. docs/landmarks.md has the figures of 10,000."""
SECONDS = 3.0
"""How long each measurement runs …"""
LONGER = {"live": 60.0}
"""… where one of these is asked for."""
CAMERAS = {"cameras-soak": 20, "live": 50}
FAULT_RATE = 10.0
"""So many times the faults of a bad camera those of `cameras-soak` have."""
VIEWERS = 20
"""How many look at `live`."""
COLUMNS = ("ms", "CPU ms", "Mien × as fast", "in CPU time")


def run(
    settings: Settings,
    rows: Sequence[str],
    seconds: float | None,
    console: Console,
    *,
    soak_frames: int = SOAK_FRAMES,
    cameras: int | None = None,
    fault_rate: float = FAULT_RATE,
    viewers: int = VIEWERS,
    plot: Path | None = None,
) -> dict[str, Any]:
    """Measures the rows (all without any), each side of each comparison for so many seconds (`SECONDS`).

    Returns ``{"machine": {...}, "seconds": …, "rows": [comparison, ...], "findings": [finding, ...]}``,
    ready for JSON. ``soak_frames``: how many frames of each camera the soak of ``landmarks`` takes;
    ``cameras``: how many `cameras-soak` runs and `live` has, else `CAMERAS`; ``fault_rate``: how many times
    the usual faults those of `cameras-soak` have; ``viewers``: how many look;
    ``plot``: where the PNG of its small faces goes.

    Raises:
        SettingsInvalid: for a row that does not exist, or a plot without ``landmarks``.
        OutputFailed: if ``plot`` cannot be written; that its folder is there is checked before.
    """
    if plot and rows and "landmarks" not in rows:
        raise SettingsInvalid("--plot draws what landmarks measures; ask for that row too")
    if unknown := [row for row in rows if row not in ROWS]:
        raise SettingsInvalid(f"There is no row {', '.join(unknown)}; the rows are {', '.join(ROWS)}")
    if plot:
        output_files.check_file(plot)
    seconds = seconds or max([SECONDS, *(LONGER.get(row, 0.0) for row in rows)])
    more: dict[str, list[float]] = {
        "landmarks": [soak_frames],
        "cameras-soak": [cameras or CAMERAS["cameras-soak"], fault_rate],
        "live": [cameras or CAMERAS["live"], viewers],
    }
    before = machine()
    measured: list[Comparison | Finding] = []
    for row in [row for row in ROWS if (row in rows if rows else row not in ONLY_NAMED)]:
        with console.status(f"Measures {row} …"):
            measured += ROWS[row](settings, seconds, *more.get(row, []))
    findings = msgspec.to_builtins([one for one in measured if isinstance(one, Finding)])
    if plot:
        output_files.write_bytes(plot, scene_runs.plot(findings))
    return {
        "machine": before,
        "seconds": seconds,
        "rows": msgspec.to_builtins([one for one in measured if isinstance(one, Comparison)]),
        "findings": findings,
    }


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def cpu_model(cpuinfo: Path) -> str:
    """The first "model name" of Linux's cpuinfo, else what Python knows."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def show(results: dict[str, Any], console: Console) -> None:
    """Prints what `run` returned as tables."""
    about = results["machine"]
    console.print(f"{about['cpu']}, {about['cores']} cores, load {about['load_average'][0]}")
    libraries = ", ".join(f"{name} {number}" for name, number in about["libraries"].items())
    console.print(f"{about['platform']}, Python {about['python']}, {libraries}", style="dim")
    table = Table("", *(Column(name, justify="right") for name in COLUMNS))
    for case, comparisons in _by_case(results["rows"]).items():
        table.add_section()
        table.add_row(case, style="bold")
        mien = comparisons[0]["mien"]
        table.add_row(f"  Mien: {mien['name']}", *_times(mien))
        _add_details(table, mien)
        for comparison in comparisons:
            library = comparison["library"]
            ratios = _ratio(comparison["speed_ratio"]), _ratio(comparison["cpu_ratio"])
            table.add_row(f"  beside: {library['name']}", *_times(library), *ratios)
            _add_details(table, library)
    if results["rows"]:
        console.print(table)
    for name, findings in _by_table(results["findings"]).items():
        table = Table(title=name, title_justify="left", show_header=False)
        for finding in findings:
            table.add_row(finding["case"], _plain(finding["figures"]))
        console.print(table)
    if results["rows"]:
        console.print(
            "Of one frame (classify: one face): medians of the rounds, and in brackets their 10th to 90th "
            "percentile. CPU: of all threads and, for the pipeline, all processes. Above 1.00 Mien is "
            "faster.",
            style="dim",
        )


def _by_case(comparisons: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    cases: dict[str, list[dict[str, Any]]] = {}
    for comparison in comparisons:
        cases.setdefault(f"{comparison['row']}: {comparison['case']}", []).append(comparison)
    return cases


def _by_table(findings: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        tables.setdefault(f"{finding['row']}: {finding['table']}", []).append(finding)
    return tables


def _add_details(table: Table, side: dict[str, Any]) -> None:
    for name, value in side["details"].items():
        table.add_row(f"    {name}: {_plain(value)}", style="dim")


def _times(side: dict[str, Any]) -> tuple[str, str]:
    return f"{side['ms']['median']:.3f}", f"{side['cpu_ms']['median']:.3f}"


def _ratio(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f} [{spread['p10']:.2f}–{spread['p90']:.2f}]"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
