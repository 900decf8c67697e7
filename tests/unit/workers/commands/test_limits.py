"""`mien limits`: a report, its files, and clear words when it cannot."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from skimage import data

from models.judging.quality_limits import DEGRADATIONS
from streams.errors import InputRefused, OutputFailed, SourceNotFound
from streams.settings import Settings
from workers.commands import limits

FEW = [
    d._replace(levels=d.levels[:6:5])
    for d in DEGRADATIONS
    if d.name in ("small", "out of focus", "JPEG", "turned aside")
]
QUIET = Console(file=io.StringIO())


@pytest.fixture(autouse=True)
def three_frames_of_the_portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = limits._portrait

    def few() -> Iterator[limits._Shown]:
        return (frame for number, frame in enumerate(whole()) if number in (0, 5, 9))

    monkeypatch.setattr(limits, "_portrait", few)
    monkeypatch.setattr(limits, "JPEG_AT_PX", (None, 40.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(data.astronaut()[:256, 80:380]).save(folder / "a.png")
    (folder / "words.txt").write_text("no picture")
    (folder / "inner").mkdir()
    return folder


def test_the_report_says_what_was_measured_and_on_what(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"

    report = limits.run(Settings(), [folder], 0.9, out, QUIET, FEW)

    assert report.sources["a.png"] == 1
    assert report.faces == sum(report.sources.values()) == 4
    assert 1 <= report.sure <= 4
    assert [(row.degradation, row.level) for row in report.levels] == [
        (d.name, level) for d in FEW for level in d.levels
    ]
    assert {row.faces for row in report.levels} == {report.sure}
    assert [one.measure for one in report.limits] == ["inter_ocular_px", "sharpness", "yaw_deg"]
    assert [row.faces_at for row in report.jpeg] == ["as they are", "40 px"]
    written = json.loads((out / "limits.json").read_bytes())
    assert written["sources"] == report.sources
    assert len(written["levels"]) == len(report.levels)
    assert (out / "limits.png").read_bytes().startswith(b"\x89PNG")

    shown = io.StringIO()
    limits.show(report, Console(file=shown, width=200))
    for words in ("inter_ocular_px", "out of focus", "JPEG 60 against 95", "40 px"):
        assert words in shown.getvalue()


def test_against_the_own_neutral_face_weak_expressions_are_references_too(folder: Path) -> None:
    (folder / "a.png").rename(folder / "Neutral-1.png")
    population, own = (
        limits.run(Settings(), [folder], 0.9, None, QUIET, FEW[:1], neutral=neutral)
        for neutral in get_args(limits.Neutral)
    )
    assert (population.neutral, own.neutral) == ("population", "own")
    assert own.sure == own.faces == population.faces == 4  # its operating point holds nothing back
    assert own.levels != population.levels


def test_a_folder_without_a_neutral_face_is_named(folder: Path) -> None:
    with pytest.raises(InputRefused, match=r"pictures has no picture of a neutral face\..* neutral\.jpg"):
        limits.run(Settings(), [folder], 0.9, None, QUIET, FEW[:1], neutral="own")


def test_without_a_sure_answer_there_is_nothing_to_hold_on_to(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    monkeypatch.setattr(limits, "_portrait", lambda: iter([limits._Shown("grey", grey, neutral=True)]))
    with pytest.raises(InputRefused, match="No face of 48 px or more"):
        limits.run(Settings(), [], 0.9, None, QUIET, FEW)


def test_folders_that_cannot_be_used_are_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"nowhere cannot be read: No such file"):
        limits.run(Settings(), [tmp_path / "nowhere"], 0.9, None, QUIET, FEW)
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed, match=r"file/out cannot be written: Not a directory"):
        limits.run(Settings(), [], 0.9, tmp_path / "file" / "out", QUIET, FEW)


def test_the_whole_portrait_shows_all_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    names = [shown.name for shown in limits._portrait()]
    assert set(names) == {f"portrait, {e}" for e in ("neutral", "happiness", "surprise", "sadness", "anger")}
    assert 20 <= len(names) <= 40
