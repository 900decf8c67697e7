"""A step of a frame's way: what it is about, and which context what it sends has. Pure."""

from collections.abc import Mapping

Attributes = Mapping[str, str | int]

KEPT_MAX = 256
"""Spans that a process has open at once under a key."""


class Span:
    """A step that nobody records: what follows belongs to whatever this came from."""

    __slots__ = ("traceparent",)
    recorded = False

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent
        """For what this step sends."""

    def end(self) -> None:
        """The step is done, and what it sent is delivered."""


class OpenSpans:
    """Recorded spans that end elsewhere than they began, by a key. Beyond `KEPT_MAX` the oldest ends."""

    def __init__(self) -> None:
        self._spans: dict[object, Span] = {}

    def keep(self, key: object, span: Span) -> None:
        if span.recorded:
            self._spans[key] = span
            if len(self._spans) > KEPT_MAX:
                self.end(next(iter(self._spans)))

    def end(self, key: object) -> None:
        """Ends it, if there is one."""
        if span := self._spans.pop(key, None):
            span.end()


def frame_attributes(camera_id: str, run: int, seq: int) -> Attributes:
    """Which frame a span is about. Never the subject: spans are kept by others."""
    return {"mien.camera_id": camera_id, "mien.run": run, "mien.frame_seq": seq}
