"""Which facial actions a face shows: action units of FACS, measured on landmarks.

FACS is the Facial Action Coding System of Ekman, Friesen and Hager (2002). An action is a linear measure of
how groups of points moved from the baseline, taken on each side of the face. The measures of a landmark set
form one matrix, so that measuring a face is one small matrix product.

Those that look alike in landmarks share a name: AU 22 (lips funnelled) counts as 18, AU 23 and 28 (lips
tightened and sucked in) as 24, AU 16 (lower lip lowered) as 25. Sideways jaws, puffed cheeks and where the
eyes look are not measured.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64
from models.faces.canonical import CANONICAL, COARSE_REGION, MIRROR, REGION
from models.faces.landmark_set import LandmarkSet

Direction = Literal["up", "out", "forward"]  # out: away from the midline
Side = Literal["right", "left"]  # the subject's own

_GROUPS: Final = {
    # name: points of the right half and of the midline
    "inner brow": (55, 65, 107),
    "outer brow": (46, 53, 63, 70),
    "whole brow": (46, 52, 53, 55, 63, 65, 66, 70, 105, 107),
    "upper lid": (157, 158, 159, 160, 161),
    "lower lid": (144, 145, 153, 154, 163),
    "cheek": (50, 100, 101, 117, 118, 119),
    "nostril": (48, 49, 64, 98, 102, 129, 131),
    "lip corner": (57, 61, 62, 76, 78),
    "upper lip": (37, 39, 40, 72, 73),
    "upper lip, outer edge": (0, 37),
    "upper lip, inner edge": (13, 82),
    "lower lip, inner edge": (14, 87),
    "lower lip, outer edge": (17, 84),
    "chin": (148, 152, 171, 175),
}
_STILL: Final = (
    6, 10, 21, 33, 34, 54, 67, 103, 109, 122, 127, 130, 133, 139, 156, 162, 168, 174, 188, 193, 195, 196, 197,
    234, 243, 244,
)  # fmt: skip
"""Points that hardly move in any expression: corners of the eyes, bridge of the nose, temples, hairline."""

_SUBSTITUTES: Final = 2  # points that stand in for a group that a landmark set lacks
_NEAR: Final = 0.25  # they lie within this distance; so do the points whose attribution an action explains
_ONE_SIDED: Final = 0.5  # the weaker side moves less than this part of the stronger one
_RIDGE: Final = 1.0
_LEAST_STRENGTH: Final = 0.35  # a weaker action has no name, even if neutral faces never show it
_BESIDE: Final = 0.6  # what else a face shows stands out by this part of what stands out most
_ESSENTIAL: Final = 0.5  # an action is not seen without the terms above this part of its greatest weight


class _Term(NamedTuple):
    weight: float
    direction: Direction
    group: str


class Action(NamedTuple):
    """A facial action. `full` and all `least` are in inter-ocular distances; sets of other points use the
    same numbers.

    `full`: the mean measure of ICT-FaceKit's shape `ict` at weight 1 over 100 random identities, on all 468
    points. `least`: few neutral faces exceed it, be it with the mean of both sides or with one side against
    the other: 1 % of 4,000 resting faces of warped photos against the mean of the same person's other ones,
    on the shipped 128 points (recording); 5 % of 1,106 faces of muxspace against the mean of three or more
    other neutral pictures of the same person (subject), and of 10,257 faces of muxspace and FERPlus against
    the mean of all (population), on all points.
    """

    au: int  # the action unit's number
    noun: str
    did: str
    paired: bool  # either side can do it alone
    ict: str  # ICT-FaceKit's shape of this action
    regions: tuple[str, ...]  # coarse; it explains the attribution of their points near the first group
    terms: tuple[_Term, ...]
    full: float
    least_recording: float
    least_subject: float
    least_population: float


ACTIONS: Final = (
    Action(
        1, "inner brow", "raised", True, "browInnerUp", ("brows", "forehead"),
        (_Term(1, "up", "inner brow"), _Term(-0.4, "up", "outer brow")),
        full=0.054, least_recording=0.010, least_subject=0.025, least_population=0.030,
    ),
    Action(
        2, "outer brow", "raised", True, "browOuterUp", ("brows", "forehead"),
        (_Term(1, "up", "outer brow"),),
        full=0.071, least_recording=0.012, least_subject=0.030, least_population=0.036,
    ),
    Action(
        4, "brow", "lowered", True, "browDown", ("brows", "forehead"),
        (_Term(-1, "up", "whole brow"), _Term(-0.5, "out", "whole brow")),
        full=0.043, least_recording=0.015, least_subject=0.037, least_population=0.046,
    ),
    Action(
        4, "brows", "drawn together", False, "browDown", ("brows", "forehead"),
        (_Term(-1, "out", "inner brow"),),
        full=0.029, least_recording=0.007, least_subject=0.015, least_population=0.020,
    ),
    Action(
        5, "upper lid", "raised", True, "eyeWide", ("eyes",),
        (_Term(1, "up", "upper lid"), _Term(-1, "up", "lower lid")),
        full=0.027, least_recording=0.010, least_subject=0.019, least_population=0.023,
    ),
    Action(
        6, "cheek", "raised", True, "cheekSquint", ("cheeks",),
        (_Term(1, "up", "cheek"), _Term(-0.3, "up", "nostril")),
        full=0.048, least_recording=0.007, least_subject=0.013, least_population=0.015,
    ),
    Action(
        7, "eye", "narrowed", True, "eyeSquint", ("eyes",),
        (_Term(-1, "up", "upper lid"), _Term(1, "up", "lower lid")),
        full=0.020, least_recording=0.010, least_subject=0.019, least_population=0.026,
    ),
    Action(
        43, "eye", "closed", True, "eyeBlink", ("eyes",),
        (_Term(-1, "up", "upper lid"), _Term(1, "up", "lower lid")),
        full=0.077, least_recording=0.010, least_subject=0.019, least_population=0.026,
    ),
    Action(
        9, "nose", "wrinkled", False, "noseSneer", ("nose",),
        (_Term(0.4, "up", "nostril"), _Term(-0.6, "up", "inner brow")),
        full=0.066, least_recording=0.010, least_subject=0.026, least_population=0.036,
    ),
    Action(
        10, "upper lip", "raised", False, "mouthUpperUp", ("mouth",),
        (_Term(1, "up", "upper lip"), _Term(-0.5, "up", "lip corner"), _Term(0.25, "up", "nostril"),
         _Term(0.2, "up", "chin")),
        full=0.088, least_recording=0.018, least_subject=0.037, least_population=0.065,
    ),
    Action(
        12, "lip corner", "pulled up", True, "mouthSmile", ("mouth",),
        (_Term(0.7, "up", "lip corner"), _Term(0.3, "out", "lip corner"),
         _Term(-0.35, "up", "upper lip, outer edge"), _Term(-0.28, "up", "chin")),
        full=0.082, least_recording=0.013, least_subject=0.028, least_population=0.031,
    ),
    Action(
        14, "lip corner", "dimpled", True, "mouthDimple", ("mouth",),
        (_Term(-1, "forward", "lip corner"), _Term(-0.8, "out", "lip corner"),
         _Term(1, "forward", "upper lip, outer edge"), _Term(-0.37, "up", "upper lip, inner edge"),
         _Term(0.37, "up", "lower lip, inner edge")),
        full=0.063, least_recording=0.015, least_subject=0.047, least_population=0.049,
    ),
    Action(
        15, "lip corner", "pulled down", True, "mouthFrown", ("mouth",),
        (_Term(-1, "up", "lip corner"), _Term(-0.15, "out", "lip corner"),
         _Term(0.5, "up", "upper lip, inner edge"), _Term(0.5, "up", "lower lip, inner edge")),
        full=0.036, least_recording=0.010, least_subject=0.025, least_population=0.031,
    ),
    Action(
        17, "chin", "raised", False, "mouthShrugLower", ("jaw",),
        (_Term(1, "up", "chin"), _Term(-0.5, "up", "nostril")),
        full=0.098, least_recording=0.037, least_subject=0.065, least_population=0.101,
    ),
    Action(
        18, "lips", "puckered", False, "mouthPucker", ("mouth",),
        (_Term(-1, "out", "lip corner"), _Term(-0.1, "up", "upper lip, inner edge"),
         _Term(0.1, "up", "lower lip, inner edge")),
        full=0.056, least_recording=0.011, least_subject=0.032, least_population=0.036,
    ),
    Action(
        20, "lips", "stretched", False, "mouthStretch", ("mouth",),
        (_Term(1, "out", "lip corner"), _Term(-0.35, "up", "lip corner"), _Term(0.18, "up", "nostril"),
         _Term(0.14, "up", "chin")),
        full=0.085, least_recording=0.011, least_subject=0.029, least_population=0.035,
    ),
    Action(
        24, "lips", "pressed together", False, "mouthPress", ("mouth",),
        (_Term(-1, "up", "upper lip, outer edge"), _Term(0.5, "up", "upper lip, inner edge"),
         _Term(-0.5, "up", "lower lip, inner edge"), _Term(1, "up", "lower lip, outer edge")),
        full=0.037, least_recording=0.020, least_subject=0.053, least_population=0.046,
    ),
    Action(
        25, "lips", "parted", False, "jawOpen", ("mouth",),
        (_Term(1, "up", "upper lip, inner edge"), _Term(-1, "up", "lower lip, inner edge")),
        full=0.332, least_recording=0.030, least_subject=0.082, least_population=0.074,
    ),
    Action(
        26, "jaw", "dropped", False, "jawOpen", ("jaw",),
        (_Term(-1, "up", "chin"), _Term(0.5, "up", "nostril")),
        full=0.295, least_recording=0.034, least_subject=0.069, least_population=0.090,
    ),
    Action(
        27, "mouth", "stretched open", False, "jawOpen", ("jaw", "mouth"),
        (_Term(-1, "up", "chin"), _Term(0.5, "up", "nostril")),
        full=0.295, least_recording=0.034, least_subject=0.069, least_population=0.090,
    ),
)  # fmt: skip

_SUPERSEDES: Final = {12: (10, 20), 43: (7,), 27: (25, 26)}  # what goes without saying
_LEAST_STRENGTH_OF: Final = {43: 0.7, 27: 0.6}  # more than a narrowed eye, more than a dropped jaw


class ShownAction(NamedTuple):
    """An action that one face shows."""

    action: Action
    side: Side | None  # None: both sides
    strength: float  # > 0; about 1 for ICT-FaceKit's shape at weight 1
    nearness: F32  # [K]: 1 at the points that the action moves most, less around them, 0 elsewhere

    @property
    def name(self) -> str:
        """Such as "lip corners pulled up", "left lip corner pulled up"."""
        return f"{self.noun} {self.action.did}"

    @property
    def noun(self) -> str:
        """Such as "lip corners", "left lip corner"."""
        if self.side is not None:
            return f"{self.side} {self.action.noun}"
        return f"{self.action.noun}s" if self.action.paired else self.action.noun


def shown(
    landmark_set: LandmarkSet, displacements: F32, own_neutral_face: Sequence[bool]
) -> list[list[ShownAction]]:
    """For each of B faces the actions that stand out from what neutral faces show as well, as in `ACTIONS`.

    `displacements` [B, K, 3] is points − baseline in the canonical face frame; `own_neutral_face` [B]: the
    baseline is the subject's own neutral face, not the population's. Raises ValueError for another shape.
    """
    b, k = len(own_neutral_face), len(landmark_set)
    if displacements.shape != (b, k, 3):
        raise ValueError(f"displacements must have shape {[b, k, 3]}, not {list(displacements.shape)}")
    measures = _measures(landmark_set)
    sides = (measures.matrix @ displacements.reshape(b, 3 * k, 1)).reshape(b, len(ACTIONS), 2).tolist()
    return [
        _standing_out(each, measures.nearness, _least_against_own(each) if own else _LEAST_POPULATION)
        for each, own in zip(sides, own_neutral_face, strict=True)
    ]


def _standing_out(sides: list[list[float]], nearness: F32, least: list[float]) -> list[ShownAction]:
    """Of one face, from what is measured of each action on the right and on the left."""
    found: list[ShownAction] = []
    for i, (right, left) in enumerate(sides):
        if right < least[i] and left < least[i]:
            continue
        weaker, stronger = min(right, left), max(right, left)
        row = _BOTH if weaker >= _ONE_SIDED * stronger else int(left > right)
        measured = (right + left) / 2 if row == _BOTH else stronger
        tilted = weaker < -_ONE_SIDED * stronger  # the sides went opposite ways: no muscle does that
        if least[i] <= measured < math.inf and not tilted:
            side = None if row == _BOTH else _SIDES[row]
            found.append(ShownAction(ACTIONS[i], side, measured / ACTIONS[i].full, nearness[i, row]))
    superfluous = {au for action in found for au in _SUPERSEDES.get(action.action.au, ())}
    return [action for action in found if action.action.au not in superfluous]


_SIDES: Final[tuple[Side, Side]] = ("right", "left")
_OUTWARDS: Final = {"right": -1, "left": 1}
_BOTH: Final = 2
_MIDLINE: Final = 1e-3
_FLOOR: Final = [_LEAST_STRENGTH_OF.get(action.au, _LEAST_STRENGTH) * action.full for action in ACTIONS]
_LEAST_RECORDING: Final = [action.least_recording for action in ACTIONS]
_LEAST_SUBJECT: Final = [max(f, action.least_subject) for f, action in zip(_FLOOR, ACTIONS, strict=True)]
_LEAST_POPULATION: Final = [
    max(f, action.least_population) for f, action in zip(_FLOOR, ACTIONS, strict=True)
]


def _least_against_own(sides: list[list[float]]) -> list[float]:
    """From which measure on each action of a face has a name, against the subject's own neutral face.

    Of a distinct movement little else is worth a word. But the mesh shows of many actions only 6 to 57 %
    (docs/training.md), so a face that moves as a whole no more than neutral photos of different years differ
    is told by what it shows beyond a resting one.
    """
    most = max(max(pair) / least for pair, least in zip(sides, _LEAST_SUBJECT, strict=True))
    share = min(1.0, _BESIDE * most) if most > 0 else 1.0  # a comparison with nan is false: told as distinct
    return [max(few, share * least) for few, least in zip(_LEAST_RECORDING, _LEAST_SUBJECT, strict=True)]


class _Measures(NamedTuple):
    matrix: F32  # [2A, 3K]: of each action on the right and on the left; zeros where it cannot be seen
    nearness: F32  # [A, 3, K]: of each action on the right, on the left and on both sides


@lru_cache(maxsize=16)
def _measures(landmark_set: LandmarkSet) -> _Measures:
    matrix = np.zeros((len(ACTIONS), 2, len(landmark_set), 3))
    nearness = np.zeros((len(ACTIONS), 3, len(landmark_set)), np.float32)
    for i, action in enumerate(ACTIONS):
        for row, side in enumerate(_SIDES):
            if _seen(landmark_set, action, side):
                matrix[i, row] = sum(_weights(landmark_set, term, side) for term in action.terms)
            nearness[i, row] = _nearness(landmark_set, action, side)
        if not action.paired:
            matrix[i] = matrix[i].mean(axis=0)
    nearness[:, _BOTH] = nearness[:, :_BOTH].max(axis=1)
    flat = matrix.reshape(2 * len(ACTIONS), -1)
    result = _Measures((flat - flat @ _still_motion(landmark_set)).astype(np.float32), nearness)
    for array in result:
        array.setflags(write=False)
    return result


def _group(name: str, side: Side) -> NDArray[np.int32]:
    right = np.array(_GROUPS[name], dtype=np.int32)
    return right if side == "right" else MIRROR[right]


def _places(landmark_set: LandmarkSet, group: str, side: Side) -> NDArray[np.intp]:
    """Where, within the set, a group's points are; or else the nearest ones of their regions on that side."""
    points = _group(group, side)
    if (present := np.flatnonzero(np.isin(landmark_set.indices, points))).size:
        return present
    regions = {REGION[i] for i in points}
    other_side = CANONICAL[landmark_set.indices, 0] * _OUTWARDS[side] < -_MIDLINE
    distance = np.linalg.norm(CANONICAL[landmark_set.indices] - CANONICAL[points].mean(axis=0), axis=1)
    distance[other_side | [REGION[i] not in regions for i in landmark_set.indices]] = np.inf
    nearest = np.argsort(distance, kind="stable")[:_SUBSTITUTES].astype(np.intp)
    return np.asarray(nearest[distance[nearest] < _NEAR])


