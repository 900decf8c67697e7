"""Who may import whom, read from the source itself; docs/architecture.md gives the reasons."""

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "models", "workers")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
"""Every module of ours by its dotted name."""

STREAMS = {"streams", "streams.messages", "streams.store", "streams.telemetry"}
RUNTIME = {"models", "models.faces", "models.emotion"}
"""What decides in the stream."""
LAB = {"models.samples", "models.training", "models.release", "models.judging", "models.staged"}
"""What makes, measures or makes up; the runtime image carries it without the libraries it needs."""

MAY_IMPORT: dict[str, set[str]] = {
    "streams": set(),
    "streams.telemetry": {"streams"},
    "streams.messages": {"streams", "streams.telemetry"},
    "streams.store": {"streams", "streams.messages"},
    "streams.local": {"streams"},
    "models": set(),
    "models.artifacts": set(),
    "models.faces": {"models"},
    "models.emotion": {"models", "models.faces"},
    "models.staged": {"models", "models.faces"},
    "models.samples": {"models", "models.faces"},
    "models.training": {*RUNTIME, "models.samples"},
    "models.release": {*RUNTIME, "models.samples", "models.training", "models.judging"},
    "models.judging": {*RUNTIME, *LAB - {"models.release"}},
    "workers.metering": {*STREAMS, *RUNTIME},
    "workers.overload": {*STREAMS},
    "workers.stages": {
        *STREAMS,
        *RUNTIME,
        "workers",
        "workers.metering",
        "workers.coverage",
        "workers.overload",
    },
    "workers.coverage": {*STREAMS, "models", "workers"},
    "workers.alerts": {*STREAMS, "workers", "workers.stages"},
    "workers.camera": {
        *STREAMS,
        *RUNTIME,
        "models.staged",
        "workers",
        "workers.metering",
        "workers.stages",
        "workers.truth",
    },
    "workers.camera_fleet": {
        *STREAMS,
        "streams.local",
        "models",
        "models.faces",
        "workers",
        "workers.camera",
        "workers.local",
        "workers.truth",
    },
    "workers.truth": {*STREAMS, "models", "models.faces", "models.staged"},
    "workers.access": {*STREAMS, "workers", "workers.alerts"},
    "workers.live": {
        *STREAMS,
        *RUNTIME,
        "workers",
        "workers.access",
        "workers.coverage",
        "workers.live_feed",
        "workers.live_pictures",
        "workers.truth",
    },
    "workers.live_pictures": {*STREAMS, "models", "models.faces"},
    "workers.live_feed": {*STREAMS, "workers.truth"},
    "workers.probe": {*STREAMS, "models.faces", "models.staged", "workers"},
    "workers.local": {*STREAMS, "streams.local", "models.staged", "workers", "workers.camera"},
    "workers.figures": set(),
    "workers.bench_live": {
        *STREAMS,
        "streams.local",
        "models",
        "models.faces",
        "workers",
        "workers.figures",
        "workers.local",
    },
    "workers.bench": {
        *STREAMS,
        "streams.local",
        *RUNTIME,
        *LAB,
        "workers",
        "workers.alerts",
        "workers.bench_live",
        "workers.coverage",
        "workers.stages",
        "workers.camera",
        "workers.figures",
        "workers.local",
        "workers.video_readers",
        "workers.truth",
        "workers.faulty_cameras",
    },
    "workers.faulty_cameras": {"models", "models.faces", "models.staged"},
    "workers.video_readers": {*STREAMS, *RUNTIME, "workers", "workers.camera", "workers.figures"},
    "workers.capacity": {
        *STREAMS,
        *RUNTIME,
        "models.release",
        "models.staged",
        "models.training",
        "workers",
        "workers.bench",
        "workers.bench_live",
        "workers.figures",
        "workers.local",
        "workers.stages",
    },
    "workers.chaos": {
        *STREAMS,
        "streams.local",
        "models.faces",
        "models.staged",
        "workers",
        "workers.local",
    },
    "workers.dashboards": {
        *STREAMS,
        "streams.local",
        "models.faces",
        "models.staged",
        "workers",
        "workers.local",
        "workers.monitoring",
    },
    "workers.commands": {
        *STREAMS,
        *RUNTIME,
        *LAB,
        "workers",
        "workers.stages",
        "workers.bench",
        "workers.capacity",
    },
    "workers.monitoring": {*STREAMS, "workers"},
    "workers.upkeep": {*STREAMS, "workers"},
    "workers": {*STREAMS, *RUNTIME},
    "workers.verbs": set(),
}
"""For each room, the other rooms that it may import from; the command line, which starts all, is free."""

