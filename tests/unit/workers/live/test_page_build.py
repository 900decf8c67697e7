"""The page that is committed is that of its sources, and needs nothing from elsewhere. Without Node."""

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest

from streams.messages.alert import AlertState, Severity
from streams.messages.camera_truth import CameraState
from streams.messages.emotion_event import Abstention, Emotion
from streams.messages.verdict import VerdictWord
from workers.live import live_app

PAGE = live_app.PAGE
SOURCE = PAGE.with_name("page_source")


class Tags(HTMLParser):
    """All tags of a document, with their attributes, and whatever text stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture(scope="module")
def index() -> Tags:
    return Tags((PAGE / "index.html").read_text())


def source_digest() -> str:
    """As vite.config.js works it out."""
    digest = hashlib.sha256()
    paths = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and not path.name.startswith(".") and "node_modules" not in path.parts
    ]
    for path in sorted(paths):
        digest.update(path.encode() + b"\0" + (SOURCE / path).read_bytes() + b"\0")
    return digest.hexdigest()


def test_the_committed_page_is_built_from_these_sources(index: Tags) -> None:
    (built_from,) = [found["content"] for _, found in index.tags if found.get("name") == "source-digest"]

    assert built_from == source_digest(), "`make page` builds it again"


def test_the_page_lives_with_the_content_security_policy(index: Tags) -> None:
    assert index.inline == ""
    for tag, attributes in index.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
    paths = [found[name] for _, found in index.tags for name in ("src", "href") if name in found]
    assert len(paths) == 3
    for path in paths:
        assert path
        assert path.startswith("./")
        assert (PAGE / path).is_file(), path


def test_the_page_asks_nobody_else() -> None:
    namespaces = {"http://www.w3.org/2000/svg"}
    for path in PAGE.rglob("*.*"):
        found = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s\"'`<>)]*", path.read_text()))
        assert found <= namespaces, path


def test_no_address_of_a_registry_is_locked() -> None:
    locked = json.loads((SOURCE / "package-lock.json").read_text())["packages"]

    assert len(locked) > 10
    assert not [name for name, package in locked.items() if "resolved" in package]
    assert all("integrity" in package for name, package in locked.items() if name)


@pytest.mark.parametrize(
    "names", [Emotion, Abstention, CameraState, VerdictWord, AlertState, Severity], ids=str
)
def test_the_page_knows_every_name_that_a_message_may_have(names: Any) -> None:
    written = (SOURCE / "src" / "api.ts").read_text()

    assert [name for name in get_args(names) if f'"{name}"' not in written] == []


def test_every_reason_to_abstain_has_its_words() -> None:
    (table,) = re.findall(
        r"const ABSTAINED[^{]*{(.*?)}", (SOURCE / "src" / "words.ts").read_text(), re.DOTALL
    )

    assert set(re.findall(r'^  "?([\w-]+)"?: "', table, re.MULTILINE)) == set(get_args(Abstention))


def test_the_page_is_in_the_wheel_and_its_sources_are_not() -> None:
    deepest = max(len(path.relative_to(PAGE).parts) for path in PAGE.rglob("*"))
    project = (Path(__file__).parents[4] / "pyproject.toml").read_text()

    assert '"workers.live" = ["page/*", "page/*/*"]' in project
    assert deepest <= 2
