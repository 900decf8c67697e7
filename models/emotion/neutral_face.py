"""A subject's neutral face, estimated from the frames seen so far.

A smile means the corners of *this* mouth going up. So the best baseline of an explanation is the subject's
own face at rest; but nobody says which frames show it. Two things tell: rest is *held*, and it is what a face
comes back to. The rule:

1. **Look** at a few frames a second, of good quality and pose only. Neighbouring frames tell nothing new,
   and so the memory is a matter of time, not of the camera's frame rate.
2. **Count** a look unless the answer *under the population's baseline* says that no resting face looks like
   it. The own face has no say in what becomes the own face, or a wrong one would confirm itself.
   Happiness, surprise, disgust and fear move a face in ways that rest does not: where they get a share, a
   look does not count, however long it lasts. With one exception: it is of a shape whose other looks count.
   Many people's rest looks a little happy to a model of the population, now more, now less. So such looks
   make a shape more frequent, but only the others move it: a slight smile cannot creep in. Sadness and anger
   are no obstacle: many resting faces look like that, and they need an own neutral face most.
3. **Read** `READING` counted looks: the median of each coordinate, which a blink does not move. How far the
   looks lie from it says whether the face *holds* its shape: speech does not.
4. **Gather** readings of the same shape. A subject has at most `SHAPES` of them, the least seen gives way.
   For each: its mean, how often it was seen of late, and the population's mean probability of neutral. What
   is seen of another shape, and only that, lets one fade: no smile, however long, takes the rest away.
5. **Rest** is the shape that was seen most of late. A shape that does not look calm counts for less; one
   that others lie close around counts for more, because expressions leave rest in all directions; and so does
   the one that is thought to be rest already. The neutral face is that shape with its close neighbours.

The own neutral face is there after two readings of a calm shape, one and a half seconds, or of one that looks
sad or angry, six. It is not mixed with the population's while there is little evidence: neutral frames of one
recording differ by about 0.004 inter-ocular distances (RMS over the points), people by 0.026. So six looks
are far closer than the population's mean, and an event can say plainly what it was compared with. Should
they have been another shape than rest, it takes the face a little longer at rest than it held that shape.

`models.judging.neutral_face_trial` measures all of this; docs/evaluation.md has the figures.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from models.arrays import F32

_NEUTRAL, _HAPPINESS, _SURPRISE, _SADNESS, _ANGER, _DISGUST, _FEAR, _CONTEMPT = range(8)
_MOVED: Final = [_HAPPINESS, _SURPRISE, _DISGUST, _FEAR]

LOOK_EVERY_S: Final = 0.25
CLOCK_RESET_S: Final = 60.0
"""A frame so much older than the last one is from a clock that was set back, not one that comes again."""

MOST_HAPPINESS: Final = 0.05
"""Above it are half of the FERPlus faces in which two of ten people see happiness, five sixths of those in
which four do, and a ninth of the plainly neutral ones."""
MOST_MOVED: Final = 0.1
"""The same for happiness, surprise, disgust and fear together."""
MOST_MOVED_KNOWN: Final = 0.6
"""The same where the shape is one of those of which other looks have counted."""
LEAST_NEUTRAL: Final = 0.2
"""Below it even a face that looks sad or angry does not count: that is more than a resting face does."""

READING: Final = 3
"""Looks of one reading."""
SAME: Final = 0.011
"""A reading so far from a shape (RMS over the points, less what noise adds) is still of that shape."""
SHAPES: Final = 5
HELD: Final = 0.0105
"""Looks of a held shape lie no farther from each other than this noise (RMS) takes them; speech does."""
RESTLESS: Final = 1.5
"""Nor than so many times the least noise that this subject has shown."""
QUIETEST: Final = 0.0025
"""Less noise than this is no subject's: it is a still picture's."""
WILD: Final = 0.03
"""Looks with more noise than this say nothing at all: the mesh slips."""
NOT_HELD: Final = 0.25
"""What a look of no held shape is worth. Not nothing: some cameras are never quiet."""

CALM_FROM: Final = 0.5
"""Probability of neutral from which a reading is calm."""
HEAVY: Final = 0.25
"""What a look that is not calm is worth before a shape is believed."""
BELIEVED_FROM: Final = 2.0 * READING
"""A shape may be rest after so many looks."""

CALMEST: Final = 0.8
"""Greater probabilities of neutral do not make a shape any calmer."""
CALM_POWER: Final = 2.0
"""A shape counts by its odds of neutral to this power: at 0.4 a thirty-sixth of what it counts at 0.8."""
HALF_LIFE: Final = 240.0
"""After so many looks of other shapes, a minute, a shape has half of its weight."""
LONGEST_MEAN: Final = 120.0
"""A shape's mean follows as if it had been seen so many times at most."""
AROUND: Final = 0.02
"""Shapes so far apart support each other by 1/e."""
INERTIA: Final = 1.25
"""Another shape must weigh so much more than the one that is thought to be rest."""
NEIGHBOURS: Final = 0.025
"""Shapes nearer to rest than this have a share in the baseline, the nearer the more."""


