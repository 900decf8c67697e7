"""Draws the panels of a dashboard, by kind: from its file's JSON and the answers to its queries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from workers.dashboards.board_queries import Shown, Target, name_of
from workers.dashboards.local_prometheus import Series
from workers.dashboards.readable_value import readable

COLORS: Final = {
    "green": "#56a64b",
    "yellow": "#e0b400",
    "orange": "#ff780a",
    "red": "#e02f44",
    "blue": "#3274d9",
    "purple": "#8f3bb8",
}
"""Grafana's names of colours; others are written as they are drawn."""
PALETTE: Final = (
    *("#56a64b", "#e0b400", "#3274d9", "#ff780a", "#e02f44", "#8f3bb8", "#1f9e9e", "#a16207"),
    *("#7a8aa6", "#c2185b", "#8bc34a", "#546e7a"),
)
FRAME: Final = "#d0d0d8"
QUIET: Final = "#6b6b76"
_SHORT_S: Final = 900
_LEGEND_COLUMN: Final = 3
"""Width of a column of the legend, in columns of the dashboard."""
_LEGEND_ROWS: Final = 4


class Answered(NamedTuple):
    """A query of a panel, and what Prometheus said."""

    target: Target
    series: Sequence[Series]


def draw(axes: Axes, spec: Mapping[str, Any], answers: Sequence[Answered], shown: Shown) -> None:
    """Draws a panel's content; ValueError for a kind of panel that no dashboard has."""
    if spec["type"] == "timeseries":
        _lines(axes, spec, answers, shown)
    elif spec["type"] == "stat":
        _numbers(axes, spec, answers)
    elif spec["type"] == "bargauge":
        _bars(axes, spec, answers)
    elif spec["type"] == "state-timeline":
        _states(axes, spec, answers, shown)
    elif spec["type"] == "table":
        _table(axes, spec, answers)
    else:
        raise ValueError(f"unknown kind of panel {spec['type']!r}")


def _named(answers: Sequence[Answered]) -> list[tuple[str, Series]]:
    return [(name_of(answer.target, series), series) for answer in answers for series in answer.series]


def _defaults(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = spec["fieldConfig"]["defaults"]
    return found


def _text(spec: Mapping[str, Any], value: float) -> str:
    defaults = _defaults(spec)
    mapped = _mapped(spec, value)
    return mapped[0] if mapped else readable(value, defaults["unit"], defaults.get("decimals"))


def _mapped(spec: Mapping[str, Any], value: float) -> tuple[str, str] | None:
    """The word and colour that stand for a value."""
    for mapping in _defaults(spec).get("mappings", []):
        if found := mapping["options"].get(f"{value:g}"):
            return found["text"], _color(found["color"])
    return None


def _color(name: str) -> str:
    return COLORS.get(name, name)


def _color_of(spec: Mapping[str, Any], value: float) -> str:
    """By the thresholds."""
    color = ""
    for step in _defaults(spec)["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            color = step["color"]
    return _color(color)


def _time_axis(axes: Axes, shown: Shown) -> None:
    """Times are seconds since the epoch, written as the time of day in UTC."""
    axes.set_xlim(shown.from_s, shown.to_s)
    form = "%H:%M:%S" if shown.to_s - shown.from_s < _SHORT_S else "%H:%M"
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda time_s, _at: datetime.fromtimestamp(time_s, UTC).strftime(form))
    )
    axes.tick_params(labelsize=6.5, colors=QUIET, length=2)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(FRAME)


def _lines(axes: Axes, spec: Mapping[str, Any], answers: Sequence[Answered], shown: Shown) -> None:
    custom = _defaults(spec).get("custom", {})
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    named = sorted(_named(answers), key=lambda one: one[0])
    times = sorted({point[0] for _, series in named for point in series.points})
    base = dict.fromkeys(times, 0.0)
    for at, (name, series) in enumerate(named):
        color = PALETTE[at % len(PALETTE)]
        values = dict(series.points)
        if stacked:
            lower = [base[time_s] for time_s in times]
            for time_s in times:
                base[time_s] += values.get(time_s, 0.0)
            upper = [base[time_s] for time_s in times]
            axes.fill_between(times, lower, upper, color=color, alpha=0.45, linewidth=0)
            axes.plot(times, upper, color=color, linewidth=0.9, label=name)
        else:
            axes.plot(
                [point[0] for point in series.points],
                [point[1] for point in series.points],
                color=color,
                linewidth=1.1,
                label=name,
                linestyle="--" if "(reference)" in name else "-",
            )
    _time_axis(axes, shown)
    axes.grid(color="#ececf0", linewidth=0.6)
    all_values = [point[1] for _, series in named for point in series.points] + list(base.values())
    top = max([_defaults(spec).get("max") or 0.0, *(1.08 * value for value in all_values)])
    axes.set_ylim(min([0.0, *all_values]), top or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: _text(spec, value)))
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        for step in _defaults(spec)["thresholds"]["steps"][1:]:
            if step["value"] < axes.get_ylim()[1]:
                axes.axhline(step["value"], color=_color(step["color"]), linewidth=0.9, linestyle=(0, (4, 3)))
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = spec["gridPos"]["w"] // _LEGEND_COLUMN
        most = columns * _LEGEND_ROWS
        if len(labels) > most:
            labels = [*labels[: most - 1], f"and {len(labels) - most + 1} more"]
        axes.legend(
            handles[: len(labels)],
            labels,
            loc="upper left",
            bbox_to_anchor=(-0.02, -0.1),
            ncols=columns,
            fontsize=6,
            frameon=False,
            handlelength=1.2,
            columnspacing=1.0,
            labelspacing=0.25,
            borderaxespad=0.2,
        )


