"""`mien select`: how few landmarks are enough, and which way of choosing them is any good."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from models.faces.landmark_set import LandmarkSet
from models.judging.selection_curve import EVERY, Cell, Plan, Trained, best, check, curve, verdict
from models.training.training_recipe import TrainConfig
from streams.errors import InputRefused
from streams.settings import Settings
from workers import output_files
from workers.capacity.time_per_face import TimePerFace, time_per_face
from workers.commands import labelled_data
from workers.commands.train import SHIPPED_CONFIG

REPORT_FILE, PLOT_FILE = "selection.json", "selection.png"


class Selection(msgspec.Struct, frozen=True):
    data_sets: list[str]
    training_faces: int
    steps: int
    cells: list[Cell]
    times: list[TimePerFace]
    verdicts: list[str]
    """One verdict on each size at which both IG and random sets were tried."""
    chosen: str | None
    """The landmark set that was written."""


def run(
    settings: Settings,
    data: Sequence[Path],
    plan: Plan,
    *,
    config: Path | None,
    steps: int,
    out: Path | None,
    write: Path | None,
    landmarks: int,
    console: Console,
) -> Selection:
    """Trains a network for each size, method and seed of the plan, and compares them on held-out faces.

    ``write`` gets the most accurate set of ``landmarks`` points; ``out`` the report and its plot.

    Raises:
        SourceNotFound, InputRefused: if a file is missing or of the wrong kind, or the plan is impossible.
        OutputFailed: if ``out`` or ``write`` cannot be written.
    """
    with labelled_data.input_errors():
        check(plan)
        chosen_config = replace(TrainConfig.load(config or SHIPPED_CONFIG), steps=steps).alone()
    if write and landmarks not in plan.sizes:
        raise InputRefused(
            f"no set of {landmarks} landmarks is tried, so none can be written: add {landmarks} to --sizes",
            reason="bad-plan",
        )
    if out:
        output_files.make_folder(out)
    if write:
        output_files.check_file(write)
    faces = labelled_data.load(
        data, settings, console, synthetic_share=chosen_config.synthetic_share, seed=chosen_config.seed
    )
    trained: list[Trained] = []
    with labelled_data.input_errors(), Progress(console=console, transient=True) as bar:
        task = bar.add_task("Training", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"Training: {what}", completed=done, total=total)

        for one in curve(chosen_config.for_sources(faces.sources), faces, plan, show):
            trained.append(one)
            scores = one.cell.scores
            console.print(
                f"{one.cell.landmark_set}: accuracy {scores.accuracy:.3f}, "
                f"balanced {scores.balanced_accuracy:.3f}",
                highlight=False,
            )
    cells = [one.cell for one in trained]
    sizes = sorted({cell.landmarks for cell in cells}, reverse=True)
    with console.status("Timing …"):
        times = time_per_face([next(t.model for t in trained if t.cell.landmarks == size) for size in sizes])
    chosen = best(trained, landmarks).model.landmark_set if write else None
    selection = Selection(
        data_sets=list(faces.sources),
        training_faces=int((~faces.validation).sum()),
        steps=steps,
        cells=cells,
        times=times,
        verdicts=[line for size in sizes if (line := verdict(cells, size))],
        chosen=chosen.id if chosen else None,
    )
    _write(selection, chosen, out, write)
    return selection


def show(selection: Selection, console: Console) -> None:
    """Prints the table and the verdicts."""
    held_out = selection.cells[0].scores.faces
    console.print(
        f"{', '.join(selection.data_sets)}: {selection.training_faces} training faces, {held_out} held out, "
        f"{selection.steps} steps a network"
    )
    names = ("accuracy", "balanced", "ms a face, alone", "in batches of 32")
    table = Table("landmarks", *(Column(name, justify="right") for name in names), box=box.SIMPLE_HEAD)
    for time in selection.times:
        rows: dict[str, list[Cell]] = {}
        for cell in selection.cells:
            if cell.landmarks == time.landmarks:
                rows.setdefault(cell.method, []).append(cell)
        for number, (method, cells) in enumerate(rows.items()):
            speed = (
                ("", "") if number else (f"{time.ms_batch_1.median:.3f}", f"{time.ms_batch_32.median:.3f}")
            )
            table.add_row(
                f"{time.landmarks}, {method}" + (f", {len(cells)} sets" if len(cells) > 1 else ""),
                _range([cell.scores.accuracy for cell in cells]),
                _range([cell.scores.balanced_accuracy for cell in cells]),
                *speed,
            )
    console.print(table)
    for line in selection.verdicts:
        console.print(line, highlight=False)
    if selection.chosen:
        console.print(
            f"Written: {selection.chosen}, the most accurate on the held-out faces.", highlight=False
        )


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3f}" if len(values) == 1 else f"{low:.3f} to {high:.3f}"


def _write(selection: Selection, chosen: LandmarkSet | None, out: Path | None, write: Path | None) -> None:
    if out:
        from models.judging import plots  # matplotlib is slow to import

        output_files.write_json(out / REPORT_FILE, selection)
        methods = list(dict.fromkeys(c.method for c in selection.cells if c.method != EVERY)) or [EVERY]
        points = [
            (method, cell.landmarks, cell.scores.accuracy, cell.scores.balanced_accuracy)
            for method in methods
            for cell in selection.cells
            if cell.method in (method, EVERY)
        ]
        times = [(time.landmarks, time.ms_batch_1.median) for time in selection.times]
        title = f"{', '.join(selection.data_sets)}: held-out faces"
        output_files.write_bytes(out / PLOT_FILE, plots.selection(points, times, title))
    if write and chosen:
        output_files.write_text(write, f"{chosen.to_json()}\n")
