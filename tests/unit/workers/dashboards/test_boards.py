"""The dashboards' files: made by the code, whole, apart for each Mien, and about series that there are."""

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from typer.testing import CliRunner

from streams import metrics
from streams.messages import camera_truth
from workers.dashboards import board_queries, boards, boards_page
from workers.dashboards.board_queries import BoardPanel, Shown
from workers.dashboards.boards import BOARDS
from workers.dashboards.wall_board import CAMERA_STATES
from workers.monitoring.prometheus_rules import RUNBOOKS

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "k8s" / "monitoring" / "dashboards"
FILES = board_queries.read_all(FOLDER)
PANELS = [panel for name, board in FILES.items() for panel in board_queries.panels_of(name, board)]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "k8s" / "monitoring" / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
SHOWN = Shown("c", "n", 0, 3600, 15)
OF_PROMETHEUS = {"up": {"job", "component"}, "ALERTS": {"alertname", "alertstate", "severity", "camera"}}
TARGETS = {"cluster", "namespace", "job", "component", "instance"}

each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.board}: {panel.title}")


def labels_of_series() -> dict[str, set[str]]:
    """The labels of every series of ours, by its name."""
    found = dict(OF_PROMETHEUS)
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name, labels = metric._name, set(metric._labelnames)
            if isinstance(metric, Histogram):
                found |= {f"{name}_bucket": {*labels, "le"}, f"{name}_sum": labels, f"{name}_count": labels}
            else:
                found[f"{name}_total" if isinstance(metric, Counter) else name] = labels
    return found


def selectors(expr: str) -> list[tuple[str, str]]:
    """Name and matchers of each selector: every name of a series, with braces or without."""
    return re.findall(r"(?<![\w:\"$])((?:mien[_:][\w:]+)|up|ALERTS)\b(?:\{([^}]*)\})?", expr)


def exprs() -> list[str]:
    return [target.expr for panel in PANELS for target in panel.targets]


