"""No private attribute of a library in what runs in the stream: a release may change it without a word."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for room in ("streams", "workers/stages", "workers/camera", "workers/local")
    for path in (ROOT / room).rglob("*.py")
)
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit"}
"""Documented in spite of their names: a named tuple's, and os._exit."""
LIBRARIES = ("aiokafka", "faust", "mode")
MAY_BE_DERIVED_FROM = {"ConsumerRebalanceListener"}
"""aiokafka's listener is made for it. Others have private methods that a class of ours could replace."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def private_uses(source: str) -> set[str]:
    """Private names of others: attributes of what is not ``self`` or ``cls``, imports, ``getattr``."""
    found = set()
    own = {
        node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    } | {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls")
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if ast.unparse(node.value) not in ("self", "cls") and node.attr not in own:
                found.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names if is_private(alias.name)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(str(name.value)):
                found.add(ast.unparse(node))
    return found


def library_bases(source: str) -> set[str]:
    """The classes of Kafka's libraries that a source's classes derive from."""
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES
        for alias in node.names
    }
    bases = {
        ast.unparse(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases
    }
    return {base for base in bases if base in imported or base.split(".")[0] in LIBRARIES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_public_api_is_used(path: Path) -> None:
    source = path.read_text()

    assert private_uses(source) == set()
    assert library_bases(source) <= MAY_BE_DERIVED_FROM


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("consumer._fetcher._min = 1", {"consumer._fetcher._min", "consumer._fetcher"}),
        ("class A:\n    def f(self): self._worker._schedule()", {"self._worker._schedule"}),
        ("from faust.app import _attached", {"_attached"}),
        ("getattr(consumer, '_client')", {"getattr(consumer, '_client')"}),
        ("class A:\n    def _f(self, other): return other._f()", set()),
        ("os._exit(1); pair._replace(a=1)", set()),
    ],
)
def test_private_uses_are_seen(source: str, found: set[str]) -> None:
    assert private_uses(source) == found


@pytest.mark.parametrize(
    ("source", "bases"),
    [
        ("from faust.transport import Transport\nclass A(Transport): ...", {"Transport"}),
        ("import faust\nclass A(faust.Schema): ...", {"faust.Schema"}),
        ("from streams.errors import MienError\nclass A(MienError): ...", set()),
    ],
)
def test_derived_classes_are_seen(source: str, bases: set[str]) -> None:
    assert library_bases(source) == bases