def _seen(landmark_set: LandmarkSet, action: Action, side: Side) -> bool:
    least = _ESSENTIAL * max(abs(term.weight) for term in action.terms)
    return all(len(_places(landmark_set, t.group, side)) for t in action.terms if abs(t.weight) > least)


def _weights(landmark_set: LandmarkSet, term: _Term, side: Side) -> F64:
    """[K, 3]: the term as a linear function of the displacement."""
    weights = np.zeros((len(landmark_set), 3))
    places = _places(landmark_set, term.group, side)
    axis, towards = {"out": (0, _OUTWARDS[side]), "up": (1, -1), "forward": (2, -1)}[term.direction]
    weights[places, axis] = term.weight * towards / max(len(places), 1)
    return weights


def _nearness(landmark_set: LandmarkSet, action: Action, side: Side) -> F64:
    """[K]: falls from 1 at the first group's points to 0 at the distance `_NEAR`; 0 outside the regions."""
    points = CANONICAL[_group(action.terms[0].group, side)]
    at = CANONICAL[landmark_set.indices]
    distance = np.linalg.norm(at[:, None] - points[None], axis=2).min(axis=1)
    inside = np.array([COARSE_REGION[i] in action.regions for i in landmark_set.indices])
    result: F64 = np.maximum(1 - distance / _NEAR, 0) * inside
    return result


def _still_motion(landmark_set: LandmarkSet) -> F64:
    """[3K, 3K]: the motion of the whole head that the still points show, as a function of the displacement.

    The alignment fits all points, so a dropped jaw lifts, tilts and shrinks the rest of the face. The motion
    is a small shift, turn and change of scale: the least-squares fit to the set's still points, with a ridge
    that keeps it small where they say little.
    """
    at = CANONICAL[landmark_set.indices].astype(np.float64)
    x, y, z = at.T
    motion = np.zeros((len(at), 3, 7))
    motion[:, [0, 1, 2], [0, 1, 2]] = 1  # shift
    motion[:, 1, 3], motion[:, 2, 3] = -z, y  # turn about x, y and z
    motion[:, 0, 4], motion[:, 2, 4] = z, -x
    motion[:, 0, 5], motion[:, 1, 5] = -y, x
    motion[:, :, 6] = at  # scale
    still = np.isin(landmark_set.indices, [*_STILL, *MIRROR[list(_STILL)]])
    seen = (motion * still[:, None, None]).reshape(-1, 7)
    fit: F64 = motion.reshape(-1, 7) @ np.linalg.solve(seen.T @ seen + _RIDGE * np.eye(7), seen.T)
    return fit
