"""Sequences of faces as a stream sees them, made of single photos: rest, expressions, speech, turns of the
head.

A file of warped photos (docs/training.md) has for each person some quiet neutral faces, speaking ones, one
with shut eyes, and expressions. Between two faces of one person the points move on a straight line, so

    face(t) = quiet + a(t) (expression − quiet) + Σ m_j(t) (speaking_j − quiet) + b(t) (blink − quiet)
              + turn(pose(t)) − turn(pose of the photo) + noise(t)

What is made up, and where it comes from:

- **Expressions** ease in within 0.2 to 0.5 s, are held for 2 s, and ease out as fast, as posed ones do;
  spontaneous ones are slower (K. Schmidt et al., Journal of Nonverbal Behavior 30, 2006).
- **Speech** goes from one mouth shape to the next 3 to 6 times a second; real mouths open and shut 2 to 7
  times a second (C. Chandrasekaran et al., PLoS Computational Biology 5 (7), 2009). A shape is a mixture of
  the person's speaking faces, weak or strong, or a closed mouth.
- **Blinks** last 0.3 s and come every 2 to 6 s, in all sequences.
- **Turns** go to a new pose every 0.5 to 2 s, anywhere within the limits beyond which the stream abstains.
  What a turn does to the aligned mesh is not simulated, but read off the file: the regression of all its
  quiet faces and their mirror twins on yaw and pitch (`mesh_of_turns`). It is what the mesh does on
  average; people differ.
- **Noise**: on video of people who talk and sign, the points change by 0.0035 to 0.008 from one frame to
  the next at ten frames a second (RMS of a coordinate, in inter-ocular distances). Each sequence draws its
  own change from that range, and gets as much noise as its movement leaves room for. Neighbouring points
  move together, as in `models.samples.landmark_noise`. Most of it is new in each frame; a part lasts for
  half a second (`NOISE_LASTING`, `NOISE_LASTS_S`), chosen so that a face at rest strays by 0.9 of the
  change: by 0.003 to 0.004 where the change is least, which is what one recording of a face at rest was
  measured to do.

What they cannot show: skin that folds, muscles that do not move in step, what people really do.
"""

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from models.arrays import F32, F64, I32
from models.faces.align import align
from models.faces.head_pose import pose_deg
from models.faces.landmark_set import LandmarkSet
from models.samples import landmark_noise
from models.samples.dataset import EMOTIONS
from models.samples.landmark_files import Arrays, unpack
from models.samples.turned_mesh import mesh_of_turns, turn_terms

SequenceKind: TypeAlias = Literal[
    "resting", "talking", "turning", "talking and turning", "expression", "expression while talking"
]
KINDS: Final[tuple[SequenceKind, ...]] = get_args(SequenceKind)

QUIET, SPEECH, BLINK = "", "speech", "blink"
"""The tags of neutral faces."""

FRAMES_PER_S: Final = 10.0
LASTS_S: Final = 10.0
"""Talk or turns, or as much of rest."""
REST_S: Final = 5.0
"""Before anything else: a stream knows an own neutral face after four seconds of rest at the earliest."""
AFTER_S: Final = 1.5
"""At least, at rest again after an expression."""
HELD_S: Final = 2.0
EASE_S: Final = (0.2, 0.5)
SYLLABLES_PER_S: Final = (3.0, 6.0)
MOUTH_CLOSED: Final = 0.3
"""Share of the mouth shapes."""
SPEECH_STRENGTH: Final = (0.5, 1.2)
BLINK_EVERY_S: Final = (2.0, 6.0)
BLINK_LASTS_S: Final = 0.3
TURN_EVERY_S: Final = (0.5, 2.0)
SWAY_DEG: Final = 4.0
"""How far a head moves that does not turn, in yaw and pitch."""
CHANGE: Final = (0.0035, 0.008)
"""RMS of a coordinate from one frame to the next in a tenth of a second, movement and noise together."""
NOISE_LEAST: Final = 0.0015
"""The noise's part of it is at least this, however much a face moves."""
NOISE_LASTING: Final = 0.15
"""Share of the noise's squared change that is of noise which lasts."""
NOISE_LASTS_S: Final = 0.5

