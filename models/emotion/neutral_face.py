"""A subject's neutral face, estimated from the frames seen so far.

A smile means the corners of *this* mouth going up. So the best baseline of an explanation is the subject's
own face at rest; but nobody says which frames show it. The rule:

1. **Look** at a few frames a second, of good quality and pose only. Neighbouring frames tell nothing new,
   and so the memory is a matter of time, not of the camera's frame rate.
2. **Count** a look if the answer *under the population's baseline* speaks for a face at rest. The own neutral
   face has no say in what becomes the own neutral face, or a wrong one would confirm itself. Happiness,
   surprise, disgust and fear move a face in ways that no resting face looks like: where they get a share, the
   look never counts, however long it lasts. Sadness and anger are another matter: many people's resting face
   looks like that to a model of the population, and they need an own neutral face most. So such a look counts
   too, but seldom: it takes minutes of nothing else, where a calm look takes seconds.
3. **Read**: of each `READING` counted looks, take the `MOST_RESTFUL` with the highest probability of neutral,
   and of these the median of each coordinate. That finds the rest between two expressions, and a few bad
   frames do nothing.
4. **Average** the readings, each weighted by its odds of neutral, old ones fading. So the face that a subject
   shows when calm soon replaces one that was read while it seemed sad, hardly ever the other way round, and
   the mean follows a change of the camera slowly.

The own neutral face is there from the first reading on, and not mixed with the population's while there is
little evidence: neutral frames of one recording differ by about 0.003 inter-ocular distances (RMS over the
points), people by 0.026. So a single reading is far closer than the population's mean, and an event can say
plainly what it was compared with.
"""

from typing import Final, NamedTuple

import numpy as np

from models.arrays import F32

_NEUTRAL, _HAPPINESS, _SURPRISE, _SADNESS, _ANGER, _DISGUST, _FEAR, _CONTEMPT = range(8)

LOOK_EVERY_S: Final = 0.25
HEAVY_LOOK_EVERY_S: Final = 12.0
"""A face that looks sad or angry counts only so often: a reading of nothing else takes over three minutes."""

MOST_HAPPINESS: Final = 0.05
"""Above it are half of the FERPlus faces in which two of ten people see happiness, five sixths of those in
which four do, and a ninth of the plainly neutral ones."""
MOST_MOVED: Final = 0.1
"""The same for happiness, surprise, disgust and fear together."""
CALM_FROM: Final = 0.5
"""Probability of neutral from which a look is calm."""
HEAVY_FROM: Final = 0.2
"""Below it even a face that looks sad or angry does not count: that is more than a resting face does."""
SUREST: Final = 0.97
"""Greater probabilities are taken for this one: calibration is not better than 0.03."""

READING: Final = 16
"""Looks of one reading: at least 4 s."""
MOST_RESTFUL: Final = 9
"""Of these so many are used. Up to four of them may be wrong without moving the median far."""
HALF_LIFE_S: Final = 300.0
"""After such a time a reading has half of its weight."""
CLOCK_RESET_S: Final = 60.0
"""A frame so much older than the last one is from a clock that was set back, not one that comes again."""


class Look(NamedTuple):
    """One frame that was looked at. K points."""

    points: F32  # [K, 3]
    neutral: float  # its probability under the population's baseline


class Estimate(NamedTuple):
    """What is known of a subject's neutral face. Times are in µs since the epoch."""

    mean: F32 | None = None  # [K, 3]: of all readings
    weight: float = 0.0  # of the mean, at `read_at_us`
    readings: int = 0
    read_at_us: int = 0
    looked_at_us: int = -(2**62)
    counted_at_us: int = -(2**62)
    pending: tuple[Look, ...] = ()  # counted, not read yet


NOTHING: Final = Estimate()


def current(state: Estimate) -> F32 | None:
    """The subject's own neutral face [K, 3] in the canonical face frame; None while it is not known."""
    return state.mean


def due(state: Estimate, captured_at_us: int) -> bool:
    """Whether `update` wants this frame. Only then is its answer under the population's baseline needed."""
    return _later(captured_at_us, state.looked_at_us, LOOK_EVERY_S)


def update(
    state: Estimate,
    points: F32,
    population_probabilities: F32,
    captured_at_us: int,
    *,
    usable: bool,
) -> Estimate:
    """The state after one more frame. A frame that comes again, or out of turn, changes nothing.

    Args:
        points: [K, 3] in the canonical face frame.
        population_probabilities: [8] under the population's baseline and without an operating point's bias;
            neutral, happiness, surprise, sadness, anger, disgust, fear, contempt.
        usable: whether quality and pose are good enough to name an emotion.

    Raises:
        ValueError: if there are not eight probabilities, or other points than in the frames before.
    """
    if np.shape(population_probabilities) != (8,):
        raise ValueError(
            f"population_probabilities must have shape [8], not {np.shape(population_probabilities)}"
        )
    known = state.mean if state.mean is not None else next((look.points for look in state.pending), points)
    if np.shape(points) != known.shape or known.ndim != 2:
        raise ValueError(f"points must have shape {list(known.shape)}, not {list(np.shape(points))}")
    if not usable or not due(state, captured_at_us):
        return state
    state = state._replace(looked_at_us=captured_at_us)
    every_s = _counts_every_s(population_probabilities)
    if every_s is None or not _later(captured_at_us, state.counted_at_us, every_s):
        return state
    look = Look(np.array(points, np.float32), min(float(population_probabilities[_NEUTRAL]), SUREST))
    state = state._replace(counted_at_us=captured_at_us, pending=(*state.pending, look))
    return state if len(state.pending) < READING else _read(state)


def _later(captured_at_us: int, than_us: int, by_s: float) -> bool:
    elapsed_s = (captured_at_us - than_us) / 1e6
    return elapsed_s >= by_s or elapsed_s < -CLOCK_RESET_S


def _counts_every_s(p: F32) -> float | None:
    """How often such a look may count; None: never."""
    if p[_HAPPINESS] > MOST_HAPPINESS or p[[_HAPPINESS, _SURPRISE, _DISGUST, _FEAR]].sum() > MOST_MOVED:
        return None
    if p[_NEUTRAL] >= CALM_FROM:
        return LOOK_EVERY_S
    return HEAVY_LOOK_EVERY_S if p[_NEUTRAL] >= HEAVY_FROM else None


def _read(state: Estimate) -> Estimate:
    chosen = sorted(state.pending, key=lambda look: -look.neutral)[:MOST_RESTFUL]
    face = np.median([look.points for look in chosen], axis=0)
    neutral = float(np.mean([look.neutral for look in chosen]))
    weight = neutral / (1 - neutral)
    age_s = max(0, state.counted_at_us - state.read_at_us) / 1e6
    before = state.weight * 0.5 ** (age_s / HALF_LIFE_S)
    mean = face if state.mean is None else state.mean + weight / (before + weight) * (face - state.mean)
    mean = mean.astype(np.float32)
    mean.setflags(write=False)
    return state._replace(
        mean=mean,
        weight=before + weight,
        readings=state.readings + 1,
        read_at_us=state.counted_at_us,
        pending=(),
    )
