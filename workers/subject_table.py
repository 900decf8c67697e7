"""Subjects as rows of a terminal's table: for `mien subjects` and the demo."""

from rich.table import Table

from streams.printable import printable
from streams.store.subject_state import Subject


def subject_table(found: list[Subject], now_us: int) -> Table:
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
        cells = (
            subject.camera_id,
            subject.subject_id.rpartition(":")[2],
            "own" if why.baseline == "subject" else "mean",
            emotion,
            _seconds(subject.last_seen_us - since_us),
            f"{subject.probabilities.get(emotion, 0.0):.0%}",
            f"{top_regions(why.regions)}: {why.text}",
            f"{_seconds(now_us - subject.last_seen_us)} ago",
        )
        rows.add_row(*(printable(cell) for cell in cells))  # not even a line end: one row a subject
    return rows


def top_regions(regions: dict[str, float], count: int = 2) -> str:
    """The regions with most attribution: ``mouth 71 %, cheeks 18 %``."""
    strongest = sorted(regions.items(), key=lambda item: -item[1])[:count]
    return ", ".join(f"{region} {share:.0%}" for region, share in strongest)


def _seconds(duration_us: int) -> str:
    return f"{max(0, duration_us) / 1e6:.0f} s"