def _numbers(axes: Axes, spec: Mapping[str, Any], answers: Sequence[Answered]) -> None:
    axes.axis("off")
    named = sorted(_named(answers), key=lambda one: one[0])
    for at, (name, series) in enumerate(named):
        value = series.points[-1][1]
        mapped = _mapped(spec, value)
        middle = (at + 0.5) / len(named)
        size = 22 if len(named) < 3 else 15
        color = mapped[1] if mapped else _color_of(spec, value)
        _write(
            axes, middle, 0.5, _text(spec, value), color=color, fontsize=size, fontweight="bold", ha="center"
        )
        _write(axes, middle, 0.1, name, ha="center")


def _bars(axes: Axes, spec: Mapping[str, Any], answers: Sequence[Answered]) -> None:
    named = sorted(_named(answers), key=lambda one: one[0], reverse=True)
    values = [series.points[-1][1] for _, series in named]
    most = _defaults(spec).get("max") or max([*values, 1e-9])
    plain = len(_defaults(spec)["thresholds"]["steps"]) == 1
    colors = [
        ("#b9c7e0" if "(reference)" in name else _color("blue")) if plain else _color_of(spec, value)
        for (name, _), value in zip(named, values, strict=True)
    ]
    places = range(len(named))
    axes.barh(places, [most] * len(named), color="#f0f0f4", height=0.7)
    axes.barh(places, values, color=colors, height=0.7)
    axes.set_yticks(places, [name for name, _ in named], fontsize=6.5, color=QUIET)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    for at, value in enumerate(values):
        axes.text(most * 1.01, at, _text(spec, value), fontsize=6.5, va="center", color="#333340")
    axes.set_xlim(0, most * 1.14)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _states(axes: Axes, spec: Mapping[str, Any], answers: Sequence[Answered], shown: Shown) -> None:
    named = sorted(_named(answers), key=lambda one: one[0], reverse=True)
    words: dict[str, str] = {}
    for at, (_, series) in enumerate(named):
        for time_s, value in series.points:
            mapped = _mapped(spec, value)
            if mapped is None:
                continue
            words[mapped[0]] = mapped[1]
            axes.barh(
                at,
                1.02 * shown.step_s,  # so that no seam shows
                left=time_s,
                color=mapped[1],
                height=0.7,
                linewidth=0,
            )
    _time_axis(axes, shown)
    axes.set_yticks(range(len(named)), [name for name, _ in named], fontsize=7)
    axes.set_ylim(-0.6, max(len(named), 1) - 0.4)
    for word, color in words.items():
        axes.barh(0, 0, left=shown.from_s, color=color, label=word)
    axes.legend(
        *(axes.get_legend_handles_labels()),
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.12),
        ncols=8,
        fontsize=6,
        frameon=False,
        handlelength=1.0,
    )


def _table(axes: Axes, spec: Mapping[str, Any], answers: Sequence[Answered]) -> None:
    """As Grafana's transformations say: queries side by side, columns chosen, in order, with their names."""
    axes.axis("off")
    transformations = {one["id"]: one["options"] for one in spec["transformations"]}
    shown = transformations["filterFieldsByName"]["include"]["names"]
    names = transformations["organize"]["renameByName"]
    labels = [name for name in shown if not name.startswith("Value")]
    values = [name for name in shown if name.startswith("Value")]
    units = {
        override["matcher"]["options"]: override["properties"][0]["value"]
        for override in spec["fieldConfig"].get("overrides", [])
    }
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for column, answer in zip(values, answers, strict=True):
        for series in answer.series:
            key = tuple(series.labels.get(label, "") for label in labels)
            found.setdefault(key, {})[column] = series.points[-1][1]
    defaults = _defaults(spec)
    headings = [names[name] for name in shown]
    room = max(1, int(spec["gridPos"]["h"] * 2) - 5)
    lefts = _lefts(headings, found)
    for left, heading in zip(lefts, headings, strict=True):
        _write(axes, left, 0.95, heading, fontweight="bold")
    if not found:
        _write(axes, 0, 0.8, str(defaults.get("noValue", "")))
    for row, (key, cells) in enumerate(sorted(found.items(), key=_largest_first)[:room], start=1):
        texts = [
            *key,
            *(
                readable(cells[column], units.get(names[column], defaults["unit"]), defaults.get("decimals"))
                if column in cells
                else "–"
                for column in values
            ),
        ]
        for left, text in zip(lefts, texts, strict=True):
            _write(axes, left, 0.95 - row * 0.97 / (room + 1), text, color="#22222c")


def _lefts(headings: Sequence[str], found: Mapping[tuple[str, ...], object]) -> list[float]:
    """Where each column begins: wide ones for long texts."""
    widths = [
        max([len(heading), *(len(key[at]) for key in found if at < len(key))]) + 2
        for at, heading in enumerate(headings)
    ]
    return [sum(widths[:at]) / sum(widths) for at in range(len(widths))]


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Writes at a place that is given in shares of the panel."""
    usual: dict[str, Any] = {"fontsize": 7, "color": QUIET, "va": "center"}
    axes.text(x, y, text, transform=axes.transAxes, **usual | style)


def _largest_first(row: tuple[tuple[str, ...], dict[str, float]]) -> tuple[float, tuple[str, ...]]:
    key, cells = row
    return (-sum(cells.values()) if len(cells) == 1 else 0.0, key)
