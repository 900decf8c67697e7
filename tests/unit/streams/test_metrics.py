"""Metrics: Prometheus' naming rules, bounded labels, and what promtool says of a real page."""

import os
import re
import shutil
import subprocess
import time

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics

ALL = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
BOUNDED = {
    "rule",
    "severity",
    "state",
    "baseline",
    "camera",
    "emotion",
    "landmark_set",
    "name",
    "operation",
    "outcome",
    "partition",
    "reason",
    "region",
    "stage",
    "step",
    "topic",
    "version",
    "measure",
    "value",
    "until",
    "verdict",
    "bound",
}


def page() -> bytes:
    """What /metrics shows when every metric has a sample: a fresh copy, so nothing is counted twice."""
    registry = CollectorRegistry()
    for metric in ALL:
        kind = type(metric)
        copy = kind(metric._name, metric._documentation, metric._labelnames, registry=registry)
        child = copy.labels(*["x"] * len(metric._labelnames)) if metric._labelnames else copy
        (child.observe if kind is Histogram else child.inc)(1)
    return generate_latest(registry)


def test_there_is_a_metric_for_everything_the_design_names() -> None:
    assert {f"{m._name}_total" if isinstance(m, Counter) else m._name for m in ALL} >= {
        "mien_frame_age_seconds",
        "mien_stage_duration_seconds",
        "mien_frames_total",
        "mien_emotions_total",
        "mien_abstentions_total",
        "mien_active_subjects",
        "mien_consumer_lag",
        "mien_dead_letters_total",
        "mien_camera_up",
        "mien_completeness_error",
    }


@pytest.mark.parametrize("metric", ALL, ids=lambda m: m._name)
def test_names_units_and_labels(metric: MetricWrapperBase) -> None:
    assert re.fullmatch(r"mien_[a-z_]+[a-z]", metric._name)
    assert not re.search(r"_(ms|us|millis|milliseconds|percent|kb)(_|$)", metric._name)
    assert metric._documentation.endswith(".")
    assert set(metric._labelnames) <= BOUNDED


def test_no_metric_has_a_series_a_person() -> None:
    assert not [m._name for m in ALL if {"subject", "subject_id", "frame", "seq"} & set(m._labelnames)]


@pytest.fixture
def few_cameras(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Room for three cameras; what is warned of."""
    warnings: list[dict[str, object]] = []
    monkeypatch.setattr(metrics, "CAMERAS_MAX", 3)
    monkeypatch.setattr(metrics, "_cameras", set())
    monkeypatch.setattr(metrics.log, "warning", lambda _, **about: warnings.append(about))
    return warnings


@pytest.mark.parametrize("metric", [m for m in ALL if "camera" in m._labelnames], ids=lambda m: m._name)
def test_made_up_cameras_make_no_series_without_end(
    metric: MetricWrapperBase, few_cameras: list[dict[str, object]]
) -> None:
    def total() -> dict[str, float]:
        samples = [
            sample
            for sample in metric.collect()[0].samples
            if not sample.name.endswith("_created")
            and {*sample.labels.values()} <= {sample.labels["camera"], "x"}
        ]  # others are of tests before
        found = {sample.labels["camera"]: sample.value for sample in samples}
        return {camera: n for camera, n in found.items() if camera == "other" or camera.startswith("capped-")}

    others = dict.fromkeys(set(metric._labelnames) - {"camera"}, "x")
    before = total().get("other", 0)
    for n in range(10_000):
        metric.labels(camera=f"capped-{n}", **others).inc()
    in_order = ["capped-9999" if name == "camera" else "x" for name in metric._labelnames]
    metric.labels(*in_order).inc()

    assert total() == {"capped-0": 1, "capped-1": 1, "capped-2": 1, "other": before + 9_998}
    assert len(few_cameras) == 1
    for n in range(3):
        metric.remove_by_labels({"camera": f"capped-{n}"})


def test_the_variable_is_called_like_its_metric() -> None:
    for name, metric in vars(metrics).items():
        if isinstance(metric, MetricWrapperBase):
            assert f"mien_{name}" == metric._name + ("_total" if isinstance(metric, Counter) else "")


def test_latency_buckets_can_tell_the_promised_250_ms() -> None:
    assert 0.25 in metrics.frame_age_seconds._upper_bounds
    assert {1e-3, 1e-6} <= set(metrics.completeness_error._upper_bounds)


def test_gauges_are_not_called_like_counters() -> None:
    assert not [m._name for m in ALL if isinstance(m, Gauge) and m._name.endswith(("_total", "_count"))]


def test_promtool_accepts_the_page() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        reason = "promtool is not installed (Debian package prometheus)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

    done = subprocess.run(
        [promtool, "check", "metrics"], input=page(), capture_output=True, check=False, timeout=30
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_clock_that_runs_ahead_gives_no_negative_age_and_a_file_none() -> None:
    def total() -> float:
        return REGISTRY.get_sample_value("mien_frame_age_seconds_sum", {"stage": "ahead"}) or 0.0

    metrics.observe_frame_age("ahead", (2**40) * 1_000_000, "live")
    assert total() == 0.0
    metrics.observe_frame_age("ahead", 0, "file")
    assert total() == 0.0
    metrics.observe_frame_age("ahead", time.time_ns() // 1000 - 2_000_000, "live")
    assert 2.0 <= total() < 30.0
