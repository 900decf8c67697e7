"""Spans: what a process did for one frame, as OpenTelemetry wants it; off unless ``MIEN_TRACING=otlp``.

    camera → landmarks → classify → state
                                 └→ alerts

Off, a message's context is handed on as it came: the trace has no spans of ours, but an id that alerts and
exemplars share. Which frames are recorded the camera decides (``MIEN_TRACE_RATIO``), for all that follow.

One tracer a process, as with metrics.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from streams import logs
from streams.errors import SettingsInvalid
from streams.settings import Settings
from streams.telemetry import trace_context
from streams.telemetry.spans import Attributes, Span
from streams.telemetry.trace_context import TraceContext

log = logs.get("mien.tracing")


class Tracer(Protocol):
    """Makes the spans of one process."""

    def start(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span:
        """A recorded span; without a parent the first one of a trace."""


_tracer: Tracer | None = None


def begin(name: str, ratio: float, attributes: Attributes) -> Span:
    """The first step of a frame's way: a new trace, recorded for this share of the frames."""
    sampled = ratio > 0 and random.random() < ratio  # noqa: S311  # nosec B311  # no secret
    if sampled and _tracer is not None:
        return _tracer.start(name, None, attributes)
    return Span(str(TraceContext.new(sampled=sampled)))


def go_on(name: str, traceparent: str, attributes: Attributes) -> Span:
    """A step of a frame that came with this context. Most frames are not recorded, and cost nothing."""
    if _tracer is None or traceparent.endswith("-00"):
        return Span(traceparent)
    context = trace_context.parse(traceparent)
    if context is None or not context.sampled:
        return Span(traceparent)
    return _tracer.start(name, context, attributes)


@contextmanager
def exported(settings: Settings, stage: str) -> Iterator[None]:
    """Records and exports this process's spans until the block ends, if the settings ask for it.

    Raises:
        SettingsInvalid: if OpenTelemetry is not installed.
    """
    if settings.tracing == "off":
        yield
        return
    try:
        from streams.telemetry import otlp
    except ImportError as exc:
        raise SettingsInvalid(
            f"MIEN_TRACING=otlp needs OpenTelemetry, which is not installed ({exc.name}): "
            "pip install 'mien[otel]'"
        ) from exc
    with otlp.exporting(settings, stage) as tracer, using(tracer):
        log.info("spans are exported", to=settings.otlp_endpoint)
        yield


@contextmanager
def using(tracer: Tracer) -> Iterator[None]:
    """Has this tracer make the process's spans until the block ends."""
    global _tracer
    before, _tracer = _tracer, tracer
    try:
        yield
    finally:
        _tracer = before
