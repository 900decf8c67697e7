"""From what pictures show to what is true of their camera: one look after the other, by the caller's clock.

A condition must have lasted for its time in `HOLDS_S` before it is a state, so that a lorry that passes
covers nothing, and it must be gone for `CLEAR_S` before it is over. Of several states that hold, the one that
says most about the picture is told (`ORDER`): a dark picture says nothing about where the camera looks.
"""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from models.arrays import F32
from models.faces.pictures import Plane
from streams.messages.camera_truth import CameraState
from workers.truth import picture_measures, scene
from workers.truth.picture_measures import PictureMeasures
from workers.truth.scene import UsualScenes

# Measured by `mien bench truth`: docs/cameras.md.
DARK_BRIGHTNESS: Final = 12.0
DARK_CONTRAST: Final = 8.0
COVERED_STRUCTURE: Final = 0.03
BLURRED_SHARPNESS: Final = 0.42
MOVED_LIKENESS: Final = 0.34
CLOCK_OFF_S: Final = 1.0
"""Half of what a live frame may be old (MIEN_MAX_FRAME_AGE_MS)."""

HOLDS_S: Final[Mapping[CameraState, float]] = {
    "dark": 5.0,
    "covered": 20.0,
    "blurred": 20.0,
    "moved": 60.0,
    "clock-off": 0.0,
}
CLEAR_S: Final = 3.0
ORDER: Final[tuple[CameraState, ...]] = ("lost", "dark", "frozen", "covered", "blurred", "moved", "clock-off")

PRESENT_S: Final = 15.0
"""Time constant of what the camera sees at present: who walks through the picture hardly counts."""
LEARN_AFTER_S: Final = 30.0
LEARN_EVERY_S: Final = 60.0
LEARNT_EACH_TIME: Final = 0.2
"""How much of the present goes into what is usual at this hour."""
ACCEPTED_AFTER_S: Final = 8 * 3600.0
"""A scene that stays for so long, told as moved all the while, is the usual one from then on."""


def seems(shown: PictureMeasures) -> CameraState:
    """What one picture alone makes think of its camera: dark, covered, blurred, or ok."""
    if shown.brightness < DARK_BRIGHTNESS and shown.contrast < DARK_CONTRAST:
        return "dark"
    if shown.structure < COVERED_STRUCTURE:
        return "covered"
    return "blurred" if shown.sharpness < BLURRED_SHARPNESS else "ok"


class Finding(NamedTuple):
    """What is true of a camera."""

    state: CameraState
    since_s: float
    """By the caller's clock."""
    measures: dict[str, float]


class _Condition(NamedTuple):
    began_s: float
    seen_s: float


