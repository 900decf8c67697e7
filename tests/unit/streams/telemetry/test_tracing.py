"""Spans: none without an exporter, and then the context is handed on; with one, what it is told."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from streams.errors import SettingsInvalid
from streams.settings import Settings
from streams.telemetry import tracing
from streams.telemetry.otel_spans import OtelTracer
from streams.telemetry.spans import KEPT_MAX, OpenSpans, Span, frame_attributes
from streams.telemetry.trace_context import parse

ABOUT = frame_attributes("lobby", 5, 7)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    with tracing.using(OtelTracer("test", SimpleSpanProcessor(exporter))):
        yield exporter


def test_without_an_exporter_the_context_is_handed_on() -> None:
    first = tracing.begin("camera", 1.0, ABOUT)
    then = tracing.go_on("landmarks", first.traceparent, ABOUT)
    then.end()

    context = parse(first.traceparent)
    assert context
    assert context.sampled  # who has an exporter records it
    assert then.traceparent == first.traceparent
    assert not then.recorded


def test_a_span_is_the_child_of_where_the_message_came_from(spans: InMemorySpanExporter) -> None:
    first = tracing.begin("camera", 1.0, ABOUT)
    then = tracing.go_on("landmarks", first.traceparent, ABOUT)
    then.end()
    first.end()

    child, root = spans.get_finished_spans()
    assert (child.name, root.name) == ("landmarks", "camera")
    assert child.context.trace_id == root.context.trace_id
    assert child.parent is not None
    assert child.parent.span_id == root.context.span_id
    assert root.parent is None
    assert dict(root.attributes or {}) == {"mien.camera_id": "lobby", "mien.run": 5, "mien.frame_seq": 7}
    assert root.resource.attributes["service.name"] == "mien-test"


@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_the_camera_decides_which_frames_are_recorded_and_all_others_follow(
    spans: InMemorySpanExporter, ratio: float
) -> None:
    for _ in range(400):
        first = tracing.begin("camera", ratio, ABOUT)
        tracing.go_on("landmarks", first.traceparent, ABOUT).end()
        first.end()

    named = [span.name for span in spans.get_finished_spans()]
    assert named.count("camera") == named.count("landmarks")
    assert abs(named.count("camera") - 400 * ratio) <= (0 if ratio in (0, 1) else 60)


NOT_SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.mark.parametrize("traceparent", ["", "nonsense", NOT_SAMPLED])
def test_what_nobody_records_has_no_span(spans: InMemorySpanExporter, traceparent: str) -> None:
    span = tracing.go_on("landmarks", traceparent, ABOUT)
    span.end()

    assert span.traceparent == traceparent
    assert spans.get_finished_spans() == ()


def test_spans_that_never_end_do_not_pile_up(spans: InMemorySpanExporter) -> None:
    kept = OpenSpans()
    for seq in range(KEPT_MAX + 3):
        kept.keep(seq, tracing.begin("camera", 1.0, ABOUT))
    assert len(spans.get_finished_spans()) == 3
    kept.end(KEPT_MAX + 2)
    kept.end("unknown")
    assert len(spans.get_finished_spans()) == 4

    kept.keep("not recorded", Span(""))
    assert len(kept._spans) == KEPT_MAX - 1


def test_export_without_opentelemetry_is_a_wrong_setting_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked: dict[str, Any] = {"opentelemetry.exporter.otlp.proto.http.trace_exporter": None}
    for name, module in blocked.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "streams.telemetry.otlp", raising=False)
    with (
        pytest.raises(SettingsInvalid, match=r"pip install 'mien\[otel\]'"),
        tracing.exported(Settings(tracing="otlp"), "camera"),
    ):
        pass


def test_off_needs_nothing() -> None:
    with tracing.exported(Settings(), "camera"):
        assert not tracing.begin("camera", 1.0, ABOUT).recorded


@pytest.mark.parametrize(
    ("endpoint", "good"),
    [
        ("http://localhost:4318/v1/traces", True),
        ("https://collector.example.org/v1/traces", True),
        ("http://collector.example.org:4318/v1/traces", False),
        ("collector", False),
    ],
)
def test_spans_go_beyond_this_machine_only_under_tls(endpoint: str, good: bool) -> None:
    if good:
        assert Settings(tracing="otlp", otlp_endpoint=endpoint).otlp_endpoint == endpoint
        return
    with pytest.raises(ValueError, match="MIEN_OTLP_ENDPOINT"):
        Settings(tracing="otlp", otlp_endpoint=endpoint)
    assert Settings(tracing="otlp", otlp_endpoint=endpoint, allow_plaintext=True)
