"""On a linear model Integrated Gradients are exact, so no order can beat theirs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import F32
from models.judging import attribution_curves as curves

K = 16


class Linear:
    """Two classes whose logits are ± half of Σ w · (points - baseline)."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.w = rng.normal(0, 0.5, (K, 3)).astype(np.float32)
        self.points = rng.normal(0, 1, (5, K, 3)).astype(np.float32)
        self.baseline = rng.normal(0, 1, (5, K, 3)).astype(np.float32)
        difference = self.points - self.baseline
        self.target = (difference * self.w).sum(axis=(1, 2)).__lt__(0).astype(np.int64)
        sign = np.where(self.target == 0, 0.5, -0.5)
        self.attributions = ((difference * self.w).sum(axis=2) * sign[:, None]).astype(np.float32)

    def probabilities(self, points: F32, baseline: F32) -> F32:
        z = ((points - baseline) * self.w).sum(axis=(1, 2))
        p = 1 / (1 + np.exp(-z))
        return np.stack([p, 1 - p], axis=1).astype(np.float32)

    def quality(self, attributions: F32, random_orders: int = 4) -> curves.AttributionQuality:
        return curves.attribution_quality(
            self.probabilities,
            self.points,
            self.baseline,
            attributions,
            self.target,
            random_orders=random_orders,
        )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_no_order_beats_the_exact_attribution(seed: int) -> None:
    model = Linear(seed)
    quality = model.quality(model.attributions)

    assert quality.deletion_better_than_random == 1
    assert quality.insertion_better_than_random == 1
    reversed_ = model.quality(-model.attributions)
    assert reversed_.deletion_better_than_random == 0
    assert reversed_.insertion_better_than_random == 0


def test_curves_go_from_the_face_to_the_baseline_and_back() -> None:
    model = Linear(0)
    quality = model.quality(model.attributions)
    deletion, insertion = quality.integrated_gradients.deletion, quality.integrated_gradients.insertion
    p = model.probabilities(model.points, model.baseline)
    whole = float(np.take_along_axis(p, model.target[:, None], axis=1).mean())

    assert quality.share_of_points == pytest.approx(np.arange(17) / 16)
    for curve in (deletion, quality.random.deletion):
        assert (curve.probability[0], curve.probability[-1]) == pytest.approx((whole, 0.5), abs=1e-5)
    for curve in (insertion, quality.random.insertion):
        assert (curve.probability[0], curve.probability[-1]) == pytest.approx((0.5, whole), abs=1e-5)
    assert deletion.logit[0] == pytest.approx(model.attributions.sum(axis=1).mean(), abs=1e-3)
    # One point a step: the logit after s steps is what the first s attributions leave.
    ordered = -np.sort(-model.attributions, axis=1)
    left = model.attributions.sum(axis=1)[:, None] - np.cumsum(ordered, axis=1)
    assert deletion.logit[1:] == pytest.approx(left.mean(axis=0), abs=1e-3)
    assert insertion.logit[1:] == pytest.approx(np.cumsum(ordered, axis=1).mean(axis=0), abs=1e-3)


def test_the_same_seed_gives_the_same_random_orders() -> None:
    model = Linear(1)

    assert model.quality(model.attributions) == model.quality(model.attributions)


def test_area_of_straight_lines() -> None:
    line = np.linspace(0, 1, curves.STEPS + 1, dtype=np.float32)

    np.testing.assert_allclose(curves.area(np.stack([line, 3 - line], axis=1)), [0.5, 2.5], atol=1e-6)


def test_progress_counts_the_orders() -> None:
    told: list[tuple[int, int]] = []
    model = Linear(2)
    curves.attribution_quality(
        model.probabilities,
        model.points,
        model.baseline,
        model.attributions,
        model.target,
        random_orders=2,
        progress=lambda done, total: told.append((done, total)),
    )

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_judge_is_refused() -> None:
    nothing = np.zeros((0, K, 3), np.float32)
    with pytest.raises(ValueError, match="no face"):
        curves.attribution_quality(
            Linear(0).probabilities, nothing, nothing, np.zeros((0, K), np.float32), np.zeros(0, np.int64)
        )
