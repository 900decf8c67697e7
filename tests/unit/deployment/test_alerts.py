"""The alert rules: about metrics that exist, each tested and with a runbook, the same in Kubernetes."""

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

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "k8s" / "monitoring"
RULES = yaml.safe_load((MONITORING / "rules.yaml").read_text())
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]
}
TARGET_LABELS = {"job", "instance", "component"}  # what pod-monitor.yaml and prometheus.yaml give
METRICS = {m._name: m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)}


def series() -> dict[str, set[str]]:
    """The label names of every series that the stages export, by its name, beside Prometheus' own."""
    found = {"up": TARGET_LABELS}
    for name, metric in METRICS.items():
        labels = {*metric._labelnames, *TARGET_LABELS}
        if isinstance(metric, Counter):
            found[f"{name}_total"] = labels
        elif isinstance(metric, Histogram):
            found |= {f"{name}_bucket": {*labels, "le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            assert isinstance(metric, Gauge)
            found[name] = labels
    return found


def named_series(expr: str) -> set[str]:
    """Every series that a PromQL expression names, in a matcher on ``__name__`` too."""
    return set(re.findall(r"\bmien_\w+|\bup\b", expr))


def label_matchers(expr: str) -> list[tuple[str, str, str]]:
    """(series, label, value) of every matcher in an expression."""
    return [
        (name, label, value)
        for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", expr)
        for label, value in re.findall(r'(\w+)\s*=~?\s*"([^"]*)"', matchers)
    ]


def promtool(*args: str | Path) -> str:
    path = shutil.which("promtool")
    if path is None:
        reason = "promtool is not installed (Debian package prometheus)"
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    assert path is not None
    done = subprocess.run([path, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    assert "SUCCESS" in promtool("check", "rules", MONITORING / "rules.yaml")
    assert "1 rule files found" in promtool("check", "config", MONITORING / "prometheus.yaml")


def test_alerts_fire_and_are_silent_as_their_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", MONITORING / "rules_test.yaml")


def test_every_alert_is_tested_for_firing_and_for_silence() -> None:
    cases = [
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    assert set(cases) == {(alert, fires) for alert in ALERTS for fires in (True, False)}


def test_kubernetes_gets_the_same_rules() -> None:
    rule = yaml.safe_load((ROOT / "k8s" / "base" / "prometheus-rule.yaml").read_text())
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == RULES, "make it again, by the command at the top of k8s/monitoring/rules.yaml"


def test_alert_names_are_unique() -> None:
    assert sum(len(group["rules"]) for group in RULES["groups"]) == len(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_how_bad_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{alert.lower()}"


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts_are_about_series_and_labels_that_the_stages_export(alert: str) -> None:
    expr = ALERTS[alert]["expr"]
    exported = series()
    assert named_series(expr)
    assert named_series(expr) <= set(exported)
    for name, label, value in label_matchers(expr):
        assert label in exported[name], f"{name} has no label {label}"
        if label == "le":
            buckets = METRICS[name.removesuffix("_bucket")]._upper_bounds  # type: ignore[attr-defined]
            assert value in [floatToGoString(bound) for bound in buckets]  # type: ignore[no-untyped-call]
    grouped = {label for by in re.findall(r"by \(([^)]*)\)", expr) for label in re.split(r",\s*", by)}
    assert grouped <= set.union(*(exported[name] for name in named_series(expr)))


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts_match_outcomes_and_stages_that_the_workers_count(alert: str) -> None:
    """A label value in a rule that no worker writes would keep the alert silent for ever."""
    written = "\n".join(path.read_text() for path in (ROOT / "workers").rglob("*.py"))
    for _, label, value in label_matchers(ALERTS[alert]["expr"]):
        if label in ("outcome", "stage"):
            for one in value.split("|"):
                assert f'"{one}"' in written, f"no worker writes {label}={one!r}"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    _, _, runbooks = (ROOT / "docs" / "operations.md").read_text().partition("\n## Runbooks\n")
    sections = re.split(r"^### ", runbooks, flags=re.MULTILINE)[1:]
    found = {title: text.strip() for title, _, text in (section.partition("\n") for section in sections)}
    assert set(found) == set(ALERTS)
    assert all(found.values())


def test_compose_and_kubernetes_give_the_same_job_and_component() -> None:
    (scrape,) = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())["scrape_configs"]
    assert scrape["job_name"] == "mien"
    (relabel,) = scrape["relabel_configs"]
    assert relabel["target_label"] == "component"
    (dns,) = scrape["dns_sd_configs"]
    components = {re.fullmatch(relabel["regex"], name)[1] for name in dns["names"]}  # type: ignore[index]
    assert components == {"camera", "landmarks", "classify", "state"}
