"""What was true of cameras over time: from one state to the next, and lost where nothing was told."""

from collections import deque
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from streams.messages.camera_truth import SILENT_S, CameraState, CameraTruth
from streams.messages.landmarks_message import CameraId

SPANS_MAX: Final = 500
"""Of one camera; of more, the oldest are forgotten."""


class StateSpan(msgspec.Struct, frozen=True):
    """A camera was in one state."""

    camera_id: CameraId
    state: CameraState
    since: datetime
    until: Annotated[datetime | None, msgspec.Meta(description="null: it still is")]


class StateSpans:
    """Of one camera. Takes what it tells in order, also twice."""

    def __init__(self) -> None:
        self._ended: deque[StateSpan] = deque(maxlen=SPANS_MAX)
        self._last: CameraTruth | None = None
        self._since: datetime | None = None

    def take(self, truth: CameraTruth) -> None:
        last = self._last
        if last is not None and truth.at <= last.at:
            return
        if last is None or self._since is None:
            self._since = truth.since
        elif truth.at - last.at > _SILENT:
            self._end(last, self._since, last.at)
            self._ended.append(StateSpan(truth.camera_id, "lost", last.at, truth.at))
            self._since = truth.at
        elif truth.state != last.state:
            began = max(self._since, min(truth.since, truth.at))
            self._end(last, self._since, began)
            self._since = began
        self._last = truth

    def between(self, since: datetime, until: datetime, now: datetime) -> list[StateSpan]:
        """The spans that touch a time, the oldest first."""
        spans = list(self._ended)
        if self._last is not None and self._since is not None:
            last = self._last
            silent = now - last.at > _SILENT
            spans.append(StateSpan(last.camera_id, last.state, self._since, last.at if silent else None))
            if silent:
                spans.append(StateSpan(last.camera_id, "lost", last.at, None))
        return [span for span in spans if span.since <= until and (span.until is None or span.until >= since)]

    def _end(self, truth: CameraTruth, since: datetime, until: datetime) -> None:
        self._ended.append(StateSpan(truth.camera_id, truth.state, since, until))


_SILENT: Final = timedelta(seconds=SILENT_S)
