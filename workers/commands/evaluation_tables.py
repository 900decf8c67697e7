"""What `mien evaluate` shows: tables in the terminal, and pictures."""

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from models.emotion.classifier import Classifier
from models.emotion.operating_points import ACCURATE
from models.judging.accuracy_figures import Figures
from models.judging.attribution_curves import AttributionQuality
from models.judging.evaluation_report import EVEN, PRESENT_ONLY, UNBIASED, Evaluation, TagFigures

_SHOWN_THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def show(evaluation: Evaluation, console: Console) -> None:
    """Prints the tables of one data set; by class and below at the evaluation's operating point."""
    operating_point = evaluation.operating_point
    faces = {"held-out": "held-out faces", "all": "faces", "pooled": "faces"}[evaluation.part]
    console.rule(f"{evaluation.data_set}: {evaluation.faces} {faces}")
    left_out = evaluation.left_out
    if left_out.without_majority:
        console.print(f"Left out: {left_out.without_majority} faces without a majority label.")
    if left_out.without_own_neutral:
        console.print(
            f"Left out: {left_out.without_own_neutral} faces of persons without another neutral face."
        )
    own = evaluation.population is not None
    console.print(_points_table(evaluation))
    if own:
        console.print(
            "population: the same faces against everybody's mean neutral face.",
            style="dim",
        )
    console.print(
        "* Only emotions that this file has can be answered. ** As if they were also equally likely: each "
        "probability is divided by its mean over the file. For data of another mix than the training's; it "
        "needs the whole file at once.",
        style="dim",
    )
    if evaluation.own_network:
        console.print("The network for own neutral faces answered; population: the other one, accurate.")
    if "contempt" in evaluation.classes_present and evaluation.mean_recall_of_seven:
        told = ", ".join(f"{name} {x:.3f}" for name, x in evaluation.mean_recall_of_seven.items())
        console.print(f"Mean recall of the seven without contempt: {told}", highlight=False)
    if evaluation.by_tag:
        console.print("By tag: other, share of the neutral faces that get another name; recall by emotion.")
    for point in dict.fromkeys(row.operating_point for row in evaluation.by_tag):
        console.print(_tag_table(point, [row for row in evaluation.by_tag if row.operating_point == point]))
    figures = evaluation.operating_points[operating_point]
    console.print(f"\n{operating_point}:", style="bold")
    console.print(_class_table(evaluation, figures, operating_point))
    console.print(_confusion_table(evaluation, figures))
    console.print(_coverage_table(figures))
    if evaluation.robustness:
        console.print(_robustness_table(evaluation))
    if evaluation.attribution:
        console.print(_attribution_table(evaluation.attribution))
    console.print(f"Greatest completeness error: {evaluation.completeness_error_max:.1e}")


def pictures(evaluation: Evaluation, classifier: Classifier) -> dict[str, bytes]:
    """The report's pictures: name → PNG."""
    from models.judging import plots  # matplotlib is slow to import

    operating_point = evaluation.operating_point
    figures = evaluation.operating_points[operating_point]
    name = f"{evaluation.data_set}, {operating_point}"
    made = {
        "confusion": plots.confusion(figures.confusion, classifier.emotions, name),
        "coverage": plots.coverage(figures.coverage_curve, figures.answered, name),
        "reliability": plots.reliability(
            figures.reliability, f"{name}: ECE {figures.expected_calibration_error:.3f}"
        ),
    }
    if evaluation.attribution:
        made["attribution-curves"] = plots.attribution_curves(evaluation.attribution, evaluation.data_set)
    if evaluation.mean_attributions:
        maps = {e: np.array(a, np.float32) for e, a in evaluation.mean_attributions.items()}
        explained = UNBIASED if evaluation.own_network else ACCURATE
        answers = np.sum(evaluation.operating_points[explained].confusion, axis=0)
        faces = dict(zip(classifier.emotions, answers.tolist(), strict=True))
        made["attribution-maps"] = plots.attribution_maps(maps, faces, classifier.landmark_set.indices)
    return made


def _points_table(evaluation: Evaluation) -> Table:
    names = ("accuracy", "balanced", "macro F1", "ECE", "log loss", "answers", "right")
    table = _table("operating point", names)
    own = evaluation.population is not None
    for point, figures in evaluation.operating_points.items():
        title = point.replace(PRESENT_ONLY, " *") if point != EVEN else "even **"
        if title.endswith(" *") and len(evaluation.classes_present) == len(figures.by_class):
            continue  # the same as without
        table.add_row(f"{title}, own" if own else title, *_overall(figures))
        if evaluation.population:
            table.add_row("  population", *_overall(evaluation.population[point]), style="dim")
    return table


