"""Evidence over time: what becomes of steady answers, of odd ones, of speech, of turns, of gaps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.emotion import evidence
from models.emotion.evidence import LIMIT, USUAL, USUAL_MOST, Evidence, EvidenceRule

RULE = EvidenceRule(smoothing_s=0.4, usual_s=4.0, turn_discount=12.0, sustained_odds=2.0)
NEUTRAL, HAPPINESS, FEAR = 0, 1, 6


def answer(emotion: int, share: float = 0.95) -> NDArray[np.float64]:
    """[8]: `share` for the emotion, the rest for neutral; a calm face for neutral itself."""
    p = np.full(8, 0.002)
    p[NEUTRAL] = 0.986
    if emotion != NEUTRAL:
        p = np.zeros(8)
        p[NEUTRAL], p[emotion] = 1 - share, share
    return p


def odds_answer(log_odds: float) -> NDArray[np.float64]:
    """[8]: happiness with these log-odds against neutral."""
    return answer(HAPPINESS, 1 / (1 + np.exp(-log_odds)))


def follow(
    answers: list[NDArray[np.float64]],
    *,
    fps: float = 10.0,
    rule: EvidenceRule = RULE,
    yaw_deg: list[float] | None = None,
    own: list[bool] | None = None,
    counts: list[bool] | None = None,
) -> NDArray[np.float64]:
    """The smoothed probabilities [T, 8] of one subject."""
    t = len(answers)
    pose = np.zeros((1, t, 2))
    if yaw_deg:
        pose[0, :, 0] = yaw_deg
    masks = np.array([own or [False] * t]), np.array([counts or [True] * t])
    return evidence.follow(rule, np.array([answers]), pose, np.arange(t) / fps, *masks)[0]


def update(state: Evidence, p: NDArray[np.float64], at_s: float) -> Evidence:
    """One frame of one subject that looks into the camera, against the population's neutral face."""
    return evidence.update(
        state, RULE, p[None], np.zeros((1, 2)), np.full(1, at_s), np.zeros(1, np.bool_), np.ones(1, np.bool_)
    )


def dominant(smoothed: NDArray[np.float64]) -> list[int]:
    found: list[int] = smoothed.argmax(axis=1).tolist()
    return found


def test_smoothed_probabilities_sum_to_one_and_follow_a_steady_answer() -> None:
    smoothed = follow([answer(FEAR)] * 30)

    assert smoothed.sum(axis=1) == pytest.approx(np.ones(30))
    assert dominant(smoothed)[0] == NEUTRAL
    assert dominant(smoothed)[-1] == FEAR
    assert (np.diff(smoothed[:, FEAR]) > 0).all()


def test_an_expression_is_dominant_within_half_a_second_and_goes_as_fast() -> None:
    told = dominant(follow([answer(NEUTRAL)] * 20 + [answer(FEAR, 0.95)] * 20 + [answer(NEUTRAL)] * 20))

    assert set(told[:20]) == {NEUTRAL}
    assert set(told[25:40]) == {FEAR}
    assert set(told[45:]) == {NEUTRAL}


def test_one_odd_frame_changes_nothing() -> None:
    answers = [answer(NEUTRAL)] * 10 + [answer(FEAR, 0.999)] + [answer(NEUTRAL)] * 10

    assert set(dominant(follow(answers))) == {NEUTRAL}


def test_a_mouth_that_opens_and_shuts_is_no_emotion() -> None:
    speech = [answer(HAPPINESS, 0.9), answer(NEUTRAL), answer(NEUTRAL)] * 40

    assert set(dominant(follow(speech))) == {NEUTRAL}


def test_the_frame_rate_does_not_matter() -> None:
    slow, fast = (follow([answer(FEAR)] * (2 * fps + 1), fps=fps)[-1] for fps in (5, 50))

    assert slow == pytest.approx(fast, abs=0.03)


def test_frames_of_the_same_time_are_worth_nothing_new() -> None:
    first = update(Evidence.nothing(1), answer(NEUTRAL), 0.0)

    assert update(first, answer(FEAR), 0.0).odds == pytest.approx(first.odds)


