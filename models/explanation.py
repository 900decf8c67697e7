"""From attributions to an explanation that people can read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.canonical import CANONICAL, COARSE_REGION, COARSE_REGIONS, REGION
from models.landmark_set import LandmarkSet

F32 = NDArray[np.float32]

_NO_CHANGE: Final = "Little change from the neutral face."
_CARRIES: Final = 0.1  # a region with less of the attribution than this is not mentioned
_SLIGHTLY: Final = 1.5  # below this many times the least change, an action is called slight
_MOST_PHRASES: Final = 3


@dataclass(frozen=True, slots=True)
class LandmarkAttribution:
    index: int  # into the 468 points
    region: str  # "mouth corner, right"
    attribution: float  # signed: positive speaks for the emotion


@dataclass(frozen=True, slots=True)
class Explanation:
    landmarks: tuple[LandmarkAttribution, ...]  # the strongest first
    regions: dict[str, float]  # coarse region → share of the absolute attribution, greatest first; sum 1
    text: str  # one sentence: how the face moved away from the baseline, where it mattered


def explain(
    landmark_set: LandmarkSet,
    attributions: F32,
    points: F32,
    baseline: F32,
    emotion: str,
    top: int = 10,
) -> Explanation:
    """Explain one face: `attributions` [K], `points` and `baseline` [K, 3] in the canonical face frame.

    Without any attribution (points equal to the baseline) there are no regions. Raises ValueError when the
    shapes do not fit the landmark set.
    """
    k = len(landmark_set)
    for name, value, shape in (
        ("attributions", attributions, (k,)),
        ("points", points, (k, 3)),
        ("baseline", baseline, (k, 3)),
    ):
        if np.shape(value) != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, not {list(np.shape(value))}")
    strongest = np.argsort(-np.abs(attributions), kind="stable")[:top]
    regions = _shares(landmark_set, attributions)
    return Explanation(
        tuple(
            LandmarkAttribution(int(index), REGION[index], float(attribution))
            for index, attribution in zip(
                landmark_set.indices[strongest], attributions[strongest], strict=True
            )
            if attribution != 0
        ),
        regions,
        _sentence(_Movement(landmark_set, points - baseline), regions, emotion),
    )


def _shares(landmark_set: LandmarkSet, attributions: F32) -> dict[str, float]:
    strength = np.abs(attributions).astype(np.float64)
    if not (total := strength.sum()):
        return {}
    shares = dict.fromkeys(COARSE_REGIONS, 0.0)
    for index, share in zip(landmark_set.indices, strength / total, strict=True):
        shares[COARSE_REGION[index]] += float(share)
    return {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share > 0}


@lru_cache(maxsize=256)
def _in_region(landmark_set: LandmarkSet, region: str) -> NDArray[np.bool_]:
    """[K]: which points lie in a region or one of its parts."""
    mask = np.array([REGION[i].startswith(region) for i in landmark_set.indices])
    mask.setflags(write=False)
    return mask


class _Movement:
    """How parts of the face moved against the eye corners and the bridge of the nose.

    The alignment spreads a dropped jaw over the whole face; those points hold still in every expression.
    """

    def __init__(self, landmark_set: LandmarkSet, difference: F32) -> None:
        self._landmark_set = landmark_set
        self._at = CANONICAL[landmark_set.indices]
        still = self._where("eye corner") | (self._where("nose") & (self._at[:, 1] < -0.1))
        self._moved = difference - (difference[still].mean(axis=0) if still.any() else np.float32(0))

    def _where(self, region: str) -> NDArray[np.bool_]:
        return _in_region(self._landmark_set, region)

    def _mean(self, mask: NDArray[np.bool_], axis: int) -> float:
        """0 when the landmark set has no such point: what cannot be seen did not move."""
        return float(self._moved[mask, axis].mean()) if mask.any() else 0.0

    def up(self, region: str, within: float = np.inf) -> float:
        """Only points nearer to the midline than `within`."""
        return -self._mean(self._where(region) & (np.abs(self._at[:, 0]) < within), axis=1)

    def lower_nose_up(self) -> float:
        return -self._mean(self._where("nose") & (self._at[:, 1] > 0), axis=1)

    def apart(self, region: str, within: float = np.inf) -> float:
        """Left half away from the right half; only points nearer to the midline than `within`."""
        near = self._where(region) & (np.abs(self._at[:, 0]) < within)
        return self._mean(near & (self._at[:, 0] > 0), axis=0) - self._mean(
            near & (self._at[:, 0] < 0), axis=0
        )

    def open(self, upper: str, lower: str) -> float:
        return self.up(upper) - self.up(lower)

    def left_higher(self, region: str) -> float:
        return self.up(f"{region}, left") - self.up(f"{region}, right")


class _Action(NamedTuple):
    region: str  # the coarse region that must carry attribution
    subject: str
    change: Callable[[_Movement], float]
    least: float  # the change that is worth a word, in inter-ocular distances
    more: str
    less: str | None  # None: the opposite is not an action of its own


# The least changes are about the spread of each measure over neutral faces of different people.
_ACTIONS: Final = (
    _Action("mouth", "mouth corners", lambda m: m.up("mouth corner"), 0.025, "raised", "lowered"),
    _Action("mouth", "mouth corners", lambda m: m.apart("mouth corner"), 0.045, "apart", "drawn in"),
    _Action("mouth", "one mouth corner", lambda m: abs(m.left_higher("mouth corner")), 0.03, "higher", None),
    _Action("mouth", "lips", lambda m: m.open("upper lip", "lower lip"), 0.035, "parted", "pressed together"),
    _Action("jaw", "jaw", lambda m: -m.up("chin"), 0.035, "dropped", "raised"),
    _Action("cheeks", "cheeks", lambda m: m.up("cheek", within=0.6), 0.02, "lifted", None),
    _Action("eyes", "eyes", lambda m: m.open("eyelid, upper", "eyelid, lower"), 0.018, "widened", "narrowed"),
    _Action("brows", "brows", lambda m: m.up("brow"), 0.028, "raised", "lowered"),
    _Action("brows", "brows", lambda m: -m.apart("brow", within=0.25), 0.025, "drawn together", None),
    _Action("nose", "nose", lambda m: m.lower_nose_up(), 0.025, "wrinkled", None),
)


def _sentence(movement: _Movement, regions: dict[str, float], emotion: str) -> str:
    found: dict[str, list[str]] = {}  # subject → what it did; subjects by how much their region matters
    slight = True
    carrying = [name for name, share in regions.items() if share >= _CARRIES]
    for action in sorted(
        (action for action in _ACTIONS if action.region in carrying),
        key=lambda action: carrying.index(action.region),
    ):
        change = action.change(movement)
        did = action.more if change > 0 else action.less
        if abs(change) < action.least or did is None:
            continue
        if action.subject in found or len(found) < _MOST_PHRASES:
            found.setdefault(action.subject, []).append(did)
            slight &= abs(change) < _SLIGHTLY * action.least
    if not found:
        return _NO_CHANGE
    phrases = ", ".join(f"{subject} {' and '.join(did)}" for subject, did in found.items())
    if emotion == "neutral":
        return f"Close to the neutral face, with {phrases}."
    return f"{phrases[0].upper()}{phrases[1:]}{' slightly' if slight else ''}."
