"""Answers against the script: each frame has one outcome, or none between two expressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.probe.probe_judge import Judge

AT_US = 1_764_000_000_000_000
LATE_US, MISSING_US = 2_000_000, 10_000_000


def judge() -> Judge:
    return Judge(late_us=LATE_US, missing_us=MISSING_US)


@pytest.mark.parametrize(
    ("truth", "emotion", "after_us", "outcome"),
    [
        ("happiness", "happiness", 100, "right"),
        ("happiness", "surprise", 100, "wrong"),
        ("happiness", None, 100, "abstained"),
        ("neutral", "neutral", LATE_US, "right"),
        ("neutral", "neutral", LATE_US + 1, "late"),
        ("happiness", "surprise", LATE_US + 1, "late"),
        (None, "surprise", 100, None),
        (None, "surprise", LATE_US + 1, "late"),
        ("neutral", "neutral", -5_000_000, "right"),  # a clock that was set back
    ],
)
def test_an_answer_is_judged_once(
    truth: str | None, emotion: str | None, after_us: int, outcome: str | None
) -> None:
    its = judge()
    its.sent(7, AT_US, truth)

    assert its.answered(7, emotion, AT_US + after_us) == outcome
    assert its.answered(7, emotion, AT_US + after_us) is None
    assert its.waiting == 0


def test_what_was_never_sent_is_not_judged() -> None:
    assert judge().answered(7, "fear", AT_US) is None


def test_a_frame_without_an_answer_is_missing_in_time() -> None:
    its = judge()
    for seq in range(3):
        its.sent(seq, AT_US + seq * 1_000_000, "neutral")
    assert its.answered(1, "neutral", AT_US + 1_100_000) == "right"

    assert list(its.missing(AT_US + MISSING_US)) == []
    assert list(its.missing(AT_US + MISSING_US + 1)) == [0]
    assert its.answered(0, "neutral", AT_US + MISSING_US + 2) is None  # it was given up
    assert list(its.missing(AT_US + MISSING_US + 9_000_000)) == [2]
    assert its.waiting == 0


@given(st.lists(st.tuples(st.sampled_from(["neutral", None]), st.integers(-1, 12_000_000), st.booleans())))
def test_every_frame_has_at_most_one_outcome(frames: list[tuple[str | None, int, bool]]) -> None:
    its, outcomes = judge(), []
    for seq, (truth, after_us, twice) in enumerate(frames):
        its.sent(seq, AT_US, truth)
        if after_us >= 0:
            outcomes += [its.answered(seq, "neutral", AT_US + after_us) for _ in range(1 + twice)]
    outcomes += ["missing" for _ in its.missing(AT_US + MISSING_US + 1)]

    judged = [outcome for outcome in outcomes if outcome]
    unjudged = [truth is None and 0 <= after_us <= LATE_US for truth, after_us, _ in frames].count(True)
    assert len(judged) == len(frames) - unjudged
