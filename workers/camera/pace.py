"""Which pictures go on, and when: a rate that is not exceeded, and a file that plays by its own clock."""

from typing import Final

LATE_MAX_S: Final = 0.5
"""A file that is held up for longer goes on from there; up to this it catches up."""


class Thinning:
    """Takes at most ``fps`` pictures a second, by whatever clock; all without it."""

    def __init__(self, fps: float | None) -> None:
        self._interval_s = 1 / fps if fps else 0.0
        self._due_s: float | None = None

    def takes(self, at_s: float) -> bool:
        """Whether the picture of this moment is one that goes on; moments come in order."""
        interval_s = self._interval_s
        if self._due_s is None:
            self._due_s = at_s + interval_s
            return True
        if at_s < self._due_s - 0.25 * interval_s:  # a camera's pace is never quite even
            return False
        self._due_s = max(self._due_s + interval_s, at_s - interval_s)
        return True


class Playback:
    """A file's clock beside ours."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def wait_s(self, at_s: float, now_s: float) -> float:
        """How long to wait with the picture of this place in the file."""
        if self._began_s is None:
            self._began_s = now_s - at_s
        late_s = now_s - self._began_s - at_s
        if late_s > LATE_MAX_S:
            self._began_s += late_s
        return max(0.0, -late_s)
