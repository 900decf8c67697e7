"""`mien settings`: what is in force, where it comes from, and nothing secret."""

from pathlib import Path

import pytest
from rich.console import Console

from streams import settings
from streams.settings import Settings
from workers.commands import settings_table

ROOT = Path(__file__).parents[4]


def test_the_committed_page_is_in_step() -> None:
    assert (ROOT / "docs/settings.md").read_text() == settings_table.markdown(), (
        "run `mien settings --markdown > docs/settings.md`"
    )


def test_the_page_tells_the_defaults_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings_table.markdown()
    monkeypatch.setenv("MIEN_TOPIC_PREFIX", "trial")
    monkeypatch.setenv("MIEN_TOPIC_PARTITIONS", "many")

    assert settings_table.markdown() == before


def test_the_table_shows_values_sources_and_names_that_no_setting_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIEN_TOPIC_PREFIX", "[/trial]"[1:-1].replace("/", "x-"))
    settings_table.show(settings.in_force(Settings()), ["MIEN_TOPIC_PERFIX"], Console(width=200))
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "MIEN_TOPIC_PREFIX" in line]

    assert "x-trial" in line
    assert "environment" in line
    assert "MIEN_TOPIC_PERFIX is set, but no setting has this name" in out
