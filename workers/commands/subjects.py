"""`mien subjects`: who is in view, as Redis has it."""

import asyncio
import time

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streams.settings import Settings
from streams.store import subject_state
from streams.store.subject_state import Subject


def run(settings: Settings, *, camera_id: str | None, watch: bool, as_json: bool) -> None:
    """Prints the subjects once, or each second until Ctrl-C.

    Raises:
        ServiceUnavailable: if Redis does not answer.
    """
    asyncio.run(_run(settings, camera_id, watch, as_json))


async def _run(settings: Settings, camera_id: str | None, watch: bool, as_json: bool) -> None:
    async with subject_state.connect(settings) as store:
        if as_json:
            while True:
                print(msgspec.json.encode(await store.subjects(camera_id)).decode(), flush=True)
                if not watch:
                    return
                await asyncio.sleep(1)
        if not watch:
            Console().print(table(await store.subjects(camera_id), time.time_ns() // 1000))
            return
        with Live(auto_refresh=False, screen=False) as live:
            while True:
                live.update(table(await store.subjects(camera_id), time.time_ns() // 1000), refresh=True)
                await asyncio.sleep(1)


def table(found: list[Subject], now_us: int) -> Table:
    """One row a subject; ``neutral`` tells which neutral face it is compared with."""
    rows = Table(
        "camera",
        "subject",
        "neutral",
        "emotion",
        "for",
        "sure",
        "because",
        "seen",
        title=f"{len(found)} subjects",
    )
    for subject in found:
        emotion = subject.dominant or "–"
        since_us = subject.last_seen_us if subject.since_us is None else subject.since_us
        why = subject.last_explanation
        rows.add_row(
            subject.camera_id,
            subject.subject_id.rpartition(":")[2],
            "own" if why.baseline == "subject" else "mean",
            emotion,
            _seconds(subject.last_seen_us - since_us),
            f"{subject.probabilities.get(emotion, 0.0):.0%}",
            f"{top_regions(why.regions)}: {why.text}",
            f"{_seconds(now_us - subject.last_seen_us)} ago",
        )
    return rows


def top_regions(regions: dict[str, float], count: int = 2) -> str:
    """The regions with most attribution: ``mouth 71 %, cheeks 18 %``."""
    strongest = sorted(regions.items(), key=lambda item: -item[1])[:count]
    return ", ".join(f"{region} {share:.0%}" for region, share in strongest)


def _seconds(duration_us: int) -> str:
    return f"{max(0, duration_us) / 1e6:.0f} s"