class Look(NamedTuple):
    """One frame that was looked at. K points."""

    points: F32  # [K, 3]
    neutral: float  # its probability under the population's baseline
    by_itself: bool  # it counts whatever has been seen before


class Shape(NamedTuple):
    """A shape of the face that was seen again and again."""

    mean: F32  # [K, 3]
    averaged: float  # looks in the mean, at most `LONGEST_MEAN`
    seen: float  # looks of late: they fade
    neutral: float  # mean probability under the population's baseline
    believed: float  # looks, by what they are worth, that do not fade

    @property
    def weight(self) -> float:
        """Looks of late, by how calm the shape is."""
        calm = min(self.neutral, CALMEST)
        odds = (calm / (1 - calm)) / (CALMEST / (1 - CALMEST))
        return self.seen * float(odds**CALM_POWER)


class Estimate(NamedTuple):
    """What is known of a subject's neutral face. Times are in µs since the epoch."""

    mean: F32 | None = None  # [K, 3]: the baseline
    rest: int = -1  # which shape it is, or -1
    readings: int = 0
    read_at_us: int = 0
    looked_at_us: int = -(2**62)
    pending: tuple[Look, ...] = ()  # counted, not read yet
    shapes: tuple[Shape, ...] = ()
    jitter: float = 0.0  # the least noise of looks so far, RMS; 0: unknown

    @property
    def weight(self) -> float:
        """How much speaks for it, in seconds of a calm face; 0 while it is not known."""
        return self.shapes[self.rest].weight * LOOK_EVERY_S if self.rest >= 0 else 0.0


NOTHING: Final = Estimate()


def current(state: Estimate) -> F32 | None:
    """The subject's own neutral face [K, 3] in the canonical face frame; None while it is not known."""
    return state.mean


def restored(mean: F32, weight: float, readings: int, read_at_us: int) -> Estimate:
    """An estimate from what was kept of one: its mean [K, 3], its weight in s, and the others as they were.

    No weight is taken for more than one shape can have.
    """
    seen = min(weight / LOOK_EVERY_S, HALF_LIFE / math.log(2))
    shape = Shape(mean, min(max(seen, READING), LONGEST_MEAN), seen, CALMEST, BELIEVED_FROM)
    return Estimate(
        mean=mean, rest=0, readings=readings, read_at_us=read_at_us, looked_at_us=read_at_us, shapes=(shape,)
    )


def due(state: Estimate, captured_at_us: int) -> bool:
    """Whether `update` wants this frame. Only then is its answer under the population's baseline needed."""
    elapsed_s = (captured_at_us - state.looked_at_us) / 1e6
    return elapsed_s >= LOOK_EVERY_S or elapsed_s < -CLOCK_RESET_S


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
    before = state.shapes[0].mean if state.shapes else state.pending[0].points if state.pending else points
    if np.shape(points) != before.shape or before.ndim != 2:
        raise ValueError(f"points must have shape {list(before.shape)}, not {list(np.shape(points))}")
    if not usable or not due(state, captured_at_us):
        return state
    state = state._replace(looked_at_us=captured_at_us)
    by_itself = _counts(population_probabilities)
    if not by_itself and not _counts_as_known(state, points, population_probabilities):
        return state
    look = Look(np.array(points, np.float32), float(population_probabilities[_NEUTRAL]), by_itself)
    state = state._replace(pending=(*state.pending, look))
    return state if len(state.pending) < READING else _read(state, captured_at_us)


def _counts(p: F32) -> bool:
    """Whether a resting face may look like this."""
    calm = p[_HAPPINESS] <= MOST_HAPPINESS and p[_MOVED].sum() <= MOST_MOVED
    return bool(calm and p[_NEUTRAL] >= LEAST_NEUTRAL)


def _counts_as_known(state: Estimate, points: F32, p: F32) -> bool:
    """Whether it may at least be one of the shapes of which other looks have counted."""
    if p[_MOVED].sum() > MOST_MOVED_KNOWN or p[_NEUTRAL] < LEAST_NEUTRAL:
        return False
    return min(_square_distances(points, state.shapes), default=math.inf) <= SAME**2 + state.jitter**2


def _square(difference: F32) -> float:
    """Mean over the points [K, 3] of their squared length."""
    return float(np.vdot(difference, difference)) / len(difference)


