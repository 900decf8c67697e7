"""`mien evaluate --sequences`: what the state makes of the answers over time, on made-up sequences."""

from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from models.arrays import F32
from models.emotion.classifier import Classifier
from models.emotion.evidence import EvidenceRule
from models.emotion.operating_points import OperatingPoint
from models.judging import sequence_figures
from models.judging.evaluation_report import bias_of
from models.judging.expression_sequences import TurnLimits, read_source
from models.judging.sequence_figures import ExpressionFigures, Judgement, KindFigures
from models.samples.dataset import EMOTIONS, naming
from models.samples.landmark_files import read
from streams.errors import InputRefused
from streams.settings import Settings
from workers import model_loading
from workers.commands import labelled_data


def run(
    settings: Settings,
    file: Path,
    *,
    model: Path | None,
    seed: int,
    console: Console,
) -> Judgement:
    """Follows made-up sequences of the people in a file of warped photos, with the settings of classify and
    state.

    Raises:
        ModelUnusable: if the model cannot be loaded.
        SourceNotFound, InputRefused: if the file is missing, no file of warped photos, or what the model was
            trained on.
    """
    if model:
        settings = settings.model_copy(update={"model_path": model})
    classifier = model_loading.load_classifier(settings)
    if file.stem in classifier.trained_on:
        raise InputRefused(f"{file}: the model was trained on these people", reason="bad-data")
    with labelled_data.input_errors(), naming(file):
        point = _operating_point(classifier, settings)
        source = read_source(read(file), classifier.landmark_set)

    def answer(points: F32, baseline: F32) -> F32:
        own = np.ones(len(points), np.bool_)
        baseline = np.ascontiguousarray(baseline)
        answered = classifier.classify(points, baseline, point.bias, own=own, own_bias=point.bias)
        return answered.probabilities

    threshold = settings.min_confidence
    options = sequence_figures.SequenceOptions(
        rule=EvidenceRule(
            settings.smoothing_s, settings.usual_s, settings.turn_discount, settings.sustained_odds
        ),
        limits=TurnLimits(settings.max_yaw_deg, settings.max_pitch_deg),
        min_confidence=point.min_confidence if threshold is None else threshold,
        seed=seed,
    )
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("sequences", total=None)

        def show_progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        return sequence_figures.judge(answer, source, options, show_progress)


def _operating_point(classifier: Classifier, settings: Settings) -> OperatingPoint:
    """That of faces compared with the subject's own neutral face."""
    if not classifier.knows_own_neutral_faces:
        bias_of(classifier, settings.operating_point)  # tells a wrong name
        return classifier.operating_points[settings.operating_point]
    own, name = classifier.own_operating_points, settings.own_operating_point
    if name not in own:
        raise ValueError(f"the model has no operating point {name!r}; it has {', '.join(own)}")
    return own[name]


def show(judgement: Judgement, console: Console) -> None:
    """Prints the tables."""
    console.rule(f"sequences: {judgement.people} people, {judgement.frames_per_s:g} frames a second")
    console.print(_neutral_table(judgement))
    for kind, figures in judgement.kinds.items():
        if figures.shown:
            console.print(_shown_table(kind, figures))
            console.print(_emotions_table(figures))
    console.print(
        f"exponential: probabilities smoothed over {sequence_figures.EXPONENTIAL_S:g} s, as the state did it "
        "before; as careful: with the smallest bias on neutral "
        f"({judgement.bias_as_careful:+g}) with which it leaves neutral no more often in people who talk. "
        f"In time: at most {sequence_figures.IN_TIME_S:g} s after the apex begins. Delays are from there, "
        "of those that get there before it ends.",
        style="dim",
    )


def _neutral_table(judgement: Judgement) -> Table:
    kinds = {kind: figures for kind, figures in judgement.kinds.items() if figures.neutral}
    table = _table("leaves neutral within 15 s", list(kinds))
    for way in sequence_figures.WAYS:
        table.add_row(way, *(f"{figures.neutral[way].leaves:.3f}" for figures in kinds.values()))
    sequences = (str(figures.neutral["evidence"].sequences) for figures in kinds.values())
    table.add_row("sequences", *sequences, style="dim")
    changes = (f"{figures.rms_change:.4f}" for figures in kinds.values())
    table.add_row("change a frame", *changes, style="dim")
    table.add_row("abstained", *(f"{figures.abstained:.1%}" for figures in kinds.values()), style="dim")
    return table


def _shown_table(kind: str, figures: KindFigures) -> Table:
    table = _table(kind, ["in time", "held", "mistaken", "delay, median s", "p90 s"])
    for way in sequence_figures.WAYS:
        one = figures.shown[way]["all"]
        table.add_row(way, *(f"{x:.3f}" for x in (one.in_time, one.held, one.mistaken)), *_delays(one))
    return table


def _emotions_table(figures: KindFigures) -> Table:
    names = [name for name in EMOTIONS if name in figures.shown["evidence"]]
    table = _table("in time", [name[:5] for name in names])
    for way in sequence_figures.WAYS:
        table.add_row(way, *(f"{figures.shown[way][name].in_time:.2f}" for name in names))
    delays = (_delays(figures.shown["evidence"][name])[0] for name in names)
    table.add_row("evidence: delay, s", *delays, style="dim")
    return table


def _delays(shown: ExpressionFigures) -> list[str]:
    return ["–" if s is None else f"{s:.2f}" for s in (shown.delay_median_s, shown.delay_p90_s)]


def _table(first: str, columns: list[str]) -> Table:
    return Table(
        Column(first, no_wrap=True),
        *(Column(name, justify="right") for name in columns),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