_CHUNK: Final = 2048  # faces aligned at once
_NOISE_WHITE: Final = 0.0  # beyond the white part that `landmark_noise` gives smooth noise


class Person(NamedTuple):
    """The faces of one person, aligned; K points."""

    subject: int
    quiet: F32  # [Q, K, 3], Q ≥ 2
    speech: F32  # [S, K, 3], S ≥ 1
    blink: F32  # [B, K, 3], B ≥ 1
    expressions: F32  # [E, K, 3]
    emotions: I32  # [E], into EMOTIONS; never neutral
    yaw_pitch_deg: F32  # [2]: of the photo


class Sequences(NamedTuple):
    """N sequences of one kind, T frames each; K points."""

    kind: SequenceKind
    at_s: F64  # [T]
    points: F32  # [N, T, K, 3]
    baseline: F32  # [N, K, 3]: the mean of the person's other quiet faces
    yaw_pitch_deg: F32  # [N, T, 2]
    subject: I32  # [N]
    emotion: I32  # [N], of the expression, into EMOTIONS; 0 where there is none
    apex_s: F64  # [N, 2]: from, to; nan where there is none

    def __len__(self) -> int:
        return len(self.subject)


class TurnLimits(NamedTuple):
    """How far a head turns."""

    yaw_deg: float
    pitch_deg: float


class SequenceSource(NamedTuple):
    """All that sequences are made of. K points."""

    people: tuple[Person, ...]
    turns: F32  # [5, K, 3], see `mesh_of_turns`
    noise: F32  # [3K, 3K]: white noise times this is smooth in space, RMS 1 a coordinate


def read_source(arrays: Arrays, landmark_set: LandmarkSet) -> SequenceSource:
    """What sequences are made of, from the arrays of a file of warped photos.

    People without two quiet faces, a speaking one and one with shut eyes are left out. Raises KeyError for a
    missing array, and ValueError when no person is left or arrays do not fit together.
    """
    points, yaw_pitch_deg = _aligned(arrays, landmark_set)
    label, tag, subject = arrays["label"], arrays["tag"], arrays["subject"]
    if not len(points) == len(label) == len(tag) == len(subject):
        raise ValueError(
            f"{len(points)} faces, {len(label)} labels, {len(tag)} tags, {len(subject)} subjects"
        )
    neutral = label == EMOTIONS[0]
    number = {emotion: i for i, emotion in enumerate(EMOTIONS)}
    people = []
    for person in np.unique(subject):
        mine = subject == person
        quiet, speech, blink = (mine & neutral & (tag == of) for of in (QUIET, SPEECH, BLINK))
        posed = mine & ~neutral
        if quiet.sum() < 2 or not speech.any() or not blink.any():
            continue
        people.append(
            Person(
                subject=int(person),
                quiet=points[quiet],
                speech=points[speech],
                blink=points[blink],
                expressions=points[posed],
                emotions=np.array([number[str(name)] for name in label[posed]], np.int32),
                yaw_pitch_deg=np.median(yaw_pitch_deg[quiet], axis=0).astype(np.float32),
            )
        )
    if not people:
        raise ValueError("nobody has two quiet neutral faces, a speaking one and one with shut eyes")
    rest = neutral & (tag == QUIET)
    turns = mesh_of_turns(points[rest], yaw_pitch_deg[rest], landmark_set)
    return SequenceSource(tuple(people), turns, _noise_of(landmark_set))