def _square_distances(points: F32, shapes: tuple[Shape, ...]) -> list[float]:
    """Mean over the points of the squared distance of `points` [K, 3] from each shape."""
    return [_square(points - shape.mean) for shape in shapes]


_MEDIAN_OFF: Final = 0.78
"""Variance of three normal values about their median, in that of a value."""
_MEDIAN_NOISE: Final = 0.45
"""And of the median itself."""


def _read(state: Estimate, at_us: int) -> Estimate:
    one, two, three = (look.points for look in state.pending)
    face = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))  # the median
    off = sorted(_square(look.points - face) for look in state.pending)
    noise_square = off[1] / _MEDIAN_OFF
    neutral = sum(look.neutral for look in state.pending) / READING
    by_itself = sum(look.by_itself for look in state.pending) / READING
    state = state._replace(pending=(), readings=state.readings + 1, read_at_us=at_us)
    if noise_square > WILD**2:
        return state
    # A blink spoils one look, which the median leaves out; speech spoils them all.
    pairs = sorted(_square(a - b) for a, b in ((one, two), (two, three), (three, one)))
    apart = math.sqrt(pairs[1] / 2)
    state = state._replace(jitter=_least(state.jitter, apart))
    worth = READING * (1.0 if apart <= min(HELD, RESTLESS * max(state.jitter, QUIETEST)) else NOT_HELD)
    place = _place(state, face, _MEDIAN_NOISE * noise_square, may_be_new=by_itself > 0.5)
    return state if place is None else _with_rest(_gathered(state, place, face, neutral, worth, by_itself))


def _least(jitter: float, noise: float) -> float:
    """The least noise: it falls soon and rises slowly."""
    if not jitter:
        return noise
    return jitter + 0.3 * (noise - jitter) if noise < jitter else jitter * 1.02


def _place(state: Estimate, face: F32, noise_square: float, *, may_be_new: bool) -> int | None:
    """The place of the shape that a reading [K, 3] is of, as many as there are if it is a new one."""
    shapes = state.shapes
    if shapes:
        away = _square_distances(face, shapes)
        nearest = min(away)
        if nearest - noise_square <= SAME**2:
            return away.index(nearest)
    return len(shapes) if may_be_new else None


def _gathered(
    state: Estimate, place: int, face: F32, neutral: float, worth: float, by_itself: float
) -> Estimate:
    """With one more reading of the shape at `place`; the share `by_itself` of its looks moves the mean."""
    shapes = list(state.shapes)
    if place == len(shapes):
        new = Shape(face, 0.0, 0.0, neutral, 0.0)
        if place == SHAPES:
            place = min((i for i in range(SHAPES) if i != state.rest), key=lambda i: shapes[i].weight)
            shapes[place] = new
        else:
            shapes.append(new)
    shape = shapes[place]
    averaged = min(shape.averaged + worth * by_itself, LONGEST_MEAN)
    share = worth * by_itself / averaged
    mean = (shape.mean + np.float32(share) * (face - shape.mean)).astype(np.float32)
    mean.setflags(write=False)
    seen = shape.seen * 0.5 ** (worth / HALF_LIFE) + worth
    shapes[place] = Shape(
        mean,
        averaged,
        seen,
        shape.neutral + worth / seen * (neutral - shape.neutral),
        shape.believed + worth * (1.0 if neutral >= CALM_FROM else HEAVY),
    )
    # A shape that hardly looks like rest makes the others fade hardly.
    fade = 0.5 ** (worth / HALF_LIFE * shapes[place].weight / seen)
    others = [each if i == place else each._replace(seen=each.seen * fade) for i, each in enumerate(shapes)]
    return state._replace(shapes=tuple(others))


def _with_rest(state: Estimate) -> Estimate:
    """Chooses rest anew, after a reading."""
    shapes = state.shapes
    weight = np.array([shape.weight for shape in shapes])
    flat = np.array([shape.mean for shape in shapes]).reshape(len(shapes), -1)
    off = flat - flat[0]  # so that the squares are small numbers
    product = (off @ off.T).astype(np.float64) / len(shapes[0].mean)
    own = product.diagonal()
    square = np.maximum(own[:, None] + own - 2 * product, 0)
    score = np.exp(-square / AROUND**2) @ weight
    if state.rest >= 0:
        score[state.rest] *= INERTIA
    believed = [shape.believed >= BELIEVED_FROM for shape in shapes]
    if not any(believed):
        return state
    rest = int(np.where(believed, score, -1.0).argmax())
    share = weight * np.square(np.maximum(1 - square[rest] / NEIGHBOURS**2, 0))
    mean = ((share / share.sum()).astype(np.float32) @ flat).reshape(-1, 3)
    mean.setflags(write=False)
    return state._replace(rest=rest, mean=mean)
