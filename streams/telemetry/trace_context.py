"""W3C Trace Context: which trace a message belongs to, and which span it comes from. Pure.

Source: https://www.w3.org/TR/trace-context/ (version 00), and the CloudEvents extension for distributed
tracing, which names the header of an event ``ce_traceparent``.
"""

import re
import secrets
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

CE_HEADER: Final = "ce_traceparent"
LENGTH: Final = 55
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_LENGTH = 512
"""Of a later version, which may add fields."""
_SAMPLED = 1


class TraceContext(NamedTuple):
    """The ids are lower-case hex, never all zeros."""

    trace_id: str
    span_id: str
    sampled: bool
    """Whether somebody records this trace."""

    @classmethod
    def new(cls, *, sampled: bool) -> Self:
        """A trace of its own."""
        return cls(_random_hex(16), _random_hex(8), sampled)

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(traceparent: str) -> TraceContext | None:
    """The context that a ``traceparent`` says; None if it is none, or says ids of zeros."""
    if len(traceparent) > _MAX_LENGTH:
        return None
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not (trace_id.strip("0") and span_id.strip("0")):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def sampled_trace_id(traceparent: str) -> str | None:
    """The id of a trace that somebody records; None of any other. Of most frames, which are not, at once."""
    if not traceparent or traceparent.endswith("-00"):
        return None
    context = parse(traceparent)
    return context.trace_id if context and context.sampled else None


def of_event(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The ``traceparent`` of a CloudEvent in Kafka's binary mode; empty if it has none that can be read."""
    raw = next((value for name, value in headers if name == CE_HEADER), None)
    if not raw or len(raw) > _MAX_LENGTH:
        return ""
    text = raw.decode("ascii", "replace")
    return text if parse(text) else ""


def _random_hex(n_bytes: int) -> str:
    while not (text := secrets.token_hex(n_bytes)).strip("0"):
        continue
    return text