def test_after_a_gap_one_frame_is_as_little_as_at_first() -> None:
    first = state = update(Evidence.nothing(1), answer(FEAR), 0.0)
    for i in range(20):
        state = update(state, answer(HAPPINESS), i / 10)

    assert evidence.smoothed(state).argmax() == HAPPINESS
    assert update(state, answer(FEAR), 1000.0).odds == pytest.approx(first.odds)


def test_abstained_frames_change_nothing_but_the_gap() -> None:
    seen = follow([answer(FEAR)] * 8)[-1]
    blind = follow([answer(FEAR)] * 8 + [answer(HAPPINESS)] * 5, counts=[True] * 8 + [False] * 5)

    assert blind[7:] == pytest.approx(np.broadcast_to(seen, (6, 8)))


def test_before_anything_counted_a_face_is_ordinary() -> None:
    smoothed = follow([answer(FEAR)], counts=[False])[0]

    assert np.log(smoothed[1:] / smoothed[0]) == pytest.approx(np.full(7, USUAL))


def test_what_is_usual_for_a_resting_face_is_taken_off() -> None:
    cheerful = [odds_answer(-1.0)] * 100  # a resting face that looks nearly happy
    ordinary = [odds_answer(-5.0)] * 100
    rise = [odds_answer(1.5)] * 20

    assert dominant(follow(cheerful + rise))[-1] == NEUTRAL
    assert dominant(follow(ordinary + rise))[-1] == HAPPINESS


def test_a_distinct_expression_counts_in_any_face() -> None:
    told = dominant(follow([odds_answer(-0.1)] * 300 + [odds_answer(USUAL_MOST + 1.0)] * 20))

    assert told[299] == NEUTRAL
    assert told[-1] == HAPPINESS


def test_what_lasts_needs_less_against_the_own_neutral_face() -> None:
    answers = [odds_answer(-7.0)] * 20 + [odds_answer(-0.5)] * 15
    own, population = (follow(answers, own=[of] * 35) for of in (True, False))

    assert dominant(own)[-1] == HAPPINESS
    assert dominant(population)[-1] == NEUTRAL


def test_a_long_smile_does_not_wear_off() -> None:
    told = dominant(follow([answer(NEUTRAL)] * 20 + [odds_answer(1.5)] * 6000))

    assert set(told[40:]) == {HAPPINESS}


def test_a_turned_head_needs_more_evidence() -> None:
    answers = [answer(NEUTRAL)] * 50 + [odds_answer(3.0)] * 20
    straight, turned = (follow(answers, yaw_deg=[0.0] * 50 + [yaw] * 20) for yaw in (0.0, 20.0))

    assert dominant(straight)[-1] == HAPPINESS
    assert dominant(turned)[-1] == NEUTRAL


def test_a_camera_that_looks_down_is_not_a_turned_head() -> None:
    told = follow([answer(FEAR)] * 30, yaw_deg=[20.0] * 30)

    assert told == pytest.approx(follow([answer(FEAR)] * 30))


def test_no_frame_counts_more_than_the_limit() -> None:
    sure, limit = (np.array([neutral, 0.9, 0.09, 0, 0, 0, 0, 0]) for neutral in (1e-6, 0.9 * np.exp(-LIMIT)))

    assert follow([sure] * 5)[:, :3] == pytest.approx(follow([limit] * 5)[:, :3])


def test_subjects_do_not_touch_each_other() -> None:
    answers = np.stack([[answer(FEAR)] * 9, [answer(HAPPINESS)] * 9])
    pose, at_s = np.zeros((2, 9, 2)), np.arange(9) / 10
    masks = np.zeros((2, 9), np.bool_), np.ones((2, 9), np.bool_)
    both = evidence.follow(RULE, answers, pose, at_s, *masks)

    assert both[0] == pytest.approx(follow([answer(FEAR)] * 9))
    assert both[1] == pytest.approx(follow([answer(HAPPINESS)] * 9))
