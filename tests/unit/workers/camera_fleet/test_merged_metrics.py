"""One page of many processes' metrics: every sample is there, in the format, and whose it is can be told."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from workers.camera_fleet.merged_metrics import merge

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def page(camera_id: str, value: float, accept: str) -> str:
    registry = CollectorRegistry()
    Counter("frames", "Frames.", ["camera"], registry=registry).labels(camera_id).inc(value)
    Gauge("busy_ratio", 'A "busy" one.', registry=registry).set(value)
    age = Histogram("age_seconds", "Age.", ["stage"], buckets=(1, 2), registry=registry)
    age.labels('a "b", {c}').observe(1.5, {"trace_id": "abc"})
    if camera_id == "yard":
        Gauge("only_here", "Only here.", registry=registry).set(1)
    encode, _ = choose_encoder(accept)
    return encode(registry).decode()


@pytest.mark.parametrize(("accept", "parse"), [("", parse_text), (OPENMETRICS, parse_openmetrics)])
def test_every_sample_is_there_once_and_says_whose_it_is(accept: str, parse: object) -> None:
    own = page("none", 0, accept)
    merged = merge(own, {"lobby": page("lobby", 1, accept), "yard": page("yard", 2, accept)})
    families = {family.name: family for family in parse(merged)}  # type: ignore[operator]

    def values(name: str, sample: str) -> dict[str | None, float]:
        found = [s for s in families[name].samples if s.name == sample]
        told = {s.labels.get("camera"): s.value for s in found}
        assert len(told) == len(found)
        return told

    assert values("frames", "frames_total") == {"none": 0, "lobby": 1, "yard": 2}
    assert values("busy_ratio", "busy_ratio") == {None: 0, "lobby": 1, "yard": 2}
    assert values("only_here", "only_here") == {"yard": 1}
    assert values("age_seconds", "age_seconds_count") == {None: 1, "lobby": 1, "yard": 1}
    assert all(
        s.labels["stage"] == 'a "b", {c}' for s in families["age_seconds"].samples if "stage" in s.labels
    )
    exemplars = [s.exemplar for s in families["age_seconds"].samples if getattr(s, "exemplar", None)]
    assert len(exemplars) == (3 if accept else 0)
    assert merged.count("# TYPE busy_ratio") == 1
    assert merged.endswith("# EOF\n") is bool(accept)


def test_without_cameras_it_is_our_own_page() -> None:
    own = page("none", 0, OPENMETRICS)

    assert merge(own, {}) == own
