"""Which live frames are left out where there are more than can be worked on. A pure decision, and its memory.

How late the worker is decides: each use of a frame has a limit, a share of the age at which it would be
dropped anyway. Frames of the least use reach theirs first and are left out, which keeps the worker from
becoming later; where that is not enough it does, until the next use's limit. So as little is left out as
need be, nobody measures what a frame costs, and what is worked on is fresher than where all wait alike.

    use, the least first                       limit, of MIEN_MAX_FRAME_AGE_MS
    no face in view, priority low, normal, high    1/12   2/12   3/12
    a face in view, priority low, normal, high     4/12   5/12   6/12

Of each camera a frame every `LEAST_EVERY_US` is worked on all the same: nobody knows of a new face before.
"""

import math
from typing import Final

from streams.messages.frame_message import PRIORITIES, Frame, Priority

USES: Final = 2 * len(PRIORITIES)
STEPS: Final = 2 * USES
"""The last use's limit is half the age at which a frame is dropped: small enough to be worth it, and a step
(170 ms of 2 s) is more than a worker that keeps up lets frames wait."""
LEAST_EVERY_US: Final = 1_000_000
BUSY_FROM: Final = 0.7
"""A worker that is at work for less of its time keeps up: its frames are late for another reason, as a
camera's clock or a slow line …"""
BUSY_OVER_S: Final = 0.5
"""… of about this time."""
PAUSE_S: Final = 0.001
"""More than that between two looks is no work: what was looked at before was all left out."""
FORGET_US: Final = 60_000_000


def use(priority: Priority, *, face_in_view: bool) -> int:
    """How much a frame is of use, from 0 to `USES` - 1: a face outranks any priority."""
    return PRIORITIES.index(priority) + (len(PRIORITIES) if face_in_view else 0)


def limit_us(use_: int, max_age_us: int) -> int:
    """How late a worker may be that does not leave out frames of a use."""
    return max_age_us * (use_ + 1) // STEPS


def is_left_out(use_: int, late_us: int, since_last_us: int | None, max_age_us: int) -> bool:
    """Whether a live frame is left out, by a worker that is so late and busy.

    Args:
        since_last_us: how much later it was taken than the camera's last frame that was worked on; None where
            there is none, negative where the camera's clock was set back.
    """
    if since_last_us is None or not 0 <= since_last_us < LEAST_EVERY_US:
        return False
    return late_us > limit_us(use_, max_age_us)


class Thinner:
    """Decides for one frame after the other, as a worker looks at them. Use from one thread."""

    def __init__(self, max_age_us: int, now_s: float) -> None:
        self._max_age_us = max_age_us
        self._late: dict[int, tuple[int, int]] = {}
        """Partition → how old its last frame was when it was looked at, and when that was; µs."""
        self._last_us: dict[str, int] = {}
        """Camera → when its last frame was taken that was worked on."""
        self._busy = 0.0
        self._until_s = now_s
        self._at_work = False

    def looks(self, now_s: float) -> None:
        """Before each frame, by a clock that only goes on: work begins, or goes on."""
        self._pass(now_s, at_work=self._at_work and now_s - self._until_s <= PAUSE_S)
        self._at_work = True

    def worked(self, now_s: float) -> None:
        """When the frames that were taken are done."""
        self._pass(now_s, at_work=True)
        self._at_work = False

    def _pass(self, now_s: float, *, at_work: bool) -> None:
        self._busy += (at_work - self._busy) * (1 - math.exp((self._until_s - now_s) / BUSY_OVER_S))
        self._until_s = now_s

    def takes(self, frame: Frame, partition: int, now_us: int, *, face_in_view: bool) -> bool:
        """Whether to work on a frame that is not too old. A file's always is.

        Frames of a partition come in their order, so its last frame's age is what all of it waits. The
        partition that waits longest tells how late the worker is: another one's frames are left out for it
        too, for all take from the same worker.
        """
        if frame.source == "file":
            return True
        age_us = now_us - frame.captured_at_us
        self._late[partition] = (age_us, now_us)
        last_us = self._last_us.get(frame.camera_id)
        since_last_us = None if last_us is None else frame.captured_at_us - last_us
        use_ = use(frame.priority, face_in_view=face_in_view)
        if self._busy >= BUSY_FROM and is_left_out(
            use_, self.late_us(now_us), since_last_us, self._max_age_us
        ):
            return False
        if last_us is None:
            oldest_us = frame.captured_at_us - FORGET_US
            self._last_us = {camera: at for camera, at in self._last_us.items() if at > oldest_us}
        self._last_us[frame.camera_id] = frame.captured_at_us
        return True

    def late_us(self, now_us: int) -> int:
        """How long the frames of the slowest partition wait, of those looked at within a second."""
        return max((age for age, at in self._late.values() if 0 <= now_us - at < 1_000_000), default=0)
