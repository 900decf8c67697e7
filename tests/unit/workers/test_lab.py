"""Without the extra `lab`: what needs it says so in one line, and nothing else needs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from streams.errors import LabMissing
from workers import lab

ROOT = Path(__file__).parents[3]

WITHOUT_LAB = """
import sys
from importlib.abc import MetaPathFinder
from workers import lab
class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in lab.MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotInstalled())
from workers import cli
cli.main()
"""


def without_lab(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LAB, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--seconds", "1"],
        ["bench", "decode"],
        ["train", "faces.npz", "--out", "artifacts"],
        ["export", "mien-128.npz", "--out", "artifacts"],
        ["evaluate", "faces.npz"],
        ["select", "faces.npz"],
        ["limits"],
        ["reproduce", "ck"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_verb_of_the_lab_says_what_to_install(arguments: list[str]) -> None:
    ended = without_lab(*arguments)

    assert ended.returncode == LabMissing.exit_code
    assert re.fullmatch(r"mien: This needs \w+, .*pip install 'mien\[lab\]'.*\n", ended.stderr)


def test_another_missing_module_is_a_fault_of_ours() -> None:
    assert lab.missing(ModuleNotFoundError("No module named 'numpy'", name="numpy")) is None


def test_a_picture_is_explained_without_the_lab(tmp_path: Path) -> None:
    """So far as it gets: the face networks are in a wheel of the lab here, and copied in the image."""
    picture = tmp_path / "face.png"
    picture.write_bytes(b"no picture")

    assert without_lab("explain", str(picture)).returncode == 65


def test_the_list_is_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {re.match(r"[\w-]+", line)[0] for line in project["optional-dependencies"]["lab"]}  # type: ignore[index]
    imported_as = {"confluent-kafka": "confluent_kafka", "scikit-image": "skimage"}

    assert {imported_as.get(name, name) for name in extra} | {"jaxlib"} == lab.MODULES
