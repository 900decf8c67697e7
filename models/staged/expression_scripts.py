"""Scripted expressions of the demo camera: what a script shows at which time.

Cheap to import (no picture, no OpenCV), so that the process which only compares answers with
the truth does not build any picture. Everything is a pure function of the time or frame index.
"""

from dataclasses import dataclass
from typing import Final

NEUTRAL: Final = "neutral"
EXPRESSIONS: Final = ("happiness", "surprise", "sadness", "anger")
"""Expressions that the portrait can be moved to; `neutral` is the absence of all of them."""

SHOWN_FROM: Final = 0.6
"""An expression counts as shown from this intensity on, if the others are at most `REST_UP_TO`."""
REST_UP_TO: Final = 0.15
"""The face counts as neutral while every intensity is at most this."""
LAYOUTS: Final = ("portrait", "far", "crowd")
"""`portrait`: head and shoulders; `far`: a small face off centre; `crowd`: two faces side by side."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One expression, held for a time that includes the ease from the segment before it."""

    expression: str
    duration_s: float
    intensity: float = 1.0

    def __post_init__(self) -> None:
        known = (NEUTRAL, *EXPRESSIONS)
        if self.expression not in known:
            raise ValueError(f"segment: unknown expression {self.expression!r}; known: {', '.join(known)}")
        if not self.duration_s > 0:
            raise ValueError(
                f"segment {self.expression!r}: duration_s must be above 0, got {self.duration_s}"
            )
        if not 0 < self.intensity <= 1:
            raise ValueError(
                f"segment {self.expression!r}: intensity must be in (0, 1], got {self.intensity}"
            )


@dataclass(frozen=True, slots=True)
class Script:
    """Segments in order, repeated for ever. Each starts with an ease from the one before it."""

    name: str
    segments: tuple[Segment, ...]
    layout: str = "portrait"
    ease_s: float = 0.4

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError(f"script {self.name!r}: needs at least one segment")
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"script {self.name!r}: unknown layout {self.layout!r}; known: {', '.join(LAYOUTS)}"
            )
        shortest_s = min(s.duration_s for s in self.segments)
        if not 0 < self.ease_s <= shortest_s:
            raise ValueError(
                f"script {self.name!r}: ease_s must be above 0 and at most the shortest segment "
                f"({shortest_s} s), got {self.ease_s}"
            )

    @property
    def duration_s(self) -> float:
        """Length of one round."""
        return sum(s.duration_s for s in self.segments)


def _from_neutral(*expressions: str, hold_s: float = 2.0, rest_s: float | None = None) -> tuple[Segment, ...]:
    """Each expression, reached from a neutral face, which is held for `rest_s`, or as long as it."""
    rest = Segment(NEUTRAL, rest_s or hold_s)
    return tuple(segment for expression in expressions for segment in (rest, Segment(expression, hold_s)))


SCRIPTS: Final[dict[str, Script]] = {
    script.name: script
    for script in (
        # The first rests are so short that happiness and surprise are shown before the subject's own neutral
        # face is known, and again after. Sadness and anger, which is held back, wait for it: that is where
        # knowing the resting face shows, and who comes in with them is known late.
        Script(
            "cycle",
            (
                *_from_neutral("happiness", "surprise", rest_s=0.7),
                Segment(NEUTRAL, 1.6),
                Segment("anger", 2.0, 0.65),
                *_from_neutral("sadness", rest_s=1.0),
                Segment(NEUTRAL, 4.0),
            ),
        ),
        Script("smile", _from_neutral("happiness", hold_s=3.0)),
        Script("surprise", _from_neutral("surprise", hold_s=3.0)),
        Script("frown", _from_neutral("sadness", "anger")),
        Script("calm", (Segment(NEUTRAL, 10.0),)),
        # What `mien probe` shows: named alike against the population's neutral face and the subject's own.
        Script("probe", _from_neutral("happiness", "surprise", hold_s=3.0)),
        Script("far", _from_neutral("happiness", "surprise"), layout="far"),
        Script("crowd", _from_neutral("happiness", "surprise"), layout="crowd"),
    )
}


def find_script(name: str) -> Script:
    """The script of that name; `ValueError` listing the known ones otherwise."""
    try:
        return SCRIPTS[name]
    except KeyError:
        raise ValueError(f"unknown demo script {name!r}; known scripts: {', '.join(SCRIPTS)}") from None


def _smoothstep(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def intensities_at(script: Script, time_s: float) -> dict[str, float]:
    """Intensity in [0, 1] of every expression of `EXPRESSIONS` at a time, in seconds from the start."""
    into_s = time_s % script.duration_s
    previous = script.segments[-1 if time_s >= script.duration_s else 0]  # the first round starts at once
    for current in script.segments:
        if into_s < current.duration_s:
            break
        into_s -= current.duration_s
        previous = current
    arrived = _smoothstep(into_s / script.ease_s)
    shown = dict.fromkeys(EXPRESSIONS, 0.0)
    for segment, share in ((previous, 1.0 - arrived), (current, arrived)):
        if segment.expression != NEUTRAL:
            shown[segment.expression] += share * segment.intensity
    return shown


def truth_at(script: Script, index: int, fps: float) -> str | None:
    """The emotion class that frame `index` shows at `fps` frames a second, or None on the way between two.

    An expression is shown from intensity `SHOWN_FROM` on while no other is above `REST_UP_TO`; the face
    is neutral while none is above `REST_UP_TO`.
    """
    intensities = intensities_at(script, index / fps)
    strongest = max(intensities, key=intensities.__getitem__)
    if intensities[strongest] <= REST_UP_TO:
        return NEUTRAL
    others_rest = all(i <= REST_UP_TO for e, i in intensities.items() if e != strongest)
    return strongest if intensities[strongest] >= SHOWN_FROM and others_rest else None
