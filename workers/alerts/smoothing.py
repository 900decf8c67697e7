"""Smoothed probabilities of one subject, one event at a time, in plain Python.

The rule is that of `models/emotion/evidence.py`, which explains it and works on many subjects at once with
NumPy; a test holds the two together, as it does `streams/store/subject_state.lua`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec

from streams.settings import Settings

LIMIT = 8.0
LEAST_PROBABILITY = 1e-6
STEP_S = 0.25
USUAL, USUAL_MOST = -4.0, 3.0
LOOKS_S = 10.0
TURN_UNIT_DEG = 20.0


class SmoothingRule(NamedTuple):
    """What of it can be set: docs/settings.md has the defaults."""

    smoothing_s: float
    usual_s: float
    turn_discount: float
    sustained_odds: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.smoothing_s, settings.usual_s, settings.turn_discount, settings.sustained_odds)


class Smoothing(msgspec.Struct, array_like=True):
    """What is known of a subject after some events; `update` changes it."""

    odds: list[float]
    """Gathered, of each emotion but neutral, which has 0."""
    usual: list[float]
    yaw_deg: float
    pitch_deg: float
    at_us: int

    @classmethod
    def before(cls, yaw_deg: float, pitch_deg: float, at_us: int, emotions: int = 8) -> Self:
        """Before the first event, which is that of this pose and time."""
        start = [USUAL] * (emotions - 1)
        return cls(start, list(start), yaw_deg, pitch_deg, at_us - round(STEP_S * 1e6))


def update(
    state: Smoothing,
    rule: SmoothingRule,
    probabilities: Sequence[float],
    yaw_deg: float,
    pitch_deg: float,
    at_us: int,
    own: bool,
) -> list[float]:
    """The smoothed probabilities after one more event that did not abstain; neutral is the first."""
    since_s = max(at_us - state.at_us, 0) / 1e6
    step_s = min(since_s, STEP_S)
    forget, step = _share(since_s - step_s, rule.smoothing_s), _share(step_s, rule.smoothing_s)
    looks, learn = _share(step_s, LOOKS_S), _share(step_s, rule.usual_s)
    state.at_us = at_us
    state.yaw_deg += looks * (yaw_deg - state.yaw_deg)
    state.pitch_deg += looks * (pitch_deg - state.pitch_deg)
    turned = ((yaw_deg - state.yaw_deg) ** 2 + (pitch_deg - state.pitch_deg) ** 2) / TURN_UNIT_DEG**2
    logs = [math.log(max(p, LEAST_PROBABILITY)) for p in probabilities]
    neutral = max(logs[0], max(logs) - LIMIT)
    added = (rule.sustained_odds if own else 0.0) - rule.turn_discount * turned

    odds = [max(log - neutral, -LIMIT) + added for log in logs[1:]]
    gathered = [g + forget * (USUAL - g) for g in state.odds]
    state.odds = gathered = [g + step * (o - g) for g, o in zip(gathered, odds, strict=True)]
    left = _left(gathered, state.usual)
    if max(left) <= 0:  # at rest
        state.usual = [u + learn * (o - u) for u, o in zip(state.usual, odds, strict=True)]
        left = _left(gathered, state.usual)
    greatest = max(0.0, *left)
    exps = [math.exp(-greatest), *(math.exp(z - greatest) for z in left)]
    total = sum(exps)
    return [e / total for e in exps]


def _left(odds: list[float], usual: list[float]) -> list[float]:
    return [o - min(max(u - USUAL, 0.0), USUAL_MOST) for o, u in zip(odds, usual, strict=True)]


def _share(elapsed_s: float, constant_s: float) -> float:
    return -math.expm1(-elapsed_s / constant_s)
