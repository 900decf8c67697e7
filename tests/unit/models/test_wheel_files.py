"""Where the face networks and the portrait come from, and what is said when they are nowhere."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from models import wheel_files
from models.faces.litert_engine import LiteRtEngine
from models.wheel_files import ALL, FACE_MESH, WheelFileMissing, find


@pytest.fixture(autouse=True)
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copies"
    monkeypatch.setattr(wheel_files, "COPIES", folder)
    return folder


@pytest.fixture
def _no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_files.importlib.util, "find_spec", lambda _: None)


def test_copies_are_found_without_the_wheels(
    copies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel_files.main(["--out", str(copies)])
    monkeypatch.setattr(wheel_files.importlib.util, "find_spec", lambda _: None)

    assert [find(file).parent for file in ALL] == [copies] * 3
    assert capsys.readouterr().out.split() == [str(copies / file.name) for file in ALL]
    LiteRtEngine().close()


@pytest.mark.parametrize("spec", [None, ModuleSpec("mediapipe", None, origin="/elsewhere/__init__.py")])
def test_without_copy_and_wheel_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None
) -> None:
    monkeypatch.setattr(wheel_files.importlib.util, "find_spec", lambda _: spec)

    with pytest.raises(WheelFileMissing, match=r"pip install --no-deps mediapipe==0\.10\.21"):
        LiteRtEngine()


def test_another_file_of_the_name_is_refused(copies: Path) -> None:
    copies.mkdir()
    (copies / FACE_MESH.name).write_bytes(b"another network")

    with pytest.raises(ValueError, match=r"face_landmark\.tflite is not the face landmark network"):
        find(FACE_MESH)


@pytest.mark.usefixtures("_no_wheels")
def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        wheel_files.main(["--out", str(tmp_path / "out")])

    assert ended.value.code == 1
    assert "face_landmark.tflite is missing" in capsys.readouterr().err
