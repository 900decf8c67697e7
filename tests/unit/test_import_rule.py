"""Who may import whom, read from the source itself (DESIGN.md, "Import rule")."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "models", "workers")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FORBIDDEN = {"streams": {"models", "workers"}, "models": {"streams", "workers"}, "workers": set()}


def imports(source: str) -> set[str]:
    """The first part of every imported name, wherever the import stands, also by a literal name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= {
                argument.value.partition(".")[0]
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    return found


def reads_environment(source: str) -> bool:
    """Whether ``os.environ`` or ``os.getenv`` is used in any form; ``os.putenv`` only writes."""
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in names:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            return bool(names & {alias.name for alias in node.names})
    return False


def importers(library: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in FILES if library in imports(path.read_text())}


def test_all_three_packages_are_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(PACKAGES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_streams_and_models_know_nothing_of_the_others(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]

    assert not imports(path.read_text()) & FORBIDDEN[package]


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("ai_edge_litert", "models/faces/litert_engine.py"),
        ("mediapipe", "models/judging/facemesh_reference.py"),
        ("onnxruntime", "models/emotion/classifier.py"),
    ],
)
def test_one_file_imports_it(library: str, only: str) -> None:
    assert importers(library) == {only}


def test_one_file_reads_the_environment() -> None:
    readers = {str(path.relative_to(ROOT)) for path in FILES if reads_environment(path.read_text())}

    assert readers == {"streams/settings.py"}


@pytest.mark.parametrize(
    "source",
    [
        "import workers.cli",
        "import json, workers as w",
        "from workers import stage",
        "from workers.stages.stage import run",
        "def f():\n    from workers import stage",
        "if TYPE_CHECKING:\n    import workers",
        "importlib.import_module('workers.stages.stage')",
        "__import__('workers')",
    ],
)
def test_every_form_of_import_is_seen(source: str) -> None:
    assert "workers" in imports(source)


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("os.environ['HOME']", True),
        ("os.getenv('HOME')", True),
        ("from os import environ", True),
        ("from os import getenv as g", True),
        ("os.putenv('A', 'b')", False),
        ("from os import path", False),
    ],
)
def test_every_form_of_reading_the_environment_is_seen(source: str, reads: bool) -> None:
    assert reads_environment(source) is reads
