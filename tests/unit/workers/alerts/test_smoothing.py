"""One event at a time in plain Python: the same numbers as the reference has for many subjects at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.emotion import evidence
from streams.settings import Settings
from workers.alerts import smoothing
from workers.alerts.smoothing import Smoothing, SmoothingRule

RULE = SmoothingRule.of(Settings.model_construct())
parts = st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda p: sum(p) > 0.01)
frames = st.tuples(
    parts, st.floats(-60, 60), st.floats(-40, 40), st.integers(0, 3_000_000), st.booleans(), st.booleans()
)


@given(st.lists(frames, min_size=1, max_size=30), st.floats(0.05, 3), st.floats(0.5, 20))
def test_it_is_the_reference(
    seen: list[tuple[list[float], float, float, int, bool, bool]], smoothing_s: float, usual_s: float
) -> None:
    rule = RULE._replace(smoothing_s=smoothing_s, usual_s=usual_s)
    reference = evidence.Evidence.nothing(1)
    state: Smoothing | None = None
    at_us = 0
    for raw, yaw, pitch, step_us, own, counts in seen:
        p = [value / sum(raw) for value in raw]
        at_us += step_us
        reference = evidence.update(
            reference,
            evidence.EvidenceRule(*rule),
            np.array([p]),
            np.array([[yaw, pitch]]),
            np.array([at_us / 1e6]),
            np.array([own]),
            np.array([counts]),
        )
        if not counts:
            continue
        state = state or Smoothing.before(yaw, pitch, at_us)
        found = smoothing.update(state, rule, p, yaw, pitch, at_us, own)

        assert found == pytest.approx(evidence.smoothed(reference)[0].tolist(), abs=1e-6)


def test_its_constants_are_the_references() -> None:
    names = ["LIMIT", "LEAST_PROBABILITY", "STEP_S", "USUAL", "USUAL_MOST", "LOOKS_S", "TURN_UNIT_DEG"]

    assert [getattr(smoothing, n) for n in names] == [getattr(evidence, n) for n in names]


def test_a_clock_that_is_set_back_gives_no_time() -> None:
    state = Smoothing.before(0, 0, 5_000_000)
    smoothing.update(state, RULE, [0.1] + [0.9 / 7] * 7, 0, 0, 5_000_000, True)
    odds = list(state.odds)
    smoothing.update(state, RULE, [0.1] + [0.9 / 7] * 7, 0, 0, 4_000_000, True)

    assert state.odds == odds
