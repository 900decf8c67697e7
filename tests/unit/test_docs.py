"""No sentence about files that do not exist: paths and modules that prose names are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/artifacts/*.md"))
    if path.name != "CHANGELOG.md"  # tells of the past too
)
SOURCES = sorted(
    path for room in ("streams", "models", "workers", "tests") for path in (ROOT / room).rglob("*.py")
)
OTHERS = [ROOT / "Makefile", ROOT / "Dockerfile", ROOT / "compose.yaml", ROOT / "pyproject.toml"]

_PATH = re.compile(r"(?<![\w./-])(?:streams|models|workers|tests|k8s|docs|\.ci)/[\w./-]*\w")
_NAME = re.compile(r"(?<![\w./-])[\w-]+\.md\b")
_MODULE = re.compile(r"`+((?:streams|models|workers)(?:\.[a-z_0-9]+)+)((?:\.[A-Z_]\w*)*)`+")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
MADE_BY_RUNNING = {"models/from_wheels"}
"""What a command writes and git does not keep."""


OTHER_PROJECTS_PAGES = {"CONFIGURATION.md"}  # librdkafka's


def paths_named(text: str) -> set[str]:
    """``docs/limits.md`` and the like; not file names with a star, nor parts of addresses."""
    return {match[0].rstrip(".") for match in _PATH.finditer(text)}


def pages_named(text: str) -> set[str]:
    """Markdown files that are named without their folder: ``MODEL_CARD.md``."""
    return {match[0] for match in _NAME.finditer(text)}


def modules_named(text: str) -> set[str]:
    """The dotted names between back quotes, without a class at their end."""
    return {match[1] for match in _MODULE.finditer(text)}


def exists(path: str) -> bool:
    whole = ROOT / path
    return whole.exists() or any(path.startswith(made) for made in MADE_BY_RUNNING)


def is_module_or_in_one(name: str) -> bool:
    """``models.faces``, ``models.faces.align``, ``models.faces.head_pose.pose_deg``."""
    parts = name.split(".")
    for end in (len(parts), len(parts) - 1):
        path = ROOT.joinpath(*parts[:end])
        if path.with_suffix(".py").is_file():
            rest = parts[end:]
            return not rest or rest[0] in path.with_suffix(".py").read_text()
        if end == len(parts) and (path / "__init__.py").is_file():
            return True
    return False


@pytest.mark.parametrize("page", [*PAGES, *OTHERS, *SOURCES], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_named_is_there(page: Path) -> None:
    text = page.read_text()
    if page == Path(__file__):
        return  # its examples are made up

    assert {path for path in paths_named(text) if not exists(path)} == set()
    assert {name for name in modules_named(text) if not is_module_or_in_one(name)} == set()
    assert pages_named(text) <= {path.name for path in PAGES} | {"CHANGELOG.md"} | OTHER_PROJECTS_PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text())

    assert {link for link in links if not (page.parent / link).exists()} == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see docs/limits.md.", {"docs/limits.md"}),
        ("`models/faces/align.py:align`", {"models/faces/align.py"}),
        ("https://example.org/docs/x.html", set()),
        ("k8s/base holds", {"k8s/base"}),
    ],
)
def test_paths_are_seen(text: str, found: set[str]) -> None:
    assert paths_named(text) == found


def test_modules_are_seen() -> None:
    assert modules_named("`models.faces.align.Alignment` and ``streams.broker``") == {
        "models.faces.align",
        "streams.broker",
    }
    assert is_module_or_in_one("models.faces.head_pose.pose_deg")
    assert not is_module_or_in_one("models.faces.nothing")
    assert not is_module_or_in_one("models.align")
