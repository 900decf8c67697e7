"""`mien evaluate`: how good a model is on labelled faces, its bad sides included."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from models.classifier import Classifier
from models.data_set_evaluation import Answers, Evaluation, Options, bias_of, evaluate, pooled
from models.dataset import Samples
from streams.errors import InputRefused
from streams.settings import Settings
from workers import loading, output, samples
from workers.evaluation_tables import pictures

REPORT_FILE = "evaluation.json"


class Model(msgspec.Struct, frozen=True):
    name: str
    version: str
    landmark_set: str
    landmarks: list[int]
    """Into the 468 points; the order of all mean attributions."""
    emotions: list[str]


class Report(msgspec.Struct, frozen=True):
    model: Model
    data_sets: list[Evaluation]
    """The last one is all of them pooled, if there are several."""


def run(
    settings: Settings,
    files: Sequence[Path],
    options: Options,
    *,
    model: Path | None,
    out: Path | None,
    console: Console,
) -> Report:
    """Evaluates the model (``model``, else the settings') on each file, and on all of them together.

    Of a file that the model was trained on only the held-out part is taken. With ``out`` the report and its
    pictures are written there.

    Raises:
        ModelUnusable: if the model cannot be loaded.
        SourceNotFound, InputRefused: if a file is missing, of the wrong kind, or leaves no face to evaluate.
        OutputFailed: if ``out`` cannot be written.
    """
    if model:
        settings = settings.model_copy(update={"model_path": model})
    classifier = loading.load_classifier(settings)
    with samples.told_as_input_errors():
        bias_of(classifier, options.operating_point)
    if out:
        output.make_folder(out)
    parts: list[tuple[Evaluation, Answers]] = []
    for path in files:
        faces = samples.load([path], settings, console, seed=classifier.split_seed)
        if faces.sources[0] in (evaluation.data_set for evaluation, _ in parts):
            raise InputRefused(
                f"two files are called {faces.sources[0]!r}, and names tell data sets apart: rename one",
                reason="bad-data",
            )
        parts.append(_evaluate(classifier, faces, options, console))
    data_sets = [evaluation for evaluation, _ in parts]
    if len(parts) > 1:
        data_sets.append(pooled(classifier, parts))
    report = Report(_about(classifier), data_sets)
    if out:
        _write(report, classifier, options.operating_point, out)
    return report


def _evaluate(
    classifier: Classifier, faces: Samples, options: Options, console: Console
) -> tuple[Evaluation, Answers]:
    name = faces.sources[0]
    with samples.told_as_input_errors(), Progress(console=console, transient=True) as bar:
        task = bar.add_task(escape(name), total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"{escape(name)}: {what}", completed=done, total=total)

        return evaluate(
            classifier,
            faces.take(classifier.landmark_set),
            held_out=name in classifier.trained_on,
            options=options,
            progress=show,
        )


def _write(report: Report, classifier: Classifier, operating_point: str, out: Path) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=2)
    output.write_bytes(out / REPORT_FILE, encoded + b"\n")
    for evaluation in report.data_sets:
        for name, data in pictures(evaluation, operating_point, classifier).items():
            output.write_bytes(out / f"{evaluation.data_set}-{name}.png", data)


def _about(classifier: Classifier) -> Model:
    return Model(
        classifier.name,
        classifier.version,
        classifier.landmark_set.id,
        classifier.landmark_set.indices.tolist(),
        list(classifier.emotions),
    )
