"""`mien evaluate --sequences` on made-up people, with the shipped model: what it prints, what stops it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from made_up_people import warped
from rich.console import Console
from typer.testing import CliRunner

from models.judging.expression_sequences import KINDS
from models.judging.sequence_figures import WAYS, Judgement
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import sequences

QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sequences") / "people.npz"
    np.savez(path, **warped(people=2))
    return path


def run(file: Path, **settings: float) -> Judgement:
    return sequences.run(Settings(**settings), file, model=None, seed=0, console=QUIET)


@pytest.fixture(scope="module")
def judgement(file: Path) -> Judgement:
    return run(file)


def test_every_kind_and_way_is_told(judgement: Judgement) -> None:
    assert judgement.people == 2
    assert set(judgement.kinds) == set(KINDS)
    assert set(judgement.kinds["talking"].neutral) == set(WAYS)
    assert judgement.kinds["expression"].shown["evidence"]["happiness"].sequences == 2


def test_the_states_settings_are_used(file: Path, judgement: Judgement) -> None:
    never = run(file, sustained_odds=-99.0).kinds["expression"].shown
    unsure = run(file, min_confidence=1.0).kinds["expression"]

    assert never["evidence"]["all"].in_time == 0
    assert never["frames"] == judgement.kinds["expression"].shown["frames"]
    assert unsure.abstained == 1


def test_the_command_prints_tables_or_json(file: Path) -> None:
    tables = CliRunner().invoke(app, ["evaluate", str(file), "--sequences"], env={"COLUMNS": "140"})
    told = CliRunner().invoke(app, ["evaluate", str(file), "--sequences", "--json"])

    assert tables.exit_code == told.exit_code == 0
    for text in ("2 people", "talking and turning", "exponential", "evidence", "in time", "happi"):
        assert text in tables.stdout
    assert json.loads(told.stdout)["kinds"]["talking"]["neutral"]["evidence"]["sequences"] == 2


@pytest.mark.parametrize("more", [["again.npz"], ["--out", "here"]])
def test_it_takes_one_file_and_writes_none(file: Path, more: list[str]) -> None:
    told = CliRunner().invoke(app, ["evaluate", str(file), "--sequences", *more])

    assert told.exit_code == 2
    assert "takes one file" in told.stderr


def test_files_that_it_cannot_use_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"nothing\.npz"):
        run(tmp_path / "nothing.npz")
    arrays = warped(people=1)
    np.savez(tmp_path / "untagged.npz", **{name: array for name, array in arrays.items() if name != "tag"})
    with pytest.raises(InputRefused, match=r"untagged\.npz.*'tag' is missing"):
        run(tmp_path / "untagged.npz")
    np.savez(tmp_path / "muxspace.npz", **arrays)
    with pytest.raises(InputRefused, match="was trained on these people"):
        run(tmp_path / "muxspace.npz")
