"""What a camera's reading thread tells the judge, and what the event loop asks it: one lock between them."""

import threading
import time
from collections.abc import Callable
from typing import Final

from models.faces.pictures import Plane
from workers.truth.scene import UsualScenes
from workers.truth.small_grey import small_grey
from workers.truth.truth_judge import Finding, TruthJudge

LOOK_EVERY_S: Final = 1.0
LOOK_SELDOM_S: Final = 5.0
"""Where a picture that is looked at must be decoded for it, and else would not be."""

Luma = tuple[Plane, bool]
"""A picture's luma of any size, and whether its black is 16."""


class TruthWatch:
    """Of one live camera."""

    def __init__(self, frozen_s: float) -> None:
        self._judge = TruthJudge(frozen_s)
        self._lock = threading.Lock()
        self._due_s = 0.0

    def lost(self) -> None:
        """The camera gives no pictures."""
        with self._lock:
            self._judge.lost(time.monotonic())
            self._due_s = 0.0

    def look(self, luma: Callable[[], Luma], unchanged_s: float, *, seldom: bool) -> None:
        """Notes that a picture came, and looks at it if it is time; ``luma`` is asked for only then.

        Args:
            unchanged_s: for how long the picture has been the same, to the bit.
            seldom: to ask for the luma costs much.
        """
        now_s = time.monotonic()
        with self._lock:
            self._judge.came(unchanged_s, now_s)
        if now_s < self._due_s:
            return
        self._due_s = now_s + (LOOK_SELDOM_S if seldom else LOOK_EVERY_S)
        plane, black_is_16 = luma()
        grey = small_grey(plane, black_is_16=black_is_16)
        with self._lock:
            self._judge.see(grey, now_s, time.gmtime().tm_hour)

    def clock(self, offset_s: float) -> None:
        """The camera's clock is so far ahead of Kafka's."""
        with self._lock:
            self._judge.clock(offset_s, time.monotonic())

    def finding(self) -> tuple[Finding, float] | None:
        """What is true, and for how many seconds; None as long as nothing is known."""
        now_s = time.monotonic()
        with self._lock:
            found = self._judge.finding(now_s)
        return (found, now_s - found.since_s) if found else None

    def usual(self) -> UsualScenes:
        """A copy of what the camera has learnt."""
        with self._lock:
            return UsualScenes(dict(self._judge.usual.by_hour))

    def remember(self, usual: UsualScenes) -> None:
        """What an earlier run has learnt; what this one knows already is newer."""
        with self._lock:
            self._judge.usual.by_hour = usual.by_hour | self._judge.usual.by_hour
