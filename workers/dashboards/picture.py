"""Pictures of the dashboards for the docs: `python -m workers.dashboards.picture`. Not Grafana's, but ours.

Each is drawn from the dashboard's file and from what a real Prometheus answered to each of its queries, while
everything ran that `workers.dashboards.trial_run` starts.
"""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from streams.local.kafka_server import KafkaServer
from workers import output_files
from workers.dashboards import board_queries, picture_panels, trial_run
from workers.dashboards.board_queries import Shown
from workers.dashboards.boards import OUT as BOARDS
from workers.dashboards.local_prometheus import LocalPrometheus
from workers.dashboards.picture_panels import FRAME, Answered
from workers.terminal import Terminal

OUT: Final = Path("docs/dashboards")
COLUMNS: Final = 24
WIDTH_IN: Final = 15.0
ROW_IN: Final = 0.33
DPI: Final = 96
COLORS: Final = 200
"""Of a picture's palette: charts need no more, and files stay small."""


def picture(name: str, board: Mapping[str, Any], prometheus: LocalPrometheus, shown: Shown) -> bytes:
    """A dashboard as a PNG file."""
    rows = max(spec["gridPos"]["y"] + spec["gridPos"]["h"] for spec in board["panels"]) + 1.5
    figure = Figure(figsize=(WIDTH_IN, rows * ROW_IN), facecolor="#f4f5f8", dpi=DPI)
    FigureCanvasAgg(figure)
    figure.text(0.008, 1 - 0.9 / rows, board["title"], fontsize=13, fontweight="bold", color="#22222c")
    figure.text(0.13, 1 - 0.9 / rows, board["description"], fontsize=9, color="#6b6b76")
    for spec in board["panels"]:
        if spec["type"] == "row":
            below = 1 - (1.5 + spec["gridPos"]["y"] + 0.75) / rows
            figure.text(0.008, below, f"▾ {spec['title']}", fontsize=9.5, fontweight="bold", color="#44444f")
    for panel in board_queries.panels_of(name, board):
        answers = [
            Answered(target, board_queries.answer(prometheus, target, shown)) for target in panel.targets
        ]
        _place(figure, panel.spec, answers, shown, rows)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor=figure.get_facecolor())
    image = Image.open(drawn).convert("RGB")
    file = io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _place(
    figure: Figure, spec: Mapping[str, Any], answers: list[Answered], shown: Shown, rows: float
) -> None:
    """Puts a panel where its dashboard has it: frame, title, content."""
    grid = spec["gridPos"]
    x, width = grid["x"] / COLUMNS, grid["w"] / COLUMNS
    height = grid["h"] / rows
    y = 1 - (1.5 + grid["y"]) / rows - height
    gap_x, gap_y = 0.003, 0.1 / rows
    figure.patches.append(
        FancyBboxPatch(
            (x + gap_x, y + gap_y),
            width - 2 * gap_x,
            height - 2 * gap_y,
            boxstyle="square,pad=0",
            transform=figure.transFigure,
            facecolor="white",
            edgecolor=FRAME,
            linewidth=0.8,
            zorder=-1,  # behind the axes
        )
    )
    figure.text(
        x + 0.008, y + height - 0.75 / rows, spec["title"], fontsize=8, fontweight="bold", color="#33333d"
    )
    with_legend = spec["type"] in ("timeseries", "state-timeline")
    left, below = (0.042, 2.1 / rows) if with_legend else (0.01, 0.3 / rows)
    if spec["type"] == "state-timeline":
        left = 0.125
    if spec["type"] == "bargauge":
        left = 0.1
    axes = figure.add_axes((x + left, y + below, width - left - 0.01, height - below - 1.1 / rows))
    axes.set_facecolor("white")
    picture_panels.draw(axes, spec, answers, shown)


def main(
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = OUT,
    boards: Annotated[Path, typer.Option(help="The folder of the dashboards.")] = BOARDS,
    seconds: Annotated[
        float, typer.Option(help="How long all runs after the camera is lost.", min=1)
    ] = 120.0,
) -> None:
    """Run everything on this machine, and draw each dashboard from what Prometheus answers."""
    output_files.make_folder(out)
    console = Terminal(stderr=True)
    with (
        KafkaServer(short_lived=True) as kafka,
        trial_run.running(kafka.bootstrap, say=console.print) as trial,
    ):
        console.print(f"Going on for {seconds:.0f} s …")
        until_s = time.time() + seconds
        while time.time() < until_s:
            trial.chain.check()
            time.sleep(0.5)
        shown = Shown(
            trial_run.CLUSTER,
            trial_run.NAMESPACE,
            trial.started_s,
            time.time(),
            trial_run.SCRAPE_INTERVAL_S,
        )
        for name, board in board_queries.read_all(boards).items():
            output_files.write_bytes(out / f"{name}.png", picture(name, board, trial.prometheus, shown))
            console.print(f"{out / name}.png")


if __name__ == "__main__":
    typer.run(main)
