"""`mien reproduce`: the seed paper's experiment on CK+, which everybody must get for themselves."""

from pathlib import Path

import msgspec
from msgspec.structs import replace
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from models.judging.paper_reproduction import TARGETS, Reproduction, reproduce
from models.samples.picture_folders import CK_IMAGES, CK_LABELS
from models.training.training_recipe import TrainConfig
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings
from workers.capacity.time_per_face import TimePerFace, time_per_face
from workers.commands import labelled_data
from workers.commands.train import SHIPPED_CONFIG


class Report(msgspec.Struct, frozen=True):
    data: str
    steps: int
    result: Reproduction
    times: list[TimePerFace]


def run(settings: Settings, folder: Path, *, folds: int, steps: int, console: Console) -> Report:
    """Finds the faces of CK+ in its official layout, cross-validates, and times the last fold's networks.

    Raises:
        SourceNotFound: if there is no such folder.
        InputRefused: if it is not laid out as CK+, shows no faces, or has too few persons for the folds.
    """
    if not folder.is_dir():
        raise SourceNotFound(f"{folder} is no folder: name the one that holds {CK_IMAGES}/ and {CK_LABELS}/")
    if missing := [name for name in (CK_IMAGES, CK_LABELS) if not (folder / name).is_dir()]:
        raise InputRefused(
            f"{folder} has no folder {missing[0]}/: CK+ is handed out as two archives; unpack both here, so "
            f"that {CK_IMAGES}/ and {CK_LABELS}/ lie side by side",
            reason="no-ck-plus",
        )
    with labelled_data.input_errors():
        shipped = TrainConfig.load(SHIPPED_CONFIG)
        config = replace(shipped.alone().for_sources(()), steps=steps, synthetic_share=0.0)
    faces = labelled_data.load([folder], settings, console)
    with labelled_data.input_errors(), Progress(console=console, transient=True) as bar:
        task = bar.add_task("Training", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"Training: {what}", completed=done, total=total)

        result, models = reproduce(config, faces, folds, show)
    with console.status("Timing …"):
        times = time_per_face(models)
    return Report(faces.sources[0], steps, result, times)


def show(report: Report, console: Console) -> None:
    """Prints the table."""
    result = report.result
    counts = ", ".join(f"{count} {emotion}" for emotion, count in result.faces.items() if count)
    console.print(
        f"{report.data}: {sum(result.faces.values())} faces ({counts}) of {result.subjects} persons, "
        f"{result.folds} folds, no person in two",
        highlight=False,
    )
    names = ("one-vs-rest", "folds", "recall", "precision", "F1", "AUC")
    for emotion in TARGETS:
        table = Table(emotion, *(Column(name, justify="right") for name in names), box=box.SIMPLE_HEAD)
        for name, arm in result.arms.items():
            of, folds = arm.targets[emotion], arm.one_vs_rest_accuracy_of_folds[emotion]
            row = [_plain(value) for value in (of.recall, of.precision, of.f1, of.auc)]
            spread = f"{min(folds):.3f} to {max(folds):.3f}"
            table.add_row(name, f"{of.one_vs_rest_accuracy:.3f}", spread, *row)
        table.add_row(
            'always "no"', f"{result.always_no[emotion]:.3f}", "", "0.000", "–", "–", "0.500", style="dim"
        )
        console.print(table)
    table = Table("all emotions", *(Column(name, justify="right") for name in ("accuracy", "balanced")))
    table.box = box.SIMPLE_HEAD
    for name, arm in result.arms.items():
        table.add_row(name, f"{arm.accuracy:.3f}", f"{arm.balanced_accuracy:.3f}")
    console.print(table)
    for time in report.times:
        console.print(
            f"{time.landmarks} landmarks: {time.ms_batch_1.median:.3f} ms a face with its explanation, "
            f"{time.ms_batch_32.median:.3f} ms in batches of 32",
            highlight=False,
        )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
