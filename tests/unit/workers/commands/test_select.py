"""`mien select` on made-up people: the curve, the control, what is written, what stops it."""

import io
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from models.faces.canonical import CANONICAL, REGION
from models.faces.landmark_set import LandmarkSet
from models.judging.selection_curve import Plan, verdict
from streams.errors import InputRefused, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import select

QUICK = """
batch = 64
even_modes = 8
odd_modes = 4
hidden = 48
learning_rate = 5e-3
synthetic_share = 0.0
source_weights = { other = 0.5 }
"""
QUIET = Console(file=io.StringIO())
PLAN = Plan((468, 6), ("ig", "random", "greedy", "informed"), 1)


def people_file(path: Path, people: int = 80) -> Path:
    """Each with a neutral face, a smile and an open mouth."""
    rng = np.random.default_rng(0)
    faces = ("neutral", "happiness", "surprise")
    label = np.array(faces * people)
    points = CANONICAL + rng.normal(0, 0.01, (len(label), 468, 3)).astype(np.float32)
    for emotion, region, down in (("happiness", "mouth corner", -0.05), ("surprise", "chin", 0.05)):
        moving = np.array([name.startswith(region) for name in REGION])
        points[np.ix_(label == emotion, moving, np.array([1]))] += down
    np.savez(
        path,
        q=points.astype(np.float32),
        scale=np.full(len(label), 100, np.float32),
        offset=np.full((len(label), 3), 300, np.float32),
        label=label,
        subject=np.repeat(np.arange(people), len(faces)),
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("selection")
    people_file(folder / "people.npz")
    (folder / "quick.toml").write_text(QUICK)
    return folder


def run(folder: Path, plan: Plan, **options: Any) -> select.Selection:
    given = {"out": None, "write": None, "landmarks": 6, "steps": 60, "console": QUIET} | options
    return select.run(Settings(), [folder / "people.npz"], plan, config=folder / "quick.toml", **given)


@pytest.fixture(scope="module")
def selection(folder: Path) -> select.Selection:
    """What the command printed for scripts."""
    arguments = ["select", str(folder / "people.npz"), "--config", str(folder / "quick.toml"), "--json"]
    arguments += ["--methods", "ig, informed, greedy,random", "--sizes", "468,6", "--seeds", "1"]
    arguments += ["--steps", "200", "--landmarks", "6"]
    arguments += ["--out", str(folder / "out"), "--write", str(folder / "best.json")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "time_per_face", partial(select.time_per_face, seconds=0.05))
        ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    return msgspec.json.decode(ended.stdout, type=select.Selection)


def test_a_network_for_each_size_method_and_seed(selection: select.Selection) -> None:
    cells = [(cell.method, cell.seed, cell.landmarks) for cell in selection.cells]

    assert cells == [
        ("all", None, 468),
        ("ig", None, 6),
        ("informed", None, 6),
        ("greedy", None, 6),
        ("random", 0, 6),
    ]
    assert len({cell.landmark_set for cell in selection.cells}) == 5
    assert (selection.training_faces, selection.cells[0].scores.faces) == (216, 24)
    assert [cell.by_data_set["people"] for cell in selection.cells] == [
        cell.scores for cell in selection.cells
    ]


def test_greedy_knows_that_one_point_of_a_chin_is_enough(selection: select.Selection) -> None:
    accuracy = {cell.method: cell.scores.accuracy for cell in selection.cells}

    assert accuracy["all"] > 0.95
    assert accuracy["greedy"] > max(accuracy["ig"], accuracy["random"], 0.8)
    assert selection.verdicts == [verdict(selection.cells, 6)]


def test_each_size_is_timed(selection: select.Selection) -> None:
    assert [time.landmarks for time in selection.times] == [468, 6]
    for time in selection.times:
        assert 0 < time.ms_batch_1.p10 <= time.ms_batch_1.median
        assert time.ms_batch_32.median > 0


def test_report_plot_and_the_best_set_are_written(folder: Path, selection: select.Selection) -> None:
    written = msgspec.json.decode((folder / "out" / "selection.json").read_bytes(), type=select.Selection)
    chosen = LandmarkSet.load(folder / "best.json")

    assert written == selection
    with Image.open(folder / "out" / "selection.png") as picture:
        picture.verify()
    assert chosen.id == selection.chosen
    of_size = [cell for cell in selection.cells if cell.landmarks == 6]
    most = max(cell.scores.accuracy for cell in of_size)
    assert next(c for c in of_size if c.landmark_set == chosen.id).scores.accuracy == most


def test_the_table_shows_all(selection: select.Selection) -> None:
    shown = io.StringIO()
    select.show(selection, Console(file=shown, width=120))

    for words in ("468, all", "6, ig", "6, greedy", "6, informed", "6, random", *selection.verdicts):
        assert words in shown.getvalue()


@pytest.mark.parametrize(
    ("plan", "options", "error", "message"),
    [
        (Plan((0,)), {}, InputRefused, "1 to 468 points, not 0"),
        (Plan((500,)), {}, InputRefused, "not 500"),
        (
            Plan((8,), ("magic",)),
            {},
            InputRefused,
            "unknown method 'magic'; known are ig, random, greedy, inf",
        ),
        (Plan((), ()), {}, InputRefused, "at least one"),
        (Plan((8,), ("random",), 0), {}, InputRefused, "at least 1 seed"),
        (Plan((8,)), {"write": Path("x.json"), "landmarks": 9}, InputRefused, "add 9 to --sizes"),
        (Plan((8,)), {"out": Path("/dev/null/x")}, OutputFailed, "cannot be written"),
        (Plan((6,)), {"write": Path("/nowhere/x.json")}, OutputFailed, "Cannot write /nowhere/x"),
    ],
)
def test_what_stops_it(
    folder: Path, plan: Plan, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(folder, plan, **options)


def test_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text(QUICK)
    with pytest.raises(SourceNotFound, match=r"people\.npz"):
        run(tmp_path, PLAN)


def test_sizes_that_are_no_numbers(folder: Path) -> None:
    ended = CliRunner().invoke(app, ["select", str(folder / "people.npz"), "--sizes", "many"])

    assert ended.exit_code == 2
    assert "such as 468,128,32" in ended.output
