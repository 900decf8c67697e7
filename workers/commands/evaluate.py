"""`mien evaluate`: how good a model is on labelled faces, its bad sides included."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from models.emotion.classifier import Classifier
from models.judging.evaluation_report import (
    Answers,
    Evaluation,
    EvaluationOptions,
    NothingLeft,
    bias_of,
    evaluate,
    pooled,
)
from models.samples.dataset import Samples, naming, synthetic_people
from models.samples.landmark_files import read
from streams.errors import InputRefused
from streams.settings import Settings
from workers import model_loading, output_files
from workers.commands import labelled_data
from workers.commands.evaluation_tables import pictures
from workers.terminal import progress_label

REPORT_FILE = "evaluation.json"
SYNTHETIC_FACES = 4050  # 450 people


class EvaluatedModel(msgspec.Struct, frozen=True):
    name: str
    version: str
    landmark_set: str
    landmarks: list[int]
    """Indices of the 468 points, in the order of all mean attributions."""
    emotions: list[str]


class Report(msgspec.Struct, frozen=True):
    model: EvaluatedModel
    data_sets: list[Evaluation]
    """After the files, all real faces pooled that one network answered, if they are of several files."""


def run(
    settings: Settings,
    files: Sequence[Path],
    options: EvaluationOptions,
    *,
    model: Path | None,
    out: Path | None,
    console: Console,
) -> Report:
    """Evaluates the model (``model``, else the settings') on each file, and on all of them together.

    Of a file that the model was trained on only the held-out part is taken. A file of expression shapes makes
    people who do not exist, of the held-out neutral faces in the other files. With ``out`` the report and its
    pictures are written there.

    Raises:
        ModelUnusable: if the model cannot be loaded.
        SourceNotFound, InputRefused: if a file is missing, of the wrong kind, or leaves no face to evaluate.
        OutputFailed: if ``out`` cannot be written.
    """
    if model:
        settings = settings.model_copy(update={"model_path": model})
    classifier = model_loading.load_classifier(settings)
    with labelled_data.input_errors():
        bias_of(classifier, options.operating_point)
    if out:
        output_files.make_folder(out)
    parts: list[tuple[Evaluation, Answers]] = []
    left_out: list[str] = []
    real, made = _load(settings, files, classifier.split_seed, console)
    for faces in (*real, *made):
        held_out = faces.sources[0] in classifier.trained_on
        with labelled_data.input_errors():
            try:
                parts.append(_evaluate(classifier, faces, held_out, options, console))
            except NothingLeft as exc:
                left_out.append(str(exc))
                console.print(f"Left out {exc}", markup=False, highlight=False, soft_wrap=True)
    if not parts:
        raise InputRefused("; ".join(left_out), reason="bad-data")
    data_sets = [evaluation for evaluation, _ in parts]
    synthetic = [faces.sources[0] for faces in made]
    for own in (False, True):
        together = [
            part for part in parts if part[0].data_set not in synthetic and part[0].own_network == own
        ]
        if len(together) > 1:
            data_sets.append(pooled(classifier, together))
    report = Report(_about(classifier), data_sets)
    if out:
        _write(report, classifier, out)
    return report


def _load(
    settings: Settings, files: Sequence[Path], seed: int, console: Console
) -> tuple[list[Samples], list[Samples]]:
    """The faces of each file, and those made by each file of expression shapes."""
    with labelled_data.input_errors():
        shapes = {path: arrays for path in files if not path.is_dir() and "expr" in (arrays := read(path))}
    real = [labelled_data.load([path], settings, console, seed=seed) for path in files if path not in shapes]
    if shapes and not real:
        raise InputRefused(
            "expression shapes need held-out neutral faces: name a file of real faces too", reason="bad-data"
        )
    made: list[Samples] = []
    for path, arrays in shapes.items():
        with labelled_data.input_errors(), naming(path):
            made.append(synthetic_people(path.stem, arrays, real, SYNTHETIC_FACES, held_out=True, seed=seed))
    names = [faces.sources[0] for faces in (*real, *made)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputRefused(
            f"two files are called {twice[0]!r}, and names tell data sets apart: rename one",
            reason="bad-data",
        )
    return real, made


def _evaluate(
    classifier: Classifier, faces: Samples, held_out: bool, options: EvaluationOptions, console: Console
) -> tuple[Evaluation, Answers]:
    name = progress_label(faces.sources[0])
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"{name}: {what}", completed=done, total=total)

        few = faces.take(classifier.landmark_set)
        return evaluate(classifier, few, held_out=held_out, options=options, progress=show)


def _write(report: Report, classifier: Classifier, out: Path) -> None:
    output_files.write_json(out / REPORT_FILE, report)
    for evaluation in report.data_sets:
        for name, data in pictures(evaluation, classifier).items():
            output_files.write_bytes(out / f"{evaluation.data_set}-{name}.png", data)


def _about(classifier: Classifier) -> EvaluatedModel:
    return EvaluatedModel(
        classifier.name,
        classifier.version,
        classifier.landmark_set.id,
        classifier.landmark_set.indices.tolist(),
        list(classifier.emotions),
    )
