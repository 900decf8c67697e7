"""`mien coverage`: what a camera could read where, as a record, a table in the terminal and a picture."""

from collections.abc import Mapping
from typing import Final

import msgspec
from rich.text import Text

from streams.errors import BadMessage, SettingsInvalid, SourceNotFound
from streams.messages.frame_message import check_camera_id
from streams.messages.landmarks_message import PictureSize
from streams.settings import Settings
from streams.store import coverage_store
from streams.store.coverage_store import COLUMNS, ROWS, Counts
from workers.coverage import coverage_advice, problem_regions
from workers.coverage.coverage_advice import View
from workers.coverage.problem_regions import READ
from workers.terminal import Terminal

_NAMED_MAX: Final = 20
"""Cameras that an error names."""
_STYLES: Final = ((0.9, "black on green"), (0.6, "black on yellow"), (0.0, "white on red"))
"""From which share of faces read on."""


class Cell(msgspec.Struct, frozen=True):
    """A part of the picture where faces were seen; a face counts once a frame."""

    column: int
    row: int
    faces: int
    read: int
    """The picture was good enough; also those of which the model was not sure."""
    unread: dict[str, int]
    """The others, by reason."""


class UnreadRegion(msgspec.Struct, frozen=True):
    """A region where many faces cannot be read."""

    reason: str
    where: str
    faces: int
    unread: int
    enlarge: float | None
    """So many times larger must its faces become; null: size is not the trouble."""
    advice: str


class Coverage(msgspec.Struct, frozen=True):
    """What is known of a camera, as `mien coverage --json` prints it."""

    camera_id: str
    days: int
    columns: int
    rows: int
    picture: PictureSize | None
    faces: int
    read: int
    cells: list[Cell]
    """Those with faces, row by row."""
    problems: list[UnreadRegion]
    """Most unread faces first."""


async def run(settings: Settings, camera_id: str, *, days: int | None, fov_deg: float | None) -> Coverage:
    """What Redis has of the last days, today included; of all that it keeps without `days`.

    Raises:
        SettingsInvalid: if no camera can have that id.
        SourceNotFound: if there is nothing of it; says which cameras there are.
        ServiceUnavailable: if Redis does not answer.
    """
    try:
        check_camera_id(camera_id)
    except BadMessage as exc:
        raise SettingsInvalid(str(exc)) from exc
    days = days or settings.coverage_days
    async with coverage_store.connect(settings) as store:
        counts = await store.read(camera_id, days)
        if not counts.faces:
            raise _nothing(camera_id, days, await store.cameras())
    return coverage(camera_id, days, counts, View(settings.min_inter_ocular_px, counts.picture, fov_deg))


def _nothing(camera_id: str, days: int, known: list[str]) -> SourceNotFound:
    names = ", ".join(known[:_NAMED_MAX]) + (", …" if len(known) > _NAMED_MAX else "")
    there = f"There is something of: {names}." if known else "There is nothing of any camera yet."
    return SourceNotFound(
        f"No face of camera {camera_id} was counted in the last {days} days. {there} "
        "`mien state` counts faces, and writes them every 5 s."
    )


def coverage(camera_id: str, days: int, counts: Counts, view: View) -> Coverage:
    """Puts counts together cell by cell, with what to do where many faces cannot be read."""
    by_cell: dict[tuple[int, int], dict[str, int]] = {}
    for seen, count in counts.faces.items():
        outcomes = by_cell.setdefault((seen.row, seen.column), {})
        outcomes[seen.outcome] = outcomes.get(seen.outcome, 0) + count
    cells = [_cell(column, row, outcomes) for (row, column), outcomes in sorted(by_cell.items())]
    problems = []
    for region in problem_regions.problem_regions(counts.faces):
        advice = coverage_advice.advise(region, view)
        problems.append(
            UnreadRegion(
                region.reason, region.where, region.faces, region.unread, advice.enlarge, advice.text
            )
        )
    return Coverage(
        camera_id,
        days,
        COLUMNS,
        ROWS,
        counts.picture,
        sum(cell.faces for cell in cells),
        sum(cell.read for cell in cells),
        cells,
        problems,
    )


def _cell(column: int, row: int, outcomes: Mapping[str, int]) -> Cell:
    unread = {reason: count for reason, count in sorted(outcomes.items()) if reason not in READ}
    faces = sum(outcomes.values())
    return Cell(column, row, faces, faces - sum(unread.values()), unread)


def headline(found: Coverage) -> str:
    """Which camera, how much of it could be read, and of what."""
    days = "today" if found.days == 1 else f"the last {found.days} days"
    share = f"{found.read / found.faces:.0%}"
    return f"{found.camera_id}, {days}: {found.read} of {found.faces} faces could be read ({share})"


def show(found: Coverage, terminal: Terminal) -> None:
    """Prints a map of what share of faces could be read in per cent, and the sentences."""
    terminal.print(headline(found), highlight=False)
    terminal.print(heat_map(found))
    for number, problem in enumerate(found.problems, start=1):
        terminal.print(f"{number}. {problem.advice}", highlight=False)
    if not found.problems:
        terminal.print("Nowhere are many faces lost.", highlight=False)


def heat_map(found: Coverage) -> Text:
    """A line a row of cells, four signs a cell: the share of faces that could be read, in per cent."""
    cells = {(cell.column, cell.row): cell for cell in found.cells}
    text = Text()
    for row in range(found.rows):
        for column in range(found.columns):
            cell = cells.get((column, row))
            if cell is None:
                text.append("  · ", "dim")
                continue
            share = cell.read / cell.faces
            style = next(style for least, style in _STYLES if share >= least)
            text.append(f"{int(share * 100):>3} ", style)
        text.append("\n")
    return text
