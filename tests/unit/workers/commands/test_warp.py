"""`mien warp`: neutral photos become landmarks of every emotion, or it is said why not."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from models.faces.canonical import CANONICAL
from models.samples import dataset
from models.samples.expression_sampler import SHAPES
from models.staged.portrait import Head
from streams.errors import InputRefused, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import warp

QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and shapes that move nothing much."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    Image.fromarray(Head(0.8).draw({})).save(folder / "photos" / "ann.png")
    (folder / "photos" / "ben.jpg").write_bytes(b"no picture")
    expr = np.random.default_rng(0).normal(0, 0.002, (len(SHAPES), 468, 3)).astype(np.float32)
    np.savez(folder / "ict.npz", expr=expr, expr_names=list(SHAPES), base=CANONICAL)
    return folder


def test_the_command_writes_a_file_that_training_reads_and_prints_json(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "warped.npz"
    result = CliRunner().invoke(
        app, ["warp", str(folder / "photos"), "--ict", str(folder / "ict.npz"), "--out", str(out), "--json"]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["people"] == 1
    assert told["faces"]["neutral"] == 8
    assert told["faces"]["contempt"] == 2
    assert list(told["left_out"].values()) == ["not-a-picture"]
    assert len(dataset.load([out])) == sum(told["faces"].values()) == 22


def test_what_is_missing_or_wrong_is_told(folder: Path, tmp_path: Path) -> None:
    photos, shapes, out = folder / "photos", folder / "ict.npz", tmp_path / "warped.npz"
    with pytest.raises(SourceNotFound, match="nowhere"):
        warp.run(tmp_path / "nowhere", shapes, out, Settings(), QUIET, 0)
    with pytest.raises(SourceNotFound, match=r"none\.npz"):
        warp.run(photos, tmp_path / "none.npz", out, Settings(), QUIET, 0)
    with pytest.raises(InputRefused, match="no photos"):
        warp.run(tmp_path, shapes, out, Settings(), QUIET, 0)
    with pytest.raises(OutputFailed):
        warp.run(photos, shapes, tmp_path / "no" / "folder.npz", Settings(), QUIET, 0)
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(InputRefused, match=r"none of the photos can be used: .*empty\.png"):
        warp.run(tmp_path, shapes, out, Settings(), QUIET, 0)
    assert not out.exists()
