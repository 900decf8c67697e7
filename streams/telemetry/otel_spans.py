"""Spans by OpenTelemetry's SDK. Imported only where tracing is on: it is in the extra ``otel``."""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from streams.telemetry.spans import Attributes, Span
from streams.telemetry.trace_context import TraceContext


class RecordedSpan(Span):
    """A span of OpenTelemetry's."""

    __slots__ = ("_span",)
    recorded = True

    def __init__(self, span: OtelSpan) -> None:
        about = span.get_span_context()
        context = TraceContext(format_trace_id(about.trace_id), format_span_id(about.span_id), sampled=True)
        super().__init__(str(context))
        self._span = span

    def end(self) -> None:
        self._span.end()


class OtelTracer:
    """Makes the spans of one process, for a processor of OpenTelemetry's.

    Who is recorded is decided by whoever calls: the camera, once for the whole way.
    """

    def __init__(self, stage: str, processor: SpanProcessor) -> None:
        resource = Resource.create({"service.name": f"mien-{stage}", "service.namespace": "mien"})
        self.provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("mien")

    def start(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span:
        context = None
        if parent is not None:
            remote = SpanContext(
                int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=TraceFlags(1)
            )
            context = set_span_in_context(NonRecordingSpan(remote))
        kind = SpanKind.PRODUCER if parent is None else SpanKind.CONSUMER
        return RecordedSpan(self._tracer.start_span(name, context, kind=kind, attributes=attributes))