def _overall(figures: Figures) -> list[str]:
    answered = figures.answered
    return [
        f"{figures.accuracy:.3f}",
        f"{figures.balanced_accuracy:.3f}",
        f"{figures.macro_f1:.3f}",
        f"{figures.expected_calibration_error:.3f}",
        f"{figures.log_loss:.3f}",
        f"{answered.coverage:.0%}≥{answered.min_confidence:.2f}",
        _plain(answered.accuracy),
    ]


def _tag_table(point: str, rows: Sequence[TagFigures]) -> Table:
    emotions = list(dict.fromkeys(emotion for row in rows for emotion in row.recall))
    table = _table(f"{point}, by tag", ["faces", "other", *(name[:4] for name in emotions)])
    for row in rows:
        named = row.neutral_named_otherwise
        cells = [str(row.faces), "–" if named is None else f"{named:.4f}"]
        table.add_row(row.tag or "none", *cells, *(_short(row.recall.get(name)) for name in emotions))
        areas = [row.auc.get(name) for name in emotions]
        if any(area is not None for area in areas):
            table.add_row("  AUC", "", "", *map(_short, areas), style="dim")
    return table


def _class_table(evaluation: Evaluation, figures: Figures, point: str) -> Table:
    names = ["faces", "recall", "prec.", "F1", "vs rest", "AUC"]
    if evaluation.population:
        names += ["popul.", "gain"]
    table = _table("by class", names)
    for emotion, figure in figures.by_class.items():
        row = [str(figure.faces), *map(_plain, (figure.recall, figure.precision, figure.f1))]
        row += [_plain(figure.one_vs_rest_accuracy), _plain(figure.auc)]
        if evaluation.population and evaluation.recall_gain:
            gain = evaluation.recall_gain[point].get(emotion)
            row.append(_plain(evaluation.population[point].by_class[emotion].recall))
            row.append("–" if gain is None else f"{gain:+.3f}")
        table.add_row(emotion, *row)
    return table


def _confusion_table(evaluation: Evaluation, figures: Figures) -> Table:
    classes = list(figures.by_class)
    table = _table("truth / answer", [name[:5] for name in classes])
    for emotion, counts in zip(classes, figures.confusion, strict=True):
        if emotion in evaluation.classes_present:
            most = max(counts)
            table.add_row(emotion, *(Text(str(n), "bold" if n == most else "") for n in counts))
    return table


def _coverage_table(figures: Figures) -> Table:
    chosen = [figures.coverage_curve[round(100 * threshold)] for threshold in _SHOWN_THRESHOLDS]
    table = _table("confidence from", [f"{c.min_confidence:.1f}" for c in chosen])
    table.add_row("share of faces", *(f"{c.coverage:.0%}" for c in chosen))
    table.add_row("accuracy", *(_plain(c.accuracy) for c in chosen))
    return table


def _robustness_table(evaluation: Evaluation) -> Table:
    names = ("accuracy", "change", "balanced", "same answer")
    table = _table("changed points", names)
    for row in evaluation.robustness:
        table.add_row(
            row.change,
            f"{row.accuracy:.3f}",
            f"{row.accuracy_change_points:+.1f}",
            f"{row.balanced_accuracy_change_points:+.1f}",
            f"{row.same_answer:.1%}",
        )
    return table


def _attribution_table(quality: AttributionQuality) -> Table:
    names = ("logit by it", "at random", "better than random")
    table = _table(f"attribution, {quality.faces} faces", names)
    ours, random = quality.integrated_gradients, quality.random
    table.add_row(
        "deletion (less: better)",
        f"{ours.deletion.logit_area:.2f}",
        f"{random.deletion.logit_area:.2f}",
        f"{quality.deletion_better_than_random:.0%}",
    )
    table.add_row(
        "insertion (more: better)",
        f"{ours.insertion.logit_area:.2f}",
        f"{random.insertion.logit_area:.2f}",
        f"{quality.insertion_better_than_random:.0%}",
    )
    return table


def _table(first: str, columns: Sequence[str]) -> Table:
    return Table(
        Column(first, no_wrap=True),
        *(Column(name, justify="right") for name in columns),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
