"""What became of each frame that the probe sent: its answer held against the script. Pure.

    right, wrong   the answer came, and names what the script shows, or another emotion
    abstained      it came and names none
    late           it came, but later than `late_us` after the capture, whatever it says
    missing        none came within `missing_us`

On the way from one expression to the next no answer is right or wrong: such a frame only counts where it is
late or missing.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Outcome = Literal["right", "wrong", "abstained", "late", "missing"]
OUTCOMES: tuple[Outcome, ...] = ("right", "wrong", "abstained", "late", "missing")


class Sent(NamedTuple):
    """A frame that is waited for."""

    captured_at_us: int
    truth: str | None
    """The emotion that the script shows; None between two."""


class Judge:
    """Holds answers against what was sent. Each frame is judged once, whatever comes again."""

    def __init__(self, *, late_us: int, missing_us: int) -> None:
        self._late_us = late_us
        self._missing_us = missing_us
        self._waiting: dict[int, Sent] = {}  # by frame number, in the order of sending

    def sent(self, seq: int, captured_at_us: int, truth: str | None) -> None:
        """Notes a frame."""
        self._waiting[seq] = Sent(captured_at_us, truth)

    def answered(self, seq: int, emotion: str | None, at_us: int) -> Outcome | None:
        """Judges an answer (`emotion` None: it abstains) that came at a time.

        None, where there is nothing to judge: a frame between two expressions, or one that was judged before.
        """
        sent = self._waiting.pop(seq, None)
        if sent is None:
            return None
        if at_us - sent.captured_at_us > self._late_us:
            return "late"
        if sent.truth is None:
            return None
        if emotion is None:
            return "abstained"
        return "right" if emotion == sent.truth else "wrong"

    def missing(self, now_us: int) -> Iterator[int]:
        """The numbers of frames for which no answer will be waited any longer."""
        while self._waiting:
            seq, sent = next(iter(self._waiting.items()))
            if now_us - sent.captured_at_us <= self._missing_us:
                return
            del self._waiting[seq]
            yield seq

    @property
    def waiting(self) -> int:
        """How many frames have no answer yet."""
        return len(self._waiting)