def make(
    source: SequenceSource,
    kind: SequenceKind,
    limits: TurnLimits,
    *,
    frames_per_s: float = FRAMES_PER_S,
    change: tuple[float, float] = CHANGE,
    seed: int = 0,
) -> Sequences:
    """One sequence for each person, or for each expression of each person if the kind has one.

    The same seed gives the same sequences. People whose photo is turned further than the limits have none: a
    stream would always abstain. `change` (0, 0) leaves the noise out.
    """
    posed = kind in ("expression", "expression while talking")
    plan = [
        (person, row)
        for person in source.people
        for row in (range(len(person.expressions)) if posed else [None])
        if _within(person, limits)
    ]
    lasts_s = REST_S + (2 * EASE_S[1] + HELD_S + AFTER_S if posed else LASTS_S)
    at_s = np.arange(round(lasts_s * frames_per_s) + 1) / frames_per_s
    shape = (len(plan), len(at_s))
    made = Sequences(
        kind=kind,
        at_s=at_s,
        points=np.empty((*shape, *source.turns.shape[1:]), np.float32),
        baseline=np.empty((len(plan), *source.turns.shape[1:]), np.float32),
        yaw_pitch_deg=np.empty((*shape, 2), np.float32),
        subject=np.array([person.subject for person, _ in plan], np.int32),
        emotion=np.array([0 if row is None else person.emotions[row] for person, row in plan], np.int32),
        apex_s=np.full((len(plan), 2), np.nan),
    )
    for i, (person, row) in enumerate(plan):
        rng = np.random.default_rng([seed, KINDS.index(kind), person.subject, row or 0])
        quiet = int(rng.integers(len(person.quiet)))
        made.baseline[i] = np.delete(person.quiet, quiet, axis=0).mean(axis=0)
        rest = person.quiet[quiet]
        points = np.broadcast_to(rest, (len(at_s), *rest.shape)).astype(np.float64)
        if row is not None:
            ease_s = rng.uniform(*EASE_S)
            made.apex_s[i] = REST_S + ease_s, REST_S + ease_s + HELD_S
            knots_s = np.array([REST_S, *made.apex_s[i], made.apex_s[i, 1] + ease_s])
            shown = _eased(at_s, knots_s, np.array([0.0, 1.0, 1.0, 0.0]))
            points += shown[:, None, None] * (person.expressions[row] - rest)
        if "talking" in kind:
            mouth = _speech(at_s - REST_S, len(person.speech), rng)
            points += np.einsum("tj,jkx->tkx", mouth, person.speech - rest)
        shut = person.blink[rng.integers(len(person.blink))]
        points += _blinks(at_s, rng)[:, None, None] * (shut - rest)
        pose_deg = _poses(at_s - REST_S, person.yaw_pitch_deg, limits if "turning" in kind else None, rng)
        turn = turn_terms(pose_deg) - turn_terms(person.yaw_pitch_deg[None])
        points += np.einsum("tc,ckx->tkx", turn, source.turns)
        moved = np.square(np.diff(points, axis=0)).mean() * (frames_per_s / FRAMES_PER_S) ** 2
        noise = max(rng.uniform(*change) ** 2 - moved, NOISE_LEAST**2 if change[1] else 0.0)
        made.points[i] = points + _noise(at_s, source.noise, noise**0.5, rng)
        made.yaw_pitch_deg[i] = pose_deg
    return made


def _speech(at_s: F64, shapes: int, rng: np.random.Generator) -> F64:
    """How much of each speaking face is there at each time [T, J]."""
    rate = rng.uniform(*SYLLABLES_PER_S)
    count = int(at_s[-1] * rate * 1.5) + 3
    knots_s = np.concatenate([[0.0], np.cumsum(rng.uniform(0.7, 1.3, count) / rate)])
    mixed = rng.dirichlet(np.full(shapes, 0.5), len(knots_s)) * rng.uniform(
        *SPEECH_STRENGTH, (len(knots_s), 1)
    )
    mixed[rng.uniform(size=len(knots_s)) < MOUTH_CLOSED] = 0
    mixed[0] = 0
    return np.stack([_eased(at_s, knots_s, mixed[:, j]) for j in range(shapes)], axis=1)


def _blinks(at_s: F64, rng: np.random.Generator) -> F64:
    """How far the eyes are shut at each time [T]."""
    shut = np.zeros(len(at_s))
    begins_s = rng.uniform(0, BLINK_EVERY_S[1])
    while begins_s < at_s[-1]:
        phase = np.clip((at_s - begins_s) / BLINK_LASTS_S, 0, 1)
        shut += np.sin(np.pi * phase) ** 2
        begins_s += rng.uniform(*BLINK_EVERY_S)
    return shut