COMMAND_LINE = {"workers.cli", "workers.verbs"}


def room(module: str) -> str:
    """``models.faces`` of ``models.faces.align``; ``streams`` of ``streams.errors``."""
    parts = module.split(".")
    is_room = len(parts) > 2 or (len(parts) == 2 and FILES[module].name == "__init__.py")
    return ".".join(parts[:2]) if is_room else parts[0]


def is_command_line(module: str) -> bool:
    return module in COMMAND_LINE or room(module) in COMMAND_LINE


def imports(source: str) -> set[str]:
    """Every imported name with its dots, wherever the import stands, also by a literal name.

    ``from a import b`` gives ``a.b`` : whether b is a module, the file system tells.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= {
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    return found


def ours(source: str) -> set[str]:
    """The modules of ours that a source imports."""
    found = set()
    for name in imports(source):
        if name.partition(".")[0] in PACKAGES:
            found.add(name if name in FILES else name.rpartition(".")[0])
    return found


def libraries(source: str) -> set[str]:
    return {name.partition(".")[0] for name in imports(source)}


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
    return {str(path.relative_to(ROOT)) for path in FILES.values() if library in libraries(path.read_text())}


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """A way from one node back to itself; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        return list(exc.args[1])
    return []


def test_all_rooms_are_looked_at() -> None:
    assert {room(module) for module in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(filter(lambda module: not is_command_line(module), FILES)))
def test_a_room_imports_only_what_it_may(module: str) -> None:
    mine = room(module)

    imported = {
        name for name in ours(FILES[module].read_text()) if room(name) not in {mine, *MAY_IMPORT[mine]}
    }

    assert not imported


def test_what_runs_in_the_stream_knows_nothing_of_the_lab() -> None:
    """Nor does anything that it imports, however far away."""
    graph = {module: ours(path.read_text()) for module, path in FILES.items()}
    seen: set[str] = set()
    ahead = [
        module
        for module in FILES
        if room(module) in ("models.faces", "models.emotion", "workers.alerts", "workers.stages")
    ]
    while ahead:
        module = ahead.pop()
        if module not in seen:
            seen.add(module)
            ahead += graph[module]

    assert not {module for module in seen if room(module) in {*LAB, "workers.commands", "workers.bench"}}


def test_no_cycle() -> None:
    modules = {module: ours(path.read_text()) - {module} for module, path in FILES.items()}
    rooms: dict[str, set[str]] = {}
    for module in FILES:
        if not is_command_line(module):
            rooms.setdefault(room(module), set()).update(map(room, modules[module]))

    assert not find_cycle(modules)
    assert not find_cycle({name: of - {name} for name, of in rooms.items()})


def test_a_cycle_would_be_found() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES.values()}))
def test_a_room_is_small_enough_to_be_looked_over(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 15


def test_no_file_name_stands_in_two_rooms() -> None:
    """A name leads to one place. A stage's file and its command's are one: the stage."""
    names = [path.name for path in FILES.values() if path.name != "__init__.py"]

    assert {name for name in names if names.count(name) > 1} == set()


def test_the_tests_mirror_the_rooms() -> None:
    unit = ROOT / "tests" / "unit"
    rooms = {name.replace(".", "/") for name in MAY_IMPORT} | {".", "deployment"}

    assert {str(path.parent.relative_to(unit)) for path in unit.rglob("test_*.py")} <= rooms


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
    readers = {str(path.relative_to(ROOT)) for path in FILES.values() if reads_environment(path.read_text())}

    assert readers == {"streams/settings.py"}


@pytest.mark.parametrize(
    "source",
    [
        "import workers.stages.stage",
        "import json, workers.stages.stage as w",
        "from workers.stages import stage",
        "from workers.stages.stage import run",
        "def f():\n    from workers.stages import stage",
        "if TYPE_CHECKING:\n    import workers.stages.stage",
        "importlib.import_module('workers.stages.stage')",
        "__import__('workers.stages.stage')",
    ],
)
def test_every_form_of_import_is_seen(source: str) -> None:
    assert ours(source) == {"workers.stages.stage"}


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
