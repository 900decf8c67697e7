"""Sends spans to a collector by OTLP over HTTP, from its own thread; what it does not take is dropped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found,unused-ignore]
    OTLPSpanExporter,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from streams.settings import Settings
from streams.telemetry.otel_spans import OtelTracer

TIMEOUT_S: Final = 2.0
"""For one piece, also at the end: a stage that stops does not wait for a collector that is away."""


@contextmanager
def exporting(settings: Settings, stage: str) -> Iterator[OtelTracer]:
    """The tracer of a process whose spans go to ``settings.otlp_endpoint``."""
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, timeout=TIMEOUT_S)
    tracer = OtelTracer(stage, BatchSpanProcessor(exporter))
    try:
        yield tracer
    finally:
        tracer.provider.shutdown()