class TruthJudge:
    """Of one camera. All times are seconds of one clock that never goes back."""

    def __init__(self, frozen_s: float) -> None:
        """``frozen_s``: a picture that is the same for so long is frozen; 0: never."""
        self._frozen_s = frozen_s
        self._conditions: dict[CameraState, _Condition] = {}
        self._told: tuple[CameraState, float] | None = None
        self._lost_at_s: float | None = None
        self._unchanged: tuple[float, float] | None = None
        """For how long the last picture has been the same, and when it came."""
        self._measures: PictureMeasures | None = None
        self._likeness: float | None = None
        self._clock_offset_s: float | None = None
        self._present: F32 | None = None
        self._looked_at_s = 0.0
        self._like_usual_s = 0.0
        """For how long together nothing was amiss since something was learnt."""
        self.usual = UsualScenes({})
        """What was learnt; whoever keeps it may put back what an earlier run had."""

    def lost(self, now_s: float) -> None:
        """The camera gives no pictures."""
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        self._conditions = {name: one for name, one in self._conditions.items() if name == "clock-off"}

    def came(self, unchanged_s: float, now_s: float) -> None:
        """A picture came, which has been the same for so long, to the bit."""
        self._lost_at_s = None
        self._unchanged = (unchanged_s, now_s)

    def see(self, grey: Plane, now_s: float, hour: int) -> None:
        """Looks at a picture of `small_grey`, at this hour of the day (UTC)."""
        step_s = min(now_s - self._looked_at_s, 60.0)
        self._looked_at_s = now_s
        self._measures = picture_measures.measure(grey)
        shown = seems(self._measures)
        self._note("dark", shown == "dark", now_s)
        self._note("covered", shown == "covered", now_s)
        self._note("blurred", shown == "blurred", now_s)
        if shown == "ok":  # else what it sees cannot be told
            self._compare(grey, step_s, now_s, hour)

    def clock(self, offset_s: float, now_s: float) -> None:
        """The camera's clock is so far ahead of Kafka's."""
        self._clock_offset_s = offset_s
        self._note("clock-off", abs(offset_s) > CLOCK_OFF_S, now_s)

    @property
    def suspects(self) -> bool:
        """Whether something seemed amiss with the last pictures, whether or not it has lasted yet."""
        return bool(self._conditions.keys() - {"clock-off"})

    def finding(self, now_s: float) -> Finding | None:
        """What is true now; None as long as nothing is known."""
        if self._lost_at_s is None and self._measures is None:
            return None
        state, since_s = next(
            ((name, since) for name in ORDER if (since := self._holds_since_s(name)) is not None),
            ("ok", now_s),
        )
        if self._told is None or self._told[0] != state:
            self._told = (state, since_s)
        return Finding(*self._told, self._told_measures())

    def _holds_since_s(self, name: CameraState) -> float | None:
        if name == "lost":
            return self._lost_at_s
        if name == "frozen":
            unchanged_s, at_s = self._unchanged or (0.0, 0.0)
            return at_s - unchanged_s if 0 < self._frozen_s <= unchanged_s else None
        condition = self._conditions.get(name)
        # Up to the last look: what came since then, nobody has seen.
        holds = condition is not None and condition.seen_s - condition.began_s >= HOLDS_S[name]
        return condition.began_s if condition and holds else None

    def _told_measures(self) -> dict[str, float]:
        told: dict[str, float] = {}
        if self._measures is not None:
            told |= {name: round(value, 3) for name, value in self._measures._asdict().items()}
        if self._likeness is not None:
            told["likeness"] = round(self._likeness, 3)
        if self._unchanged is not None:
            told["unchanged_s"] = round(self._unchanged[0], 1)
        if self._clock_offset_s is not None:
            told["clock_offset_s"] = round(self._clock_offset_s, 3)
        return told

    def _note(self, name: CameraState, holds: bool, now_s: float) -> None:
        condition = self._conditions.get(name)
        if holds:
            self._conditions[name] = _Condition(condition.began_s if condition else now_s, now_s)
        elif condition and (name == "clock-off" or now_s - condition.seen_s >= CLEAR_S):
            del self._conditions[name]

    def _compare(self, grey: Plane, step_s: float, now_s: float, hour: int) -> None:
        seen = scene.describe(grey)
        if self._present is None:
            self._present = seen
        else:
            self._present = self._present + (seen - self._present) * -math.expm1(-step_s / PRESENT_S)
        self._likeness = self.usual.likeness(scene.unit(self._present))
        moved = self._likeness is not None and self._likeness < MOVED_LIKENESS
        self._note("moved", moved, now_s)
        condition = self._conditions.get("moved")
        accepted = condition is not None and now_s - condition.began_s >= ACCEPTED_AFTER_S
        if moved and not accepted:
            self._like_usual_s = 0.0
            return
        self._like_usual_s += step_s
        if accepted or self._like_usual_s >= (LEARN_EVERY_S if hour in self.usual.by_hour else LEARN_AFTER_S):
            self._like_usual_s = 0.0
            self.usual.learn(hour, self._present, 1.0 if accepted else LEARNT_EACH_TIME)
