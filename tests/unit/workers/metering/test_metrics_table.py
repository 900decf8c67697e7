"""Every metric there is: named as Prometheus wants it, bounded, fed by those who are said to, and told."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from rich.console import Console
from typer.testing import CliRunner

from streams import metrics
from streams.messages.emotion_event import EMOTIONS, EmotionEvent
from streams.messages.frame_message import PROBE_CAMERA
from workers.cli import app
from workers.metering import metrics_table
from workers.metering.metrics_table import BOUNDED_IN_WORDS, CAMERAS, EXPORTED, READERS, STEPS
from workers.stages import classify

ROOT = Path(__file__).parents[4]
DEFINED = {name: m for name, m in vars(metrics).items() if isinstance(m, MetricWrapperBase)}
ENTRANCE = {
    "camera": "workers.camera.camera",
    "landmarks": "workers.stages.landmarks",
    "classify": "workers.stages.classify",
    "state": "workers.stages.state",
    "alerts": "workers.alerts.alert_stage",
    "live": "workers.live.live_server",
    "probe": "workers.probe.probe",
    "cameras": "workers.camera_fleet.fleet",
}
UNITS = ("_seconds", "_ratio", "_info", "_bytes")
WITHOUT_UNIT = {
    "completeness_error": "logits, which are no unit of Prometheus'",
    "confidence": "0 to 1, called as everybody calls it",
    "batch_size": "faces",
    "own_neutral_subjects": "what is counted",
    "active_subjects": "what is counted",
    "alerts_active": "what is counted",
    "alert_precision": "0 to 1, called as everybody calls it",
    "alert_precision_bound": "as alert_precision",
    "alerts_unreviewed": "what is counted",
    "live_clients": "what is counted",
    "alert_rules": "what is counted",
    "alert_rules_current": "0 or 1",
    "consumer_lag": "messages",
    "camera_up": "0 or 1, as Prometheus' own `up`",
    "camera_state": "0 or 1",
    "camera_process": "0 or 1",
    "camera_list_current": "0 or 1",
    "camera_measure": "each of its own",
    "assigned_partitions": "what is counted",
    "topic_partitions": "what is counted",
}


def modules() -> dict[str, ast.Module]:
    """Our modules by dotted name, parsed."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text())
        for room in ("streams", "models", "workers")
        for path in sorted((ROOT / room).rglob("*.py"))
    }


MODULES = modules()


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found & set(MODULES)


def reached_from(entrance: str) -> set[str]:
    """The modules that a stage's process can come to."""
    seen: set[str] = set()
    ahead = [entrance]
    while ahead:
        module = ahead.pop()
        if module not in seen:
            seen.add(module)
            ahead += imported(MODULES[module])
    return seen


