"""`mien extract`: labelled pictures become a file of landmarks, or it is said why not."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from models.samples import dataset
from models.samples.own_neutral import own_neutral_faces
from models.staged.portrait import Head
from streams.errors import InputRefused, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers.cli import app
from workers.commands import extract

QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "pictures"
    head = Head(1.0)
    for name, intensities in (
        ("neutral/ann/1", {}),
        ("happy/ann/1", {"happiness": 1.0}),
        ("Surprised/2", {"surprise": 1.0}),
    ):
        (folder / name).parent.mkdir(parents=True)
        Image.fromarray(head.draw(intensities)).save(folder / f"{name}.jpg")
    (folder / "happy" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    return folder


def test_what_was_extracted_loads_like_the_folder(pictures: Path, tmp_path: Path) -> None:
    extracted = extract.run(pictures, tmp_path / "faces.npz", Settings(), QUIET)

    assert extracted.faces == {"surprise": 1, "happiness": 1, "neutral": 1}
    assert extracted.subjects == 1
    ((path, why),) = extracted.left_out.items()
    assert path.endswith("happy/broken.jpg")
    assert why in ("corrupt", "not-a-picture")
    samples = dataset.load([tmp_path / "faces.npz"])
    assert [dataset.EMOTIONS[label] for label in samples.label] == ["surprise", "happiness", "neutral"]
    assert samples.subject.tolist() == [-1, 0, 0]
    faces, known = own_neutral_faces(samples)
    assert known.tolist() == [False, True, False]
    assert (faces[1] == samples.points[2]).all()


def test_the_command_prints_json_for_scripts(pictures: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["extract", str(pictures), "--out", str(tmp_path / "faces.npz"), "--json"]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["faces"] == {"surprise": 1, "happiness": 1, "neutral": 1}
    assert told["file"] == str(tmp_path / "faces.npz")


def test_the_command_prints_a_line_for_people(pictures: Path, tmp_path: Path) -> None:
    shown = io.StringIO()
    extract.show(extract.run(pictures, tmp_path / "f.npz", Settings(), QUIET), Console(file=shown))
    assert "f.npz: 3 faces (1 surprise, 1 happiness, 1 neutral), 1 known subjects" in shown.getvalue()


def test_what_stops_it(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="gone cannot be read: No such file"):
        extract.run(tmp_path / "gone", tmp_path / "f.npz", Settings(), QUIET)
    with pytest.raises(SourceNotFound, match=r"1\.jpg cannot be read: Not a directory"):
        extract.run(pictures / "happy" / "ann" / "1.jpg", tmp_path / "f.npz", Settings(), QUIET)
    with pytest.raises(InputRefused, match="looked for"):
        extract.run(tmp_path, tmp_path / "f.npz", Settings(), QUIET)
    with pytest.raises(InputRefused, match=r"none of 4 pictures.*too-large"):
        extract.run(pictures, tmp_path / "f.npz", Settings(max_frame_pixels=4096), QUIET)
    with pytest.raises(OutputFailed, match="in a folder that is there"):
        extract.run(pictures, tmp_path / "no" / "f.npz", Settings(), QUIET)
    with pytest.raises(OutputFailed, match="name a file"):
        extract.run(pictures, tmp_path, Settings(), QUIET)
    assert list(tmp_path.iterdir()) == []
