"""Rules, Prometheus and Alertmanager: about metrics that exist, with tests and runbooks."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.utils import floatToGoString

from streams import metrics
from streams.messages.camera_truth import CAMERA_STATES
from workers.monitoring import rule_documents
from workers.monitoring.prometheus_rules import STAGES

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "k8s" / "monitoring"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = [rule for rule in RULES if "record" in rule]
RUNBOOKS = ALERTS[0]["annotations"]["runbook_url"].partition("#")[0]
"""As it was when the rules were last written: `make rules RUNBOOKS=…`."""
TESTS = ("rules_test.yaml", "objectives_test.yaml")
MIEN = {"cluster", "namespace"}
"""What tells one Mien from another in a Prometheus that watches several."""
TARGET_LABELS = {*MIEN, "job", "instance", "component"}  # what pod-monitor.yaml and prometheus.yaml give
METRICS = {m._name: m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)}


def ids(rule: dict[str, Any]) -> str:
    labels = rule.get("labels", {})
    return "-".join([rule.get("alert") or rule["record"], *map(str, labels.values())])


every_alert = pytest.mark.parametrize("rule", ALERTS, ids=ids)
every_rule = pytest.mark.parametrize("rule", RULES, ids=ids)


def series() -> dict[str, set[str]]:
    """The label names of every series that the stages export or that is recorded, beside Prometheus' own."""
    found: dict[str, set[str]] = {}
    for name, metric in METRICS.items():
        labels = {*metric._labelnames, *TARGET_LABELS}
        if isinstance(metric, Counter):
            found[f"{name}_total"] = labels
        elif isinstance(metric, Histogram):
            found |= {f"{name}_bucket": {*labels, "le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            assert isinstance(metric, Gauge)
            found[name] = labels
    recorded = {rule["record"]: {*MIEN, "slo", "camera", "measure", "value"} for rule in RECORDED}
    return found | recorded | {"up": TARGET_LABELS}


def named_series(expr: str) -> set[str]:
    """Every series that a PromQL expression names, in a matcher on ``__name__`` too."""
    return set(re.findall(r"\bmien:\w+(?::\w+)?|\bmien_\w+|\bup\b", expr))


def label_matchers(expr: str) -> list[tuple[str, str, str]]:
    """(series, label, value) of every matcher in an expression; a value that is only left out is none."""
    return [
        (name, label, value)
        for name, matchers in re.findall(r"([\w:]+)\{([^}]*)\}", expr)
        for label, value in re.findall(r'(\w+)\s*=~?\s*"([^"]*)"', matchers)
    ]


def command(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{name} is not installed: `make servers`")
    assert path is not None
    return path


def run(name: str, *args: str | Path) -> str:
    done = subprocess.run([command(name), *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rule_tests(file: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((MONITORING / file).read_text())
    return loaded


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", MONITORING / "rules.yaml")
    assert "1 rule files found" in run("promtool", "check", "config", MONITORING / "prometheus.yaml")


@pytest.mark.parametrize("file", TESTS)
def test_alerts_fire_and_are_silent_as_their_tests_say(file: str) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", MONITORING / file)


@every_alert
def test_every_alert_and_window_is_tested_for_firing_and_for_silence(rule: dict[str, Any]) -> None:
    window = rule.get("labels", {}).get("window")
    fires = [
        any(alert["exp_labels"].get("window") == window for alert in case["exp_alerts"])
        for file in TESTS
        for test in rule_tests(file)["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]

    assert set(fires) == {True, False}


@pytest.mark.parametrize("file", TESTS)
def test_groups_are_tested_in_the_order_in_which_they_follow_from_one_another(file: str) -> None:
    assert rule_tests(file)["group_eval_order"] == [group.name for group in rule_documents.GROUPS]


def beside_a_healthy_one(test: dict[str, Any]) -> dict[str, Any]:
    """The same Mien, and two in which all is well: one in another namespace, one in another cluster."""
    healthy = rule_tests("rules_test.yaml")["tests"][0]["input_series"]
    return test | {
        "input_series": [
            *test["input_series"],
            *(
                {
                    "series": one["series"].replace('cluster="north", namespace="a"', other),
                    "values": re.sub(r"x\d+$", "x300", one["values"]),
                }
                for other in ('cluster="north", namespace="b"', 'cluster="south", namespace="a"')
                for one in healthy
            ),
        ]
    }


def test_a_second_mien_in_the_same_prometheus_neither_alerts_nor_hides_an_alert(tmp_path: Path) -> None:
    """All firing tests again, with two healthy neighbours: the same alerts, and no others."""
    document = rule_tests("rules_test.yaml")
    document["rule_files"] = [str(MONITORING / "rules.yaml")]
    burns = [test for test in rule_tests("objectives_test.yaml")["tests"] if "dropped" in test["name"]]
    document["tests"] = [
        beside_a_healthy_one(test)
        for test in [*document["tests"][1:], *burns]
        if "no namespace" not in test["name"]
    ]
    assert {case["alertname"] for test in document["tests"] for case in test["alert_rule_test"]} >= {
        rule["alert"] for rule in ALERTS if "window" not in rule.get("labels", {})
    }
    path = tmp_path / "two_test.yaml"
    path.write_text(yaml.safe_dump(document))

    assert "SUCCESS" in run("promtool", "test", "rules", path)


@every_rule
def test_cluster_and_namespace_survive_every_aggregation_and_are_in_every_match(rule: dict[str, Any]) -> None:
    expr = rule["expr"]
    aggregated = re.findall(
        r"\b(sum|min|max|avg|group|count|stddev|stdvar|topk|bottomk|quantile)\b\s*(by \(([^)]*)\))?",
        expr,
    )
    assert [name for name, by, _ in aggregated if not by] == []
    kept = [labels for _, _, labels in aggregated] + re.findall(r"\bon \(([^)]*)\)", expr)
    assert all(set(re.split(r",\s*", labels)) >= MIEN for labels in kept)
    assert not re.search(r"\b(without|ignoring|group_right)\b", expr)
    # `absent` has no labels of its own: only where nothing of any Mien is there.
    assert set(re.findall(r"absent(?:_over_time)?\((.*)\),?$", expr, flags=re.MULTILINE)) <= {
        'last_over_time(up{job="mien"}[1d])'
    }


def test_every_aggregation_is_seen() -> None:
    found = [rule for rule in RULES if re.search(r"\b(sum|min|max|avg|group|count) by ", rule["expr"])]
    assert len(found) > 20


def test_kubernetes_gets_the_same_rules() -> None:
    for file, kubernetes in (
        (MONITORING / "rules.yaml", False),
        (ROOT / "k8s/components/monitoring/prometheus-rule.yaml", True),
    ):
        assert file.read_text() == rule_documents.text(kubernetes=kubernetes, runbooks=RUNBOOKS), (
            "`make rules`"
        )
    rule = yaml.safe_load((ROOT / "k8s/components/monitoring/prometheus-rule.yaml").read_text())
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((MONITORING / "rules.yaml").read_text())


def test_rules_are_named_once() -> None:
    names = [ids(rule) for rule in RULES]
    assert {name for name in names if names.count(name) > 1} == set()


@every_alert
def test_every_alert_says_what_how_bad_and_what_to_do(rule: dict[str, Any]) -> None:
    labels = rule.get("labels", {})
    assert set(rule) - {"labels"} == {"alert", "expr", "for", "annotations"}
    assert labels.get("severity", "of the series") in {"critical", "warning", "info", "of the series"}
    if "severity" not in labels:
        assert "severity" in metrics.alerts_active._labelnames
        assert named_series(rule["expr"]) == {"mien_alerts_active"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert re.match(r"https?://\S+/\S+$", RUNBOOKS)
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}#{rule['alert'].lower()}"


@every_rule
def test_rules_are_about_series_and_labels_that_the_stages_export(rule: dict[str, Any]) -> None:
    expr = rule["expr"]
    exported = series()
    assert named_series(expr)
    assert named_series(expr) <= set(exported)
    for name, label, value in label_matchers(expr):
        if label == "__name__":
            continue
        assert label in exported[name], f"{name} has no label {label}"
        if label == "le":
            buckets = METRICS[name.removesuffix("_bucket")]._upper_bounds  # type: ignore[attr-defined]
            assert value in [floatToGoString(bound) for bound in buckets]  # type: ignore[no-untyped-call]
    grouped = {label for by in re.findall(r"by \(([^)]*)\)", expr) for label in re.split(r",\s*", by)}
    made = set(re.findall(r'"(value|component)", "', expr))
    assert grouped <= set.union(made, *(exported[name] for name in named_series(expr)))


@every_rule
def test_rules_match_outcomes_and_stages_that_the_workers_count(rule: dict[str, Any]) -> None:
    """A label value in a rule that no worker writes would keep the alert silent for ever."""
    written = "\n".join(
        path.read_text()
        for path in (ROOT / "workers").rglob("*.py")
        if path.parent.name != "monitoring"  # the rules themselves
    )
    for _, label, value in label_matchers(rule["expr"]):
        if label in ("outcome", "stage"):
            for one in value.split("|"):
                assert f'"{one}"' in written, f"no worker writes {label}={one!r}"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    _, _, runbooks = (ROOT / "docs" / "operations.md").read_text().partition("\n## Runbooks\n")
    sections = re.split(r"^### ", runbooks, flags=re.MULTILINE)[1:]
    found = {title: text.strip() for title, _, text in (section.partition("\n") for section in sections)}
    assert set(found) == {rule["alert"] for rule in ALERTS}
    assert all(found.values())


def test_compose_and_kubernetes_give_the_same_job_component_and_namespace() -> None:
    (scrape,) = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())["scrape_configs"]
    assert scrape["job_name"] == "mien"
    component, namespace = scrape["relabel_configs"]
    assert component["target_label"] == "component"
    assert namespace == {"target_label": "namespace", "replacement": "mien"}
    (dns,) = scrape["dns_sd_configs"]
    components = {re.fullmatch(component["regex"], name)[1] for name in dns["names"]}  # type: ignore[index]
    assert components >= {"camera", *STAGES}


def test_every_state_of_a_camera_that_is_not_ok_has_an_alert() -> None:
    matched = {
        value
        for rule in ALERTS
        for name, label, value in label_matchers(rule["expr"])
        if (name, label) == ("mien_camera_state", "state")
    }
    assert matched == set(CAMERA_STATES) - {"ok"}


# Alertmanager


ALERTMANAGER = MONITORING / "alertmanager.yaml"


def test_amtool_accepts_the_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=MienStageDown severity=critical", "pager"),
        ("alertname=MienCameraDown severity=warning", "team"),
        ("alertname=MienCameraDark severity=info", "team"),
        ("alertname=MienEmotionAlert severity=critical", "watch"),
        ("alertname=MienEmotionAlert severity=info", "watch"),
        ("alertname=SomethingElse", "team"),
    ],
)
def test_alerts_are_routed_by_severity_and_those_on_faces_to_who_watches(labels: str, receiver: str) -> None:
    told = run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels.split())
    assert told.strip() == receiver


def test_routes_keep_two_miens_apart_and_inhibition_stays_within_one() -> None:
    config = yaml.safe_load(ALERTMANAGER.read_text())
    routes = [config["route"], *config["route"]["routes"]]
    assert all(set(route.get("group_by", MIEN)) >= MIEN for route in routes)
    assert all(set(rule["equal"]) >= MIEN for rule in config["inhibit_rules"])


def test_routes_and_inhibition_name_alerts_that_exist() -> None:
    config = yaml.safe_load(ALERTMANAGER.read_text())
    matchers = [
        matcher
        for rule in config["inhibit_rules"]
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]
    ] + [matcher for route in config["route"]["routes"] for matcher in route["matchers"]]
    named = [
        matcher.partition("=")[2].strip('~ "') for matcher in matchers if matcher.startswith("alertname")
    ]
    assert len(named) > 8
    alerts = {rule["alert"] for rule in ALERTS}
    for pattern in named:
        for one in re.split(r"\|(?![^(]*\))", pattern):  # each alternative names some alert
            assert [name for name in alerts if re.fullmatch(one, name)], one
