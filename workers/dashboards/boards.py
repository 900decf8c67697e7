"""The five dashboards as Grafana reads them: `python -m workers.dashboards.boards` writes their files.

Everything that they share is here: data source, cluster, namespace and camera to choose from, and the ways
from each to the others and to the runbooks.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from streams.messages.frame_message import PROBE_CAMERA
from workers import output_files
from workers.dashboards import (
    alerts_board,
    boards_page,
    model_board,
    panels,
    pipeline_board,
    slo_board,
    wall_board,
)
from workers.dashboards.panels import DATA_SOURCE, Panel
from workers.monitoring.prometheus_rules import JOB, RUNBOOKS

OUT: Final = Path("k8s/monitoring/dashboards")
TAG: Final = "mien"


class Board(NamedTuple):
    """A dashboard: what is in it, and what stands above."""

    name: str
    """Its file, and with ``mien-`` before it its uid, which links rely on."""
    title: str
    says: str
    content: Callable[[], Sequence[builders.Row | Panel]]
    since: str = "now-1h"

    @property
    def uid(self) -> str:
        return f"mien-{self.name}"


BOARDS: Final = (
    Board(
        "wall", "Mien: Wall", "What the cameras see now, and whether it can be believed.", wall_board.content
    ),
    Board(
        "pipeline",
        "Mien: Pipeline",
        "Rate, errors and duration of each stage, what waits, what is dropped, and how much is left.",
        pipeline_board.content,
    ),
    Board(
        "model",
        "Mien: Model",
        "How sure the answers are, what they rest on, and whether they drift from the model card.",
        model_board.content,
        "now-6h",
    ),
    Board(
        "alerts",
        "Mien: Alerts",
        "Alerts on faces, by rule, camera and hour, what people say of them, and alerts on Mien itself.",
        alerts_board.content,
        "now-24h",
    ),
    Board(
        "slo",
        "Mien: SLO",
        "What is promised, and how much of the error budgets is left.",
        slo_board.content,
        "now-7d",
    ),
)


def document(board: Board, *, runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """The dashboard as JSON. `runbooks` is the address of docs/operations.md."""
    builder = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.says)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(board.since, "now")
        .refresh("30s")
        .timezone("browser")
        .variables(_variables(runbooks))
        .links(_links())
    )
    for item in board.content():
        if isinstance(item, builders.Row):
            builder.with_row(item)
        else:
            builder.with_panel(item)
    built = builder.build()
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number  # what `?viewPanel=` names
    for variable in built.templating.list_val or [] if built.templating else []:
        if variable.name == panels.RUNBOOKS:
            variable.hide = models.VariableHide.HIDE_VARIABLE
    found: dict[str, Any] = json.loads(json.dumps(built, cls=JSONEncoder))
    return found


def _variables(runbooks: str) -> list[Any]:
    """To choose from. One cluster and one namespace at a time: numbers of two Miens are never added up.

    Where Prometheus has no such label, there is nothing to choose and the empty value stands for it.
    """
    return [
        builders.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("cluster", "Cluster", f'up{{job="{JOB}"}}'),
        _labels("namespace", "Namespace", f'up{{job="{JOB}", cluster="$cluster"}}'),
        _labels(
            "camera",
            "Camera",
            f'mien_camera_up{{cluster="$cluster", namespace="$namespace", camera!="{PROBE_CAMERA}"}}',
        )
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"])),
        builders.ConstantVariable(panels.RUNBOOKS).label("Runbooks").value(runbooks),
    ]


def _labels(name: str, label: str, series: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATA_SOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _links() -> list[Any]:
    others = builders.DashboardLink("Mien").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    runbooks = builders.DashboardLink("Runbooks").type(models.DashboardLinkType.LINK)
    return [
        others.as_dropdown(False).include_vars(True).keep_time(True),
        runbooks.url(f"${{{panels.RUNBOOKS}}}#runbooks").icon("doc").target_blank(True),
    ]


def main(
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = OUT,
    runbooks: Annotated[
        str, typer.Option(help="Where docs/operations.md can be read: an absolute address.")
    ] = RUNBOOKS,
    page: Annotated[Path, typer.Option(help="The file for the page about them.")] = boards_page.OUT,
) -> None:
    """Write the five dashboards, a JSON file each, and the page about them."""
    documents = {board.name: document(board, runbooks=runbooks) for board in BOARDS}
    output_files.make_folder(out)
    for name, written in documents.items():
        output_files.write_json(out / f"{name}.json", written)
    output_files.write_text(page, boards_page.page(documents))


if __name__ == "__main__":
    typer.run(main)
