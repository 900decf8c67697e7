"""Figures as PNG bytes. The lab's only file that imports matplotlib; the canvas is its own, not pyplot's."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.arrays import F32
from models.emotion.draw import AGAINST_COLOR, FOR_COLOR, NO_MATTER_COLOR
from models.faces.canonical import CANONICAL
from models.judging.accuracy_figures import Answered, ReliabilityBin
from models.judging.attribution_curves import AttributionQuality, Curve
from models.judging.quality_limits import Evidence, Limit, Measure, isotonic

DPI: Final = 130
_SIGNED: Final = LinearSegmentedColormap.from_list(
    "attribution", [np.array(color) / 255 for color in (AGAINST_COLOR, NO_MATTER_COLOR, FOR_COLOR)]
)


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> bytes:
    """Rows are true classes; a cell's colour is its share of the row."""
    table = np.array(counts)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(1.6 + 0.75 * len(classes), 1.2 + 0.6 * len(classes))
    axes.imshow(share, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(table.shape):
        if table[row].sum():
            axes.text(
                column,
                row,
                f"{table[row, column]}\n{share[row, column]:.0%}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share[row, column] > 0.6 else "black",
            )
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="answer", ylabel="truth", title=title)
    return _png(figure)


def coverage(curve: Sequence[Answered], chosen: Answered, title: str) -> bytes:
    """Accuracy of the answers against the share of the faces that get one."""
    figure, axes = _figure()
    given = [point for point in curve if point.accuracy is not None]
    axes.plot([p.coverage for p in given], [p.accuracy for p in given], color=_FOR, label="any threshold")
    if chosen.accuracy is not None:
        axes.plot(
            chosen.coverage,
            chosen.accuracy,
            "o",
            color="black",
            label=f"threshold {chosen.min_confidence:.2f}",
        )
    axes.set(xlabel="share of the faces with an answer", ylabel="accuracy of the answers", title=title)
    axes.legend()
    return _png(figure)


def reliability(bins: Sequence[ReliabilityBin], title: str) -> bytes:
    """Accuracy against confidence; calibrated answers lie on the diagonal. Dots grow with their faces."""
    figure, axes = _figure(5, 5)
    used = [b for b in bins if b.faces]
    most = max((b.faces for b in used), default=1)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    axes.plot([b.confidence for b in used], [b.accuracy for b in used], color=_FOR, linewidth=1)
    axes.scatter(
        [b.confidence or 0 for b in used],
        [b.accuracy or 0 for b in used],
        s=[15 + 120 * b.faces / most for b in used],
        color=_FOR,
    )
    axes.set(xlabel="mean confidence", ylabel="accuracy", title=title, xlim=(0, 1), ylim=(0, 1))
    return _png(figure)


def attribution_curves(quality: AttributionQuality, title: str) -> bytes:
    """Deletion and insertion, in logits and probabilities, against random order."""
    figure = _blank(9, 6.5)
    grid = figure.subplots(2, 2)
    rows: tuple[tuple[str, Curve, Curve, float], ...] = (
        (
            "deletion",
            quality.integrated_gradients.deletion,
            quality.random.deletion,
            quality.deletion_better_than_random,
        ),
        (
            "insertion",
            quality.integrated_gradients.insertion,
            quality.random.insertion,
            quality.insertion_better_than_random,
        ),
    )
    for column, (name, ours, random, better) in enumerate(rows):
        for row, scale in enumerate(("logit", "probability")):
            axes = grid[row, column]
            axes.plot(
                quality.share_of_points, getattr(ours, scale), color=_FOR, label="by Integrated Gradients"
            )
            axes.plot(
                quality.share_of_points,
                getattr(random, scale),
                color="grey",
                label=f"at random ({quality.random_orders} orders a face)",
            )
            axes.set(xlabel="share of the points", ylabel=f"{scale} of the answer")
            axes.set_title(f"{name}: better than random on {better:.0%}" if row == 0 else name, fontsize=9)
            axes.legend(fontsize=7)
    figure.suptitle(title)
    return _png(figure)