def anchors(page: Path) -> set[str]:
    """Of all headings, as Markdown renderers make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_files_are_what_the_code_makes() -> None:
    """If not: `python -m workers.dashboards.boards`."""
    assert {board.name: boards.document(board) for board in BOARDS} == FILES


def test_the_command_writes_the_files_with_ones_own_runbooks(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(boards.main)

    options = ["--out", str(tmp_path), "--page", str(tmp_path / "page")]
    done = CliRunner().invoke(app, [*options, "--runbooks", "https://wiki.example.com/mien"])

    assert done.exit_code == 0, done.output
    written = board_queries.read_all(tmp_path)
    assert written.keys() == FILES.keys()
    assert "mien.example.org" not in str(written)
    assert "https://wiki.example.com/mien" in str(written["wall"])


def test_links_can_rely_on_the_uids() -> None:
    uids = [board["uid"] for board in FILES.values()]

    assert uids == ["mien-alerts", "mien-model", "mien-pipeline", "mien-slo", "mien-wall"]
    assert max(map(len, uids)) <= 40


@pytest.mark.parametrize("board", FILES.values(), ids=FILES)
def test_a_dashboard_can_be_narrowed_and_leads_to_the_others(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    others, runbooks = board["links"]

    assert list(variables) == ["datasource", "cluster", "namespace", "camera", "runbooks"]
    assert variables["datasource"]["query"] == "prometheus"
    assert not any(variables[name]["includeAll"] for name in ("cluster", "namespace"))
    assert (variables["camera"]["multi"], variables["camera"]["includeAll"]) == (True, True)
    assert (others["type"], others["tags"], others["includeVars"]) == ("dashboards", board["tags"], True)
    assert runbooks["url"] == "${runbooks}#runbooks"
    assert variables["runbooks"]["query"] == RUNBOOKS
    assert variables["runbooks"]["hide"] == 2


@pytest.mark.parametrize("board", FILES.values(), ids=FILES)
def test_panels_lie_beside_each_other_and_have_numbers(board: dict[str, Any]) -> None:
    places = [spec["gridPos"] for spec in board["panels"]]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert [spec["id"] for spec in board["panels"]] == list(range(1, len(places) + 1))
    # No hole either: each heading's panels fill whole lines.
    bottom = max(y for _, y in taken) + 1
    assert len(taken) == 24 * bottom


@each_panel
def test_a_panel_says_what_it_is(panel: BoardPanel) -> None:
    defaults = panel.spec["fieldConfig"]["defaults"]

    assert panel.title
    assert re.fullmatch(r"[A-Z].{20,}[.]", panel.spec["description"], re.DOTALL)
    assert defaults["unit"] in {"short", "none", "s", "percentunit", "sci"}
    assert defaults["thresholds"]["steps"][0]["value"] is None
    assert panel.targets
    assert panel.spec["datasource"]["uid"] == "${datasource}"
    steps = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert steps == sorted(steps)


@each_panel
def test_a_panels_runbook_is_that_of_an_alert(panel: BoardPanel) -> None:
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    sections = anchors(ROOT / "docs" / "operations.md")

    for link in panel.spec.get("links", []):
        alert = link["title"].removeprefix("Runbook: ")
        assert alert in alerts
        assert link["url"] == f"${{runbooks}}#{alert.lower()}"
        assert alert.lower() in sections


def test_every_alert_has_a_panel_that_shows_what_it_watches() -> None:
    linked = {
        link["title"].removeprefix("Runbook: ") for panel in PANELS for link in panel.spec.get("links", [])
    }

    assert {rule["alert"] for rule in RULES if "alert" in rule} == linked


def test_every_state_of_a_camera_has_a_word_and_a_colour() -> None:
    assert tuple(CAMERA_STATES) == camera_truth.CAMERA_STATES


@each_panel
def test_no_query_sees_another_mien(panel: BoardPanel) -> None:
    for target in panel.targets:
        found = selectors(target.expr)
        assert found
        for name, matchers in found:
            assert matchers.startswith('cluster="$cluster", namespace="$namespace"'), f"{name} of every Mien"


@each_panel
def test_queries_are_about_series_and_labels_that_there_are(panel: BoardPanel) -> None:
    known = labels_of_series()
    recorded = {rule["record"] for rule in RULES if "record" in rule}

    for target in panel.targets:
        names = {name for name, _ in selectors(target.expr)}
        assert names <= known.keys() | recorded
        if names & recorded:
            continue  # labels of what is recorded are its rule's
        labels = TARGETS.union(*(known[name] for name in names))
        by = {label for group in re.findall(r"by \(([^)]*)\)", target.expr) for label in group.split(", ")}
        assert by <= labels
        for name, matchers in selectors(target.expr):
            assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= known[name] | TARGETS
        assert set(re.findall(r"\{\{(\w+)\}\}", target.legend)) <= by | labels


@each_panel
def test_the_probe_is_no_camera(panel: BoardPanel) -> None:
    """Its events are known beforehand: they do not count among those of real cameras."""
    known = labels_of_series()
    for target in panel.targets:
        for name, matchers in selectors(target.expr):
            if "camera" in known.get(name, ()) and name not in OF_PROMETHEUS:
                assert 'camera=~"$camera", camera!="mien-probe"' in matchers


def test_prometheus_can_parse_every_query(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("promtool is not installed")
    assert promtool is not None
    numbers = itertools.count()
    rules = [{"record": f"q{next(numbers)}", "expr": SHOWN.fill(expr)} for expr in exprs()]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)

    assert f"{len(rules)} rules found" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_each_panel_says_stands_in_the_docs() -> None:
    page = (ROOT / "docs" / "dashboards.md").read_text()

    assert page == boards_page.page({board.name: FILES[board.name] for board in BOARDS})
    assert {
        panel.title for panel in PANELS if f"- **{panel.title}**: {panel.spec['description']}" not in page
    } == set()
    assert {name for name in FILES if f"(dashboards/{name}.png)" not in page} == set()
    assert "${" not in page


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ('sum(mien_x_total{a="b"}) / up', [("mien_x_total", 'a="b"'), ("up", "")]),
        ('mien:slo_bad:ratio_5m{slo="fresh"}', [("mien:slo_bad:ratio_5m", 'slo="fresh"')]),
        ('ALERTS{alertname=~"Mien.+"}', [("ALERTS", 'alertname=~"Mien.+"')]),
        ('up{job="mien"}', [("up", 'job="mien"')]),
    ],
)
def test_selectors_are_seen(expr: str, found: list[tuple[str, str]]) -> None:
    assert selectors(expr) == found
