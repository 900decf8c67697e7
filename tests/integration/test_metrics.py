"""Every metric of docs/metrics.md has a sample where it is said to, in a chain that really runs."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import Chain, Process, eventually

from workers.local import metrics_scrape
from workers.local.metrics_scrape import Sample
from workers.metering.metrics_table import EXPORTED, READERS, STAGES, STEPS

ROOT = Path(__file__).parents[2]
RULES = """
rules:
  - {name: joy, emotions: [happiness], probability: 0.3, for: 500ms, clear_for: 1s, cooldown: 1s}
"""
TROUBLE = {
    "abstentions_total": "tests/unit/workers/stages/test_classify.py",
    "camera_reconnects_total": "tests/unit/workers/camera/test_reading_thread.py",
    "hand_over_failures_total": "tests/unit/workers/stages/test_track_hand_over.py",
    "neutral_store_failures_total": "tests/unit/workers/stages/test_neutral_face_cache.py",
    "overlapping_frames_total": "tests/integration/test_runs.py",
    "resumed_tracks_total": "tests/integration/test_id_handover.py",
    "state_rebuilds_total": "tests/integration/test_rebuild.py",
}
"""What a chain in good order does not feed, and the test that sees it counted."""


class Running(NamedTuple):
    by_stage: dict[str, Process]

    def samples(self, stage: str) -> list[Sample]:
        return list(metrics_scrape.samples(self.by_stage[stage].port))

    def total(self, stage: str, name: str, /, **labels: str) -> float:
        """Of all series that have these labels."""
        mine = [s for s in self.samples(stage) if s.name == name and labels.items() <= s.labels.items()]
        return sum(sample.value for sample in mine)


@pytest.fixture
def running(chain: Chain, tmp_path: Path) -> Running:
    """All five stages, a camera whose subject smiles, and a message that each stage refuses."""
    rules = tmp_path / "alerts.yaml"
    rules.write_text(RULES)
    processes = {name: chain.start(name, alerts_path=str(rules)) for name in READERS}
    processes["camera"] = chain.start("camera", "--id", "lobby", "--source", "demo:cycle", "--fps", "8")
    for process in processes.values():
        process.wait_ready()
    for topic in ("frames", "landmarks", "emotions"):
        chain.send(topic, b"lobby", b"no message of ours")
    return Running(processes)


def metric_of(sample: Sample) -> str | None:
    """The name in the table; None of what is not ours."""
    name = re.sub(r"_(bucket|count|sum|created)$", "", sample.name).removeprefix("mien_")
    return next((one for one in (name, f"{name}_total") if one in EXPORTED), None)


def lacking(running: Running) -> set[tuple[str, ...]]:
    """(stage, metric) without a sample, and (stage, step) that was not measured."""
    missing: set[tuple[str, ...]] = set()
    for stage in STAGES:
        samples = running.samples(stage)
        # Without labels there is a sample from the start, but a 0.
        names = {metric_of(sample) for sample in samples if sample.labels or sample.value}
        missing |= {
            (stage, name)
            for name, exported in EXPORTED.items()
            if stage in exported.stages and name not in TROUBLE and name not in names
        }
        steps = {
            sample.labels["step"]
            for sample in samples
            if sample.name == "mien_stage_duration_seconds_count" and sample.labels["stage"] == stage
        }
        missing |= {(stage, "step", step) for step in set(STEPS[stage]) - steps}
    return missing


def test_what_only_trouble_feeds_is_counted_by_another_test() -> None:
    assert {name for name, path in TROUBLE.items() if name not in (ROOT / path).read_text()} == set()


def test_all_of_them_are_fed_with_the_values_that_the_table_has(chain: Chain, running: Running) -> None:
    eventually(lambda: not lacking(running), lambda: f"samples of {lacking(running)}", 90)

    for stage in STAGES:
        for sample in running.samples(stage):
            metric = metric_of(sample)
            for label, value in sample.labels.items() if metric else ():
                if metric and label != "le":
                    allowed = EXPORTED[metric].labels[label]
                    assert isinstance(allowed, str) or value in allowed, sample

    for stage in STAGES:
        assert 0 < running.total(stage, "mien_worker_busy_seconds_total", stage=stage) < 120
        assert running.total(stage, "mien_worker_silent_seconds", stage=stage) < 5
    for stage in READERS:
        assert running.total(stage, "mien_assigned_partitions") == chain.partitions
        assert running.total(stage, "mien_topic_partitions") == chain.partitions
    events = running.total("classify", "mien_baselines_total")
    shares = running.total("classify", "mien_region_share_total")
    assert shares == pytest.approx(events, rel=0.1)  # read one after the other
    expected = running.total("classify", "mien_reference_ratio", measure="region_share")
    assert expected == pytest.approx(1, abs=0.01)
