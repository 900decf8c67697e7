"""From attributions to an explanation that people can read."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from models.arrays import F32, F64
from models.emotion import facial_actions
from models.emotion.facial_actions import ShownAction
from models.faces.canonical import COARSE_REGION, COARSE_REGIONS
from models.faces.landmark_set import LandmarkSet

_CARRIES: Final = 0.05  # an action with less of the attribution than this is not part of the explanation
_SLIGHT: Final = 0.5  # a strength below this is called slight
_STRONG: Final = 1.5  # a strength above this claims no more of the attribution
_TINY: Final = 1e-9
_MOST_PHRASES: Final = 3
_MOST_REGIONS: Final = 2
_BROW_RAISERS: Final = {1, 2}  # inner and outer brow: together they raise the whole


class Action(NamedTuple):
    """One facial action that carries the attribution."""

    name: str  # "lip corners pulled up", "left lip corner pulled up"
    au: int  # the action unit's number in FACS
    strength: float  # > 0; about 1 for a distinct action
    share: float  # of the absolute attribution; all actions' sum is 1 at most


class Explanation(NamedTuple):
    """Why one face got its answer."""

    strongest: list[int]  # places of landmarks within the set, the strongest first; none without attribution
    regions: dict[str, float]  # coarse region → share of the absolute attribution, greatest first; sum 1
    actions: list[Action]  # those that carry the attribution, greatest share first
    text: str  # one sentence: how the face moved away from the baseline, where it mattered


def explain(
    landmark_set: LandmarkSet,
    attributions: F32,
    points: F32,
    baselines: F32,
    emotions: Sequence[str],
    own_neutral_face: Sequence[bool],
    top: int = 10,
) -> list[Explanation]:
    """Explain B faces: `attributions` [B, K], `points` and `baselines` [B, K, 3] in the canonical face frame.

    `emotions` [B] are what the attributions speak for; `own_neutral_face` [B]: the baseline is the subject's
    own neutral face, not the population's. Without any attribution (points equal to the baseline) there are
    no landmarks, no regions and no actions. The actions' shares sum to 1 at most. Raises ValueError when the
    shapes do not fit the landmark set.
    """
    b, k = len(emotions), len(landmark_set)
    for name, value, shape in (
        ("attributions", attributions, (b, k)),
        ("points", points, (b, k, 3)),
        ("baselines", baselines, (b, k, 3)),
    ):
        if value.shape != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, not {list(value.shape)}")
    strengths = np.abs(attributions).astype(np.float64)
    totals = strengths.sum(axis=1, keepdims=True)
    shares = strengths / np.where(totals, totals, 1)
    with np.errstate(over="ignore", invalid="ignore"):  # points too far away to be a face show no action
        shown = facial_actions.shown(landmark_set, points - baselines, own_neutral_face)
    carrying = list(map(_carrying, shown, shares))
    return [
        Explanation(
            strongest,
            regions,
            [Action(action.name, action.action.au, action.strength, share) for action, share in actions],
            _sentence(actions, emotion, regions, changed=bool(changed), own_neutral_face=own),
        )
        for strongest, regions, actions, changed, emotion, own in zip(
            _strongest(strengths, top),
            _regions(landmark_set, shares),
            carrying,
            shown,
            emotions,
            own_neutral_face,
            strict=True,
        )
    ]


def _strongest(strengths: F64, top: int) -> list[list[int]]:
    places = np.argsort(-strengths, axis=1, kind="stable")[:, :top].tolist()
    return [[i for i in each if strength[i]] for each, strength in zip(places, strengths, strict=True)]


def _regions(landmark_set: LandmarkSet, shares: F64) -> list[dict[str, float]]:
    sums = (_membership(landmark_set) @ shares[:, :, None])[:, :, 0].tolist()
    each = (zip(COARSE_REGIONS, face, strict=True) for face in sums)
    return [
        {name: min(share, 1.0) for name, share in sorted(face, key=lambda item: -item[1]) if share > 0}
        for face in each
    ]


@lru_cache(maxsize=16)
def _membership(landmark_set: LandmarkSet) -> F64:
    """[R, K]: 1 where a point lies in a coarse region."""
    member = np.array(
        [[COARSE_REGION[i] == region for i in landmark_set.indices] for region in COARSE_REGIONS], np.float64
    )
    member.setflags(write=False)
    return member


def _carrying(shown: list[ShownAction], shares: F64) -> list[tuple[ShownAction, float]]:
    """Each point's share goes to the actions near it, in proportion to their nearness and strength."""
    if not shown:
        return []
    strengths = np.array([[min(action.strength, _STRONG)] for action in shown], np.float32)
    claims = strengths * np.array([action.nearness for action in shown])
    parts = (claims / np.maximum(claims.sum(axis=0), _TINY) @ shares).tolist()
    each = [(action, min(part, 1.0)) for action, part in zip(shown, parts, strict=True) if part >= _CARRIES]
    return sorted(each, key=lambda pair: -pair[1])


def _sentence(
    actions: list[tuple[ShownAction, float]],
    emotion: str,
    regions: dict[str, float],
    *,
    changed: bool,
    own_neutral_face: bool,
) -> str:
    neutral_face = "the subject's neutral face" if own_neutral_face else "the neutral face"
    said = ", ".join(_phrases([action for action, _ in actions])[:_MOST_PHRASES])
    if not changed and (emotion == "neutral" or not regions):
        return f"Little change from {neutral_face}."
    if emotion == "neutral":
        return f"Close to {neutral_face}{', with ' if said else ''}{said}."
    if said:
        return f"{said[0].upper()}{said[1:]}."
    return f"No facial action stands out; most weight lies on the {' and '.join([*regions][:_MOST_REGIONS])}."


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