def _poses(at_s: F64, photo_deg: F32, limits: TurnLimits | None, rng: np.random.Generator) -> F64:
    """Yaw and pitch at each time [T, 2], from that of the photo on; without limits the head only sways."""
    knots_s = np.cumsum(
        np.concatenate([[0.0], rng.uniform(*TURN_EVERY_S, int(at_s[-1] / TURN_EVERY_S[0]) + 2)])
    )
    if limits is None:
        knots = photo_deg + rng.uniform(-SWAY_DEG, SWAY_DEG, (len(knots_s), 2))
    else:
        knots = rng.uniform(-1, 1, (len(knots_s), 2)) * [limits.yaw_deg, limits.pitch_deg]
    knots[0] = photo_deg
    return np.stack([_eased(at_s, knots_s, knots[:, j]) for j in range(2)], axis=1)


def _noise(at_s: F64, smooth: F32, change: float, rng: np.random.Generator) -> F64:
    """[T, K, 3] whose RMS change in a tenth of a second is `change`; most passes at once, a part lasts."""
    # A step of an AR(1) process of variance v changes by 2 v (1 - kept); of white noise, by 2 v.
    tenth = np.exp(-0.1 / NOISE_LASTS_S)
    passing = change * np.sqrt((1 - NOISE_LASTING) / 2)
    lasting = change * np.sqrt(NOISE_LASTING / (2 * (1 - tenth)))
    drawn = rng.normal(size=(2, len(at_s), len(smooth))) @ smooth.T
    kept = np.exp(-np.diff(at_s) / NOISE_LASTS_S)
    for t, k in enumerate(kept, start=1):
        drawn[1, t] = k * drawn[1, t - 1] + np.sqrt(1 - k * k) * drawn[1, t]
    both: F64 = (passing * drawn[0] + lasting * drawn[1]).reshape(len(at_s), -1, 3)
    return both


def _noise_of(landmark_set: LandmarkSet) -> F32:
    covariance = landmark_noise.covariance(landmark_set, _NOISE_WHITE, 1.0)
    values, directions = np.linalg.eigh(covariance)
    root = directions * np.sqrt(np.maximum(values, 0))
    return np.asarray(root / np.sqrt(np.trace(covariance) / len(covariance)), np.float32)


def _within(person: Person, limits: TurnLimits) -> bool:
    yaw, pitch = np.abs(person.yaw_pitch_deg).tolist()
    return bool(yaw <= limits.yaw_deg and pitch <= limits.pitch_deg)


def _eased(at_s: F64, knots_s: F64, values: F64) -> F64:
    """Between the values at the knots, with a cosine's ease; the first and the last one stay."""
    place = np.clip(np.searchsorted(knots_s, at_s, side="right") - 1, 0, len(knots_s) - 2)
    share = np.clip((at_s - knots_s[place]) / (knots_s[place + 1] - knots_s[place]), 0, 1)
    share = (1 - np.cos(np.pi * share)) / 2
    between: F64 = values[place] + share * (values[place + 1] - values[place])
    return between


def _aligned(arrays: Arrays, landmark_set: LandmarkSet) -> tuple[F32, F32]:
    """The faces [N, K, 3] in the canonical face frame, and their yaw and pitch [N, 2]."""
    landmarks = unpack(arrays)
    points, poses = [], []
    for start in range(0, len(landmarks), _CHUNK):
        alignment = align(landmarks[start : start + _CHUNK])
        points.append(landmark_set.take(alignment.points))
        poses.append(pose_deg(alignment.rotation)[:, :2])
    return np.concatenate(points), np.concatenate(poses)


def rms_change(sequences: Sequences) -> F64:
    """RMS change [N] of a coordinate from one frame to the next, in inter-ocular distances."""
    return np.array([np.square(np.diff(points, axis=0)).mean() ** 0.5 for points in sequences.points])