def uses(tree: ast.Module) -> Iterator[str]:
    """The metrics that a module names, also by the functions that observe for it."""
    by_function = {
        "observe_frame_age": {"frame_age_seconds"},
        "observe_partitions": {"assigned_partitions", "topic_partitions"},
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "metrics":
            yield from by_function.get(node.attr, {node.attr} & set(DEFINED))


USED_IN = {module: set(uses(tree)) for module, tree in MODULES.items() if module != "streams.metrics"}


def test_the_committed_page_is_in_step() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == metrics_table.markdown(), (
        "run `mien metrics --markdown > docs/metrics.md`"
    )


def test_every_metric_of_the_process_is_defined_in_the_one_place_and_told() -> None:
    ours = {family.name for family in REGISTRY.collect() if family.name.startswith("mien")}

    assert ours == {family.name for m in DEFINED.values() for family in m.describe()}
    assert EXPORTED.keys() == DEFINED.keys(), "add it to EXPORTED in workers/metering/metrics_table.py"
    assert [row.name for row in metrics_table.rows()] == [f"mien_{name}" for name in DEFINED]


@pytest.mark.parametrize("name", DEFINED)
def test_it_has_the_labels_that_the_table_allows_and_each_is_bounded(name: str) -> None:
    labels = EXPORTED[name].labels

    assert list(labels) == list(DEFINED[name]._labelnames)
    for label, values in labels.items():
        if isinstance(values, str):
            assert values in BOUNDED_IN_WORDS
        else:
            assert 0 < len(set(values)) == len(values) <= 32
        assert (label == "camera") == (values == CAMERAS)


@pytest.mark.parametrize(("name", "metric"), DEFINED.items(), ids=list(DEFINED))
def test_its_name_says_what_it_is(name: str, metric: MetricWrapperBase) -> None:
    assert name.endswith("_total") == isinstance(metric, Counter)
    assert isinstance(metric, Counter | Gauge | Histogram)
    if not isinstance(metric, Counter):
        assert name.endswith(UNITS) != (name in WITHOUT_UNIT)
    assert re.fullmatch(r"[A-Z0-9].*\.", metric._documentation)


@pytest.mark.parametrize("stage", ENTRANCE)
def test_each_stage_feeds_what_it_is_said_to_export_and_nothing_else(stage: str) -> None:
    reached = reached_from(ENTRANCE[stage])
    if stage == "camera":  # with MIEN_FRAMES=none it has landmarks' handler too: the page says so
        reached -= reached_from(ENTRANCE["landmarks"])
        reached |= {"workers.metering.work_meter", "workers.camera.own_landmarks"}
    fed = set().union(*(USED_IN.get(module, set()) for module in reached))

    assert fed == {name for name, exported in EXPORTED.items() if stage in exported.stages}


def literal_labels(metric: str, label: str) -> set[tuple[str, str]]:
    """(module, value) wherever a label of a metric is given as a text."""
    place = list(EXPORTED[metric].labels).index(label)
    found = set()
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"metrics.{metric}.labels":
                given = node.args[place]
                found |= {
                    (module, constant.value)
                    for constant in ast.walk(given)
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
                }
    return found


def test_all_steps_that_are_measured_are_told_and_no_others() -> None:
    told = {(stage, step) for stage, steps in STEPS.items() for step in steps}
    measured = set()
    for module, step in literal_labels("stage_duration_seconds", "step"):
        if module in ("workers.stages.consumer_loop", "workers.stages.faust_reader"):
            measured |= {(stage, step) for stage in READERS}
        else:
            (name,) = {
                "workers.camera": {"camera"},
                "workers.alerts": {"alerts"},
                "workers.stages": {module.rpartition(".")[2]},
            }[module.rpartition(".")[0]]
            measured.add((name, step))

    assert measured == told


def test_all_outcomes_are_told() -> None:
    outcomes = EXPORTED["frames_total"].labels["outcome"]
    given = {value for _, value in literal_labels("frames_total", "outcome")} | {
        str(ast.literal_eval(node.args[0]))
        for module, tree in MODULES.items()
        if module.startswith("workers.camera.")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "self._outcomes.add"
        and isinstance(node.args[0], ast.Constant)
    }

    assert len(given) >= 7
    assert given <= set(outcomes)
    assert {value for _, value in literal_labels("state_events_total", "outcome")} == {"applied", "fenced"}


def reasons(stages: tuple[str, ...]) -> Iterator[str]:
    """Each reason for a refusal that a stage's code gives as a text."""
    for module in sorted(set().union(*(reached_from(ENTRANCE[stage]) for stage in stages))):
        for node in ast.walk(MODULES[module]):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "reason":
                        if isinstance(keyword.value, ast.Constant):
                            yield keyword.value.value
                        else:  # handed on from where it is a text
                            assert ast.unparse(keyword.value).rpartition(".")[2] in (
                                "reason",
                                "text('reason')",
                            )
            elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
                for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                    if argument.arg == "reason" and isinstance(default, ast.Constant):
                        yield default.value


def test_reasons_for_refusals_are_a_few_fixed_texts() -> None:
    of_messages = set(EXPORTED["dead_letters_total"].labels["reason"])
    of_frames = set(EXPORTED["frames_total"].labels["outcome"])

    assert set(reasons(READERS)) <= of_messages
    assert set(reasons(("camera",))) <= of_messages | of_frames


def series() -> dict[tuple[str, str], set[str]]:
    """(metric, label) → its values, of all series of the process."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, metric in DEFINED.items():
        for sample in metric.collect()[0].samples:
            for label, value in sample.labels.items():
                if label in metric._labelnames:
                    found.setdefault((name, label), set()).add(value)
    return found


def test_ten_thousand_made_up_events_make_no_series_without_end(
    make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "CAMERAS_MAX", 5)
    monkeypatch.setattr(metrics, "_cameras", set())
    monkeypatch.setattr(metrics.log, "warning", lambda *_, **__: None)

    def event(number: int) -> EmotionEvent:
        made: EmotionEvent = make_event(
            camera_id=f"made-up-{number}", subject_id=f"made-up-{number}:x", frame_seq=number
        )
        return made

    before = series()
    classify.observe([event(number) for number in range(10_000)], [""] * 10_000)
    for key, values in series().items():
        new = values - before.get(key, set())
        allowed = EXPORTED[key[0]].labels[key[1]]
        if isinstance(allowed, tuple):
            assert new <= set(allowed), key
        else:
            assert len(new) <= 6, key
    for name, metric in DEFINED.items():
        if "camera" in EXPORTED[name].labels:
            for camera in (metrics.OTHER_CAMERAS, *(f"made-up-{number}" for number in range(5))):
                metric.remove_by_labels({"camera": camera})


def test_regions_and_confidence_are_those_of_the_events(make_event: Any) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    event = make_event()
    names = [("mien_region_share_total", {"region": region}) for region in event.explanation.regions]
    names += [("mien_confidence_sum", {"baseline": event.explanation.baseline})]
    before = [value(name, **labels) for name, labels in names]
    classify.observe([event, event], ["", ""])
    grown = [value(name, **labels) - was for (name, labels), was in zip(names, before, strict=True)]

    assert grown == pytest.approx(
        [2 * share for share in event.explanation.regions.values()] + [2 * event.confidence]
    )


@pytest.mark.parametrize(("reason", "counted"), [("low-confidence", 1), ("blurred", 0), ("small-face", 0)])
def test_the_confidence_in_a_bad_picture_does_not_count(make_event: Any, reason: str, counted: int) -> None:
    def count() -> float:
        at = {"baseline": event.explanation.baseline}
        return REGISTRY.get_sample_value("mien_confidence_count", at) or 0.0

    event = make_event(emotion=None, abstained=reason)
    before = count()
    classify.observe([event], [""])

    assert count() - before == counted


def test_the_probes_answers_are_no_answers_to_people(make_event: Any) -> None:
    def told() -> list[float]:
        at = {"baseline": event.explanation.baseline}
        found = metrics.region_share_total.collect()[0].samples
        return [
            REGISTRY.get_sample_value("mien_confidence_count", at) or 0.0,
            sum(sample.value for sample in found if sample.name.endswith("_total")),
        ]

    event = make_event(camera_id=PROBE_CAMERA)
    before = told()
    classify.observe([event], [""])

    assert told() == before


def test_the_verb_prints_the_table_the_page_and_json() -> None:
    run = CliRunner().invoke
    assert run(app, ["metrics", "--markdown"]).output == metrics_table.markdown()
    assert len(run(app, ["metrics", "--json"]).output.splitlines()) == 1
    assert '"mien_region_share_total"' in run(app, ["metrics", "--json"]).output
    assert run(app, ["metrics", "--json", "--markdown"]).exit_code == 2
    assert set(EMOTIONS) <= set(EXPORTED["emotions_total"].labels["emotion"])


def test_the_table_has_a_line_for_each_metric(capsys: pytest.CaptureFixture[str]) -> None:
    metrics_table.show(metrics_table.rows(), Console(width=300))
    out = capsys.readouterr().out

    assert all(f"mien_{name} " in out for name in DEFINED)
