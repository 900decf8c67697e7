"""`mien prometheus-rules`: what it prints, and what it says of an address that cannot be."""

import json
import re

import pytest
import yaml
from typer.testing import CliRunner

from streams.errors import SettingsInvalid
from workers import cli
from workers.monitoring import objectives, prometheus_rules, rule_documents
from workers.monitoring.prometheus_rules import Alert, Group, Recording, promql


def test_runbooks_are_where_they_are_said_to_be() -> None:
    for kubernetes in (False, True):
        text = rule_documents.text(kubernetes=kubernetes, runbooks="https://wiki.example.org/mien")
        links = re.findall(r"runbook_url: (\S+)", text)
        assert len(links) > 30
        assert all(link.startswith("https://wiki.example.org/mien#mien") for link in links)


@pytest.mark.parametrize("runbooks", ["docs/operations.md", "https://", "ftp://x/y", "https://x/y#z", ""])
def test_an_address_that_no_link_can_lead_to_is_refused(runbooks: str) -> None:
    with pytest.raises(SettingsInvalid, match="no address of runbooks"):
        rule_documents.text(runbooks=runbooks)


def test_the_verb_prints_yaml_or_json_of_the_same() -> None:
    plain = CliRunner().invoke(cli.app, ["prometheus-rules", "--kubernetes"])
    as_json = CliRunner().invoke(cli.app, ["prometheus-rules", "--kubernetes", "--json"])

    assert json.loads(as_json.output) == yaml.safe_load(plain.output)
    assert len(as_json.output.splitlines()) == 1


def test_a_group_is_written_as_prometheus_reads_it() -> None:
    expr = promql("""
        sum(
          a
        )
    """)
    group = Group(
        "g",
        (
            Recording("mien:a", expr, {"slo": "x"}),
            Alert("MienX", "a > 1", "5m", "info", "S", "D: d", {"window": "1h"}),
            Alert("MienY", "b", "0s", None, "S", "D"),
        ),
        "30s",
    )

    (written,) = yaml.safe_load(prometheus_rules.rule_file([group], runbooks="https://x/y"))["groups"]

    assert (written["name"], written["interval"]) == ("g", "30s")
    recording, alert, unlabelled = written["rules"]
    assert recording == {"record": "mien:a", "expr": "sum(\n  a\n)", "labels": {"slo": "x"}}
    assert alert["labels"] == {"severity": "info", "window": "1h"}
    assert (alert["for"], alert["annotations"]["description"]) == ("5m", "D: d")
    assert alert["annotations"]["runbook_url"] == "https://x/y#mienx"
    assert "labels" not in unlabelled  # the severity is the series'


@pytest.mark.parametrize("window", objectives.WINDOWS, ids=lambda window: window.long)
def test_what_a_window_burns_of_30_days_is_what_it_says(window: objectives.Window) -> None:
    hours = {"1h": 1, "6h": 6, "3d": 72}[window.long]

    assert f"{window.rate * hours / (30 * 24):.0%}" == window.budget.replace(" ", "")
