"""From attributions to an explanation that people can read."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from models import facial_actions
from models.canonical import COARSE_REGION, COARSE_REGIONS, REGION
from models.facial_actions import ShownAction
from models.landmark_set import LandmarkSet

F32 = NDArray[np.float32]

_CARRIES: Final = 0.05  # an action with less of the attribution than this is not part of the explanation
_SLIGHT: Final = 0.5  # a strength below this is called slight
_STRONG: Final = 1.5  # a strength above this claims no more of the attribution
_TINY: Final = 1e-9
_MOST_PHRASES: Final = 3
_BROW_RAISERS: Final = {1, 2}  # inner and outer brow: together they raise the whole


@dataclass(frozen=True, slots=True)
class LandmarkAttribution:
    index: int  # into the 468 points
    region: str  # "mouth corner, right"
    attribution: float  # signed: positive speaks for the emotion


@dataclass(frozen=True, slots=True)
class Action:
    name: str  # "lip corners pulled up", "left lip corner pulled up"
    au: int  # the action unit's number in FACS
    strength: float  # > 0; about 1 for a distinct action
    share: float  # of the absolute attribution; all actions' sum is 1 at most


@dataclass(frozen=True, slots=True)
class Explanation:
    landmarks: tuple[LandmarkAttribution, ...]  # the strongest first
    regions: dict[str, float]  # coarse region → share of the absolute attribution, greatest first; sum 1
    actions: tuple[Action, ...]  # those that carry the attribution, greatest share first
    text: str  # one sentence: how the face moved away from the baseline, where it mattered


def explain(
    landmark_set: LandmarkSet,
    attributions: F32,
    points: F32,
    baseline: F32,
    emotion: str,
    top: int = 10,
    baseline_of: Literal["subject", "population"] = "population",
) -> Explanation:
    """Explain one face: `attributions` [K], `points` and `baseline` [K, 3] in the canonical face frame.

    `baseline_of` says whose neutral face the baseline is. Without any attribution (points equal to the
    baseline) there are no regions and no actions. The actions' shares sum to 1 at most. Raises ValueError
    when the shapes do not fit the landmark set.
    """
    k = len(landmark_set)
    for name, value, shape in (
        ("attributions", attributions, (k,)),
        ("points", points, (k, 3)),
        ("baseline", baseline, (k, 3)),
    ):
        if np.shape(value) != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, not {list(np.shape(value))}")
    strength = np.abs(attributions).astype(np.float64)
    strongest = np.argsort(-strength, kind="stable")[:top]
    shares = strength / (strength.sum() or 1)
    with np.errstate(over="ignore", invalid="ignore"):  # points too far away to be a face show no action
        shown = facial_actions.shown(landmark_set, points - baseline, own_baseline=baseline_of == "subject")
    actions = _carrying(shown, shares)
    return Explanation(
        tuple(
            LandmarkAttribution(index, REGION[index], attribution)
            for index, attribution in zip(
                landmark_set.indices[strongest].tolist(), attributions[strongest].tolist(), strict=True
            )
            if attribution != 0
        ),
        _regions(landmark_set, shares),
        tuple(Action(action.name, action.action.au, action.strength, share) for action, share in actions),
        _sentence(actions, emotion, changed=bool(shown), baseline_of=baseline_of),
    )


def _regions(landmark_set: LandmarkSet, shares: NDArray[Any]) -> dict[str, float]:
    each = zip(COARSE_REGIONS, (_membership(landmark_set) @ shares).clip(max=1).tolist(), strict=True)
    return {name: share for name, share in sorted(each, key=lambda item: -item[1]) if share > 0}


@lru_cache(maxsize=16)
def _membership(landmark_set: LandmarkSet) -> NDArray[np.float64]:
    """[R, K]: 1 where a point lies in a coarse region."""
    member = np.array(
        [[COARSE_REGION[i] == region for i in landmark_set.indices] for region in COARSE_REGIONS], np.float64
    )
    member.setflags(write=False)
    return member


def _carrying(shown: list[ShownAction], shares: NDArray[Any]) -> list[tuple[ShownAction, float]]:
    """Each point's share goes to the actions near it, in proportion to their nearness and strength."""
    if not shown:
        return []
    claims = np.stack([min(action.strength, _STRONG) * action.nearness for action in shown])
    parts = claims / np.maximum(claims.sum(axis=0), _TINY) @ shares
    each = zip(shown, parts.clip(max=1).tolist(), strict=True)
    return sorted((pair for pair in each if pair[1] >= _CARRIES), key=lambda pair: -pair[1])


def _sentence(
    actions: list[tuple[ShownAction, float]],
    emotion: str,
    *,
    changed: bool,
    baseline_of: Literal["subject", "population"],
) -> str:
    neutral_face = "the subject's neutral face" if baseline_of == "subject" else "the neutral face"
    if not changed:
        return f"Little change from {neutral_face}."
    said = ", ".join(_phrases([action for action, _ in actions])[:_MOST_PHRASES])
    if emotion == "neutral":
        return f"Close to {neutral_face}{', with ' if said else ''}{said}."
    return f"{said[0].upper()}{said[1:]}." if said else "No facial action stands out."


def _phrases(actions: list[ShownAction]) -> list[str]:
    """What each part of the face did, in the same order: "brows lowered and drawn together"."""
    did: dict[str, list[str]] = {}
    strength: dict[str, float] = {}
    for action in actions:
        raised = {other.action.au for other in actions if other.side == action.side} & _BROW_RAISERS
        whole = action.action.au in raised and raised == _BROW_RAISERS
        noun = action.noun.replace("inner ", "").replace("outer ", "") if whole else action.noun
        if action.action.did not in did.setdefault(noun, []):
            did[noun].append(action.action.did)
        strength[noun] = max(strength.get(noun, 0), action.strength)
    return [
        f"{noun} {' and '.join(each)}{' slightly' if strength[noun] < _SLIGHT else ''}"
        for noun, each in did.items()
    ]