def attribution_maps(maps: Mapping[str, F32], faces: Mapping[str, int], indices: NDArray[np.int32]) -> bytes:
    """Mean attributions [K] of each emotion, drawn on the canonical face at the points `indices` [K].

    Each panel has its own scale: warm dots speak for the emotion, cool ones against it.
    """
    columns = 4
    rows = max(1, -(-len(maps) // columns))
    figure = _blank(3 * columns, 3.4 * rows)
    grid = np.array(figure.subplots(rows, columns)).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    for axes, (emotion, attribution) in zip(grid, maps.items(), strict=False):
        most = float(np.abs(attribution).max(initial=0)) or 1.0
        axes.scatter(CANONICAL[:, 0], -CANONICAL[:, 1], s=1, color="lightgrey")
        order = np.argsort(np.abs(attribution))  # the strongest on top
        chosen = CANONICAL[indices[order]]
        axes.scatter(
            chosen[:, 0],
            -chosen[:, 1],
            c=attribution[order] / most,
            s=6 + 60 * np.abs(attribution[order]) / most,
            cmap=_SIGNED,
            vmin=-1,
            vmax=1,
            edgecolors="grey",
            linewidths=0.2,
        )
        axes.set_aspect("equal")
        axes.set_title(f"{emotion} ({faces[emotion]} faces)", fontsize=10)
    figure.suptitle("Mean attribution: warm speaks for the emotion, cool against it")
    return _png(figure)


def selection(
    points: Sequence[tuple[str, int, float, float]], times: Sequence[tuple[int, float]], title: str
) -> bytes:
    """Accuracy and balanced accuracy of landmark sets, rows (method, landmarks, accuracy, balanced), and the
    time for a face, rows (landmarks, ms), by size. A band spans the sets of one method and size."""
    figure = _blank(13, 4.5)
    accuracy, balanced, time = figure.subplots(1, 3)
    for axes, place, name in ((accuracy, 2, "accuracy"), (balanced, 3, "balanced accuracy")):
        for method in dict.fromkeys(row[0] for row in points):
            sizes = sorted({row[1] for row in points if row[0] == method})
            values = [[float(row[place]) for row in points if row[:2] == (method, size)] for size in sizes]
            (line,) = axes.plot(sizes, [np.mean(v) for v in values], "o-", markersize=4, label=method)
            axes.fill_between(
                sizes, [min(v) for v in values], [max(v) for v in values], color=line.get_color(), alpha=0.2
            )
        axes.set_ylabel(name)
        axes.legend()
    time.plot(*zip(*sorted(times), strict=True), "o-", markersize=4, color="black")
    time.set(ylabel="ms for one face, explained", ylim=(0, None))
    ticks = sorted({row[1] for row in points})
    for axes in (accuracy, balanced, time):
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("landmarks")
    figure.suptitle(title)
    return _png(figure)


def limits(evidence: Mapping[Measure, Evidence], found: Sequence[Limit], share: float) -> bytes:
    """Share of same answers against each quality measure, with its limit and the limit's 5 to 95 % range.

    The line is the isotonic fit that the limit is read from; a dot stands for a tenth of the trials.
    """
    figure = _blank(10, 6.5)
    for axes, one in zip(figure.subplots(2, 2).flat, found, strict=False):
        quality, same, _ = evidence[one.measure]
        order = np.argsort(quality if one.worst_measured < one.best_measured else -quality, kind="stable")
        axes.plot(quality[order], isotonic(same[order].astype(float)), color=_FOR, linewidth=1)
        for tenth in np.array_split(order, min(10, len(order))):
            axes.plot(np.median(quality[tenth]), same[tenth].mean(), "o", color=_FOR, markersize=4)
        axes.axhline(share, color="grey", linewidth=1, linestyle="--")
        if one.value is not None:
            axes.axvline(one.value, color="black", linewidth=1)
            axes.axvspan(one.low, one.high, color="black", alpha=0.1)
        if one.measure == "sharpness":
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel=one.measure, ylabel="same answer", ylim=(0, 1.03))
        axes.set_title("limit not reached" if one.value is None else f"limit {one.value:.3g}", fontsize=9)
    return _png(figure)


def small_faces(recalls: Sequence[tuple[str, str, float, float]], title: str) -> bytes:
    """Recall over the size of faces, rows (picture, way of looking, face px, recall): a panel a picture."""
    pictures = list(dict.fromkeys(row[0] for row in recalls))
    figure = _blank(1 + 4.5 * len(pictures), 4)
    panels = figure.subplots(1, len(pictures), sharey=True, squeeze=False)[0]
    for axes, picture in zip(panels, pictures, strict=True):
        rows = [row for row in recalls if row[0] == picture]
        for way in dict.fromkeys(row[1] for row in rows):
            line = sorted((px, recall) for _, one, px, recall in rows if one == way)
            axes.plot(*zip(*line, strict=True), "o-", markersize=4, label=way)
        ticks = sorted({row[2] for row in rows})
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="width of the face's box, px", title=picture, ylim=(-0.03, 1.03))
    panels[0].set_ylabel("recall within a second")
    panels[0].legend()
    figure.suptitle(title)
    return _png(figure)


_FOR: Final = tuple(value / 255 for value in FOR_COLOR)


def _blank(width_in: float, height_in: float) -> Figure:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _figure(width_in: float = 6, height_in: float = 4) -> tuple[Figure, Any]:
    figure = _blank(width_in, height_in)
    return figure, figure.subplots()


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    return data.getvalue()
