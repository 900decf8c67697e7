"""Precision: against values from the literature, and what counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.emotion_event import Emotion, time_of
from streams.messages.verdict import Verdict, VerdictWord
from workers.live_feed.alert_precision import Z_95, precision, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_its_bounds_are_where_the_share_is_z_deviations_away(case: tuple[int, int]) -> None:
    successes, trials = case
    low, high = wilson(successes, trials)

    assert 0 <= low <= successes / trials <= high <= 1
    for bound in (low, high):
        if 1e-9 < bound < 1 - 1e-9:
            deviation = math.sqrt(bound * (1 - bound) / trials)
            assert abs(successes / trials - bound) / deviation == pytest.approx(Z_95, rel=1e-6)


def said(word: VerdictWord, by: str = "anna", rule: str = "fear", emotion: Emotion = "fear") -> Verdict:
    return Verdict("a", word, by, time_of(0), "", rule, "lobby-1", emotion)


def test_the_newest_verdict_of_each_alert_counts_once() -> None:
    found = precision(
        [
            [said("rejected", "ben"), said("confirmed")],
            [said("confirmed"), said("rejected")],  # changed her mind
            [said("confirmed", rule="anger", emotion="anger")],
            [said("unsure")],
            [Verdict("b", "confirmed", "anna", time_of(0))],  # of an alert that nobody knows any more
            [],
        ]
    )

    assert (found.reviewed, found.disagreed) == (5, 1)
    rows = {row.name: (row.confirmed, row.rejected, row.unsure, row.precision) for row in found.by_rule}
    assert rows == {"anger": (1, 0, 0, 1.0), "fear": (1, 1, 1, 0.5)}
    assert [row.name for row in found.by_camera] == ["lobby-1"]
    assert [row.name for row in found.by_emotion] == ["anger", "fear"]
    assert (found.by_rule[1].low, found.by_rule[1].high) == pytest.approx(wilson(1, 2), abs=1e-6)


def test_without_a_clear_word_there_is_none() -> None:
    (row,) = precision([[said("unsure")]]).by_rule

    assert (row.precision, row.low, row.high) == (None, 0.0, 1.0)
