"""Does an attribution tell what the network used? Deletion and insertion curves against random order.

Deletion: the face's points are put back to the baseline's one after the other, those that speak for the
answer most strongly first; the better the attribution, the sooner the answer's score falls. Insertion is the
way back: the same points in the same order, from the baseline to the face.
V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.emotion.probabilities import log_odds

ProbabilitiesOf = Callable[[F32, F32], F32]
"""From points and baseline, [B, K, 3] each, to probabilities [B, C]."""

STEPS: Final = 16


class Scores(NamedTuple):
    """Of the target class, at STEPS + 1 shares of points, for N faces."""

    logit: F32  # [STEPS + 1, N]: log-odds against the average class
    probability: F32  # [STEPS + 1, N]


class Curve(msgspec.Struct, frozen=True):
    """Means over the faces. The areas are over the share of points, from 0 to 1."""

    logit: list[float]
    probability: list[float]
    logit_area: float
    probability_area: float


class Curves(msgspec.Struct, frozen=True):
    """How the answer fares as points are taken away, and as they are put in."""

    deletion: Curve
    insertion: Curve


class AttributionQuality(msgspec.Struct, frozen=True):
    """The curves of the attribution beside those of random orders."""

    faces: int
    random_orders: int  # for each face
    share_of_points: list[float]
    integrated_gradients: Curves
    random: Curves
    deletion_better_than_random: float  # share of the faces whose logit area is below random orders' mean
    insertion_better_than_random: float  # … is above it


def attribution_quality(
    probabilities_of: ProbabilitiesOf,
    points: F32,
    baseline: F32,
    attributions: F32,
    target: NDArray[np.int64],
    *,
    random_orders: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> AttributionQuality:
    """Hold attributions [N, K] of the target's [N] logit against random orders of the points.

    Raises ValueError when there is no face.
    """
    faces, count = attributions.shape
    if not faces:
        raise ValueError("there is no face whose attributions could be judged")
    rng = np.random.default_rng(seed)
    orders = [by_attribution(attributions)]
    orders += [rng.random((faces, count)).argsort(axis=1) for _ in range(random_orders)]
    deletion, insertion = [], []
    for done, order in enumerate(orders):
        deletion.append(scores(probabilities_of, points, baseline, order, target))
        insertion.append(scores(probabilities_of, baseline, points, order, target, reference=baseline))
        progress(done + 1, len(orders))
    ours = [area(kind[0].logit) for kind in (deletion, insertion)]
    chance = [np.mean([area(s.logit) for s in kind[1:]], axis=0) for kind in (deletion, insertion)]
    return AttributionQuality(
        faces=faces,
        random_orders=random_orders,
        share_of_points=(np.arange(STEPS + 1) / STEPS).tolist(),
        integrated_gradients=Curves(_mean(deletion[:1]), _mean(insertion[:1])),
        random=Curves(_mean(deletion[1:]), _mean(insertion[1:])),
        deletion_better_than_random=float((ours[0] < chance[0]).mean()),
        insertion_better_than_random=float((ours[1] > chance[1]).mean()),
    )


def by_attribution(attributions: F32) -> NDArray[np.int64]:
    """The points' order [N, K]: the most positive attribution first, the most negative last."""
    return np.argsort(-attributions, axis=1, kind="stable")


def scores(
    probabilities_of: ProbabilitiesOf,
    start: F32,
    end: F32,
    order: NDArray[np.int64],
    target: NDArray[np.int64],
    *,
    reference: F32 | None = None,
) -> Scores:
    """The target's scores while points [N, K, 3] go from `start` to `end`, one after the other.

    `order` [N, K] lists the points of each face. `reference`: the baseline that the network subtracts; `end`
    without it, as deletion wants.
    """
    baseline = end if reference is None else reference
    rank = np.argsort(order, axis=1)
    logits, probabilities = [], []
    for step in range(STEPS + 1):
        moved = rank < round(step / STEPS * rank.shape[1])
        p = probabilities_of(np.where(moved[:, :, None], end, start), baseline)
        logits.append(np.take_along_axis(log_odds(p), target[:, None], axis=1)[:, 0])
        probabilities.append(np.take_along_axis(p, target[:, None], axis=1)[:, 0])
    return Scores(np.stack(logits), np.stack(probabilities))


def area(values: F32) -> F32:
    """Area [N] under curves [STEPS + 1, N] over [0, 1], by trapezoids."""
    under: F32 = (values[:-1] + values[1:]).sum(axis=0) / (2 * STEPS)
    return under


def _mean(several: list[Scores]) -> Curve:
    logit = np.mean([s.logit for s in several], axis=(0, 2))
    probability = np.mean([s.probability for s in several], axis=(0, 2))
    return Curve(
        logit=logit.tolist(),
        probability=probability.tolist(),
        logit_area=float(area(logit[:, None])[0]),
        probability_area=float(area(probability[:, None])[0]),
    )
