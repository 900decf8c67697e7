"""The kinds of panel that the dashboards are made of, each with what every panel must have.

That is a title, what it says and what is normal, a unit, thresholds, and, where alerts watch the same, their
names: the panel then leads to their runbooks.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

GREEN: Final = "green"
YELLOW: Final = "yellow"
ORANGE: Final = "orange"
RED: Final = "red"
BLUE: Final = "blue"
GREY: Final = "#8e8e8e"

RUNBOOKS: Final = "runbooks"
"""The variable that holds the address of docs/operations.md."""
DATA_SOURCE: Final = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")

Panel = timeseries.Panel | stat.Panel | statetimeline.Panel | bargauge.Panel | table.Panel
_Kind = TypeVar("_Kind", timeseries.Panel, stat.Panel, statetimeline.Panel, bargauge.Panel, table.Panel)
_Reducing = TypeVar("_Reducing", stat.Panel, bargauge.Panel)


class Query(NamedTuple):
    """PromQL, and the name of each series in it: ``{{label}}`` is filled in."""

    expr: str
    legend: str


class About(NamedTuple):
    """What every panel has."""

    title: str
    says: str
    unit: str
    thresholds: Sequence[tuple[float | None, str]] = ((None, BLUE),)
    """From which value on it has which colour; the first has no value. One colour: none is bad."""
    alerts: tuple[str, ...] = ()
    """Those that watch this; their runbooks are linked."""
    width: int = 8
    """Of 24 columns."""
    height: int = 8
    decimals: int | None = None
    most: float | None = None
    """The upper end of the axis or bar."""


def good_below(warning: float, critical: float | None = None) -> Sequence[tuple[float | None, str]]:
    """Thresholds of what should be small."""
    worse = [] if critical is None else [(critical, RED)]
    return [(None, GREEN), (warning, YELLOW if worse else RED), *worse]


def good_above(critical: float, warning: float) -> Sequence[tuple[float | None, str]]:
    """Thresholds of what should be large."""
    return [(None, RED), (critical, YELLOW), (warning, GREEN)]


def lines(about: About, *queries: Query, stacked: bool = False) -> timeseries.Panel:
    """Values over time; stacked where they are parts of a whole."""
    panel = _with_queries(_described(timeseries.Panel(), about), queries)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    panel.line_width(1).show_points(common_models.VisibilityMode.NEVER).min(0)
    if stacked:
        panel.fill_opacity(40).stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if len(about.thresholds) > 1:
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def number(about: About, *queries: Query, texts: Mapping[int, tuple[str, str]] | None = None) -> stat.Panel:
    """The value now, large; `texts` gives some values words and a colour instead."""
    panel = _last_value(_with_queries(_described(stat.Panel(), about), queries))
    panel.color_mode(common_models.BigValueColorMode.VALUE).graph_mode(common_models.BigValueGraphMode.AREA)
    if texts:
        panel.mappings([_texts(texts)]).graph_mode(common_models.BigValueGraphMode.NONE)
    return panel


def levels(about: About, *queries: Query) -> bargauge.Panel:
    """The values now, as bars to compare."""
    panel = _last_value(_with_queries(_described(bargauge.Panel(), about), queries))
    return panel.orientation(common_models.VizOrientation.HORIZONTAL).min(0)


def states(about: About, query: Query, texts: Mapping[int, tuple[str, str]]) -> statetimeline.Panel:
    """Which state each series had when: `texts` gives each number its word and colour."""
    panel = _with_queries(_described(statetimeline.Panel(), about), [query])
    return panel.mappings([_texts(texts)]).merge_values(True).row_height(0.8).fill_opacity(80)


def rows(about: About, columns: Mapping[str, str], *queries: Query) -> table.Panel:
    """A table of values now. `columns`: which labels are shown, and as what; each query is one more column,
    named by its legend."""
    panel = _described(table.Panel(), about)
    for at, query in enumerate(queries):
        panel.with_target(_target(query, at).instant().format(PromQueryFormat.TABLE))
    letters = [_ref_id(at) for at in range(len(queries))]
    values = ["Value"] if len(queries) == 1 else [f"Value #{letter}" for letter in letters]
    shown = {**columns, **dict(zip(values, (query.legend for query in queries), strict=True))}
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="filterFieldsByName", options={"include": {"names": list(shown)}}
        )
    )
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: at for at, name in enumerate(shown)},
                "renameByName": shown,
            },
        )
    )
    return panel.no_value("none")


def unit_of_column(panel: table.Panel, column: str, unit: str) -> table.Panel:
    """Gives one column a unit of its own."""
    return panel.override_by_name(column, [dashboard.DynamicConfigValue(id_val="unit", value=unit)])


def row(title: str) -> dashboard_builders.Row:
    """A heading across the dashboard."""
    return dashboard_builders.Row(title)


def _described(panel: _Kind, about: About) -> _Kind:
    panel.title(about.title).description(about.says).unit(about.unit).datasource(DATA_SOURCE)
    panel.span(about.width).height(about.height)
    panel.thresholds(
        dashboard_builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=color) for value, color in about.thresholds])
    )
    panel.links([_runbook(alert) for alert in about.alerts])
    if about.decimals is not None:
        panel.decimals(about.decimals)
    if about.most is not None:
        panel.max(about.most)
    return panel


def _runbook(alert: str) -> dashboard_builders.DashboardLink:
    link = dashboard_builders.DashboardLink(f"Runbook: {alert}")
    return link.url(f"${{{RUNBOOKS}}}#{alert.lower()}").target_blank(True)


def _with_queries(panel: _Kind, queries: Sequence[Query]) -> _Kind:
    for at, query in enumerate(queries):
        panel.with_target(_target(query, at).range())
    return panel


def _last_value(panel: _Reducing) -> _Reducing:
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    return panel


def _target(query: Query, at: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(_ref_id(at))
        .datasource(DATA_SOURCE)
    )


def _ref_id(at: int) -> str:
    return chr(ord("A") + at)


def _texts(texts: Mapping[int, tuple[str, str]]) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(value): dashboard.ValueMappingResult(text=text, color=color, index=at)
            for at, (value, (text, color)) in enumerate(texts.items())
        }
    )
