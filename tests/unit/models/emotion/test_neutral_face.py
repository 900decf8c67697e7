"""The estimate of a subject's neutral face: what becomes it, what never does, and how long that takes."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emotion import neutral_face
from models.emotion.classifier import Classifier
from models.emotion.neutral_face import NOTHING, READING, Estimate, current, due, update

EMOTIONS = Classifier.load().emotions
K = 12
T0_US = 1_764_000_000_000_000
FPS = 15
REST = np.random.default_rng(1).normal(0, 0.5, (K, 3)).astype(np.float32)
SMILE = REST + np.float32(0.05)
JITTER = 0.003
"""Of each coordinate, in inter-ocular distances; a frame is √3 times as far off."""


def p(**shares: float) -> np.ndarray:
    """Probabilities; what is left is neutral's."""
    values = {"neutral": 1 - sum(shares.values())} | shares
    return np.array([values.get(name, 0.0) for name in EMOTIONS], np.float32)


CALM = p(happiness=0.01, sadness=0.03)
SAD = p(sadness=0.6)  # as a resting face may look
DEEPLY_SAD = p(sadness=0.9)
ANGRY = p(anger=0.55, contempt=0.05)
SMILING = p(happiness=0.97)
Frame = tuple[np.ndarray, np.ndarray, float]  # points, probabilities, time in s


def shown(
    points: np.ndarray, probabilities: np.ndarray, seconds: float, *, start_s: float = 0.0, seed: int = 0
) -> list[Frame]:
    """A face that is held, with the jitter of landmarks."""
    rng = np.random.default_rng(seed)
    return [
        (points + rng.normal(0, JITTER, points.shape).astype(np.float32), probabilities, start_s + i / FPS)
        for i in range(round(seconds * FPS))
    ]


def after(frames: Iterable[Frame], state: Estimate = NOTHING, *, usable: bool = True) -> Estimate:
    for points, probabilities, at_s in frames:
        state = update(state, points, probabilities, T0_US + round(at_s * 1e6), usable=usable)
    return state


def off(state: Estimate, face: np.ndarray = REST) -> float:
    """RMS distance of the baseline from a face."""
    mine = current(state)
    assert mine is not None
    return float(np.sqrt(((mine - face) ** 2).sum(-1).mean()))


def test_the_order_of_the_probabilities_is_the_models() -> None:
    named = (
        neutral_face._NEUTRAL,
        neutral_face._HAPPINESS,
        neutral_face._SURPRISE,
        neutral_face._SADNESS,
        neutral_face._ANGER,
    )
    assert [EMOTIONS[i] for i in named] == ["neutral", "happiness", "surprise", "sadness", "anger"]
    rest = (neutral_face._DISGUST, neutral_face._FEAR, neutral_face._CONTEMPT)
    assert [EMOTIONS[i] for i in rest] == ["disgust", "fear", "contempt"]


def test_a_face_at_rest_becomes_its_own_neutral_face_in_seconds_and_closer_than_its_frames() -> None:
    assert current(NOTHING) is None
    assert current(after(shown(REST, CALM, 3.5))) is None
    state = after(shown(REST, CALM, 5))
    assert off(state) < JITTER


@pytest.mark.parametrize("fps", [2, 5, 15, 60])
def test_neither_a_fast_nor_a_slow_camera_makes_it_sooner_than_four_seconds(fps: int) -> None:
    frames = [(REST, CALM, i / fps) for i in range(60 * fps)]
    first_s = next(at_s for n, (_, _, at_s) in enumerate(frames) if after(frames[: n + 1]).readings)
    assert 3.5 <= first_s <= (READING - 1) * max(0.5, 0.25)


@pytest.mark.parametrize(
    "probabilities",
    [
        SMILING,
        p(happiness=0.5),
        p(happiness=0.06),  # a slight one
        p(surprise=0.6),
        p(surprise=0.12),
        p(fear=0.4),
        p(disgust=0.3),
        p(happiness=0.04, surprise=0.04, fear=0.04),
        p(sadness=0.45, happiness=0.06),
        DEEPLY_SAD,
        p(anger=0.85),
    ],
    ids=str,
)
def test_what_no_resting_face_looks_like_never_becomes_neutral(probabilities: np.ndarray) -> None:
    state = after(shown(SMILE, probabilities, 20 * 60))

    assert current(state) is None
    assert state.pending == ()
    assert current(after(shown(REST, CALM, 5, start_s=20 * 60), state)) is not None


def test_a_long_smile_changes_nothing_of_what_is_known() -> None:
    known = after(shown(REST, CALM, 10))
    state = after(shown(SMILE, SMILING, 30 * 60, start_s=10), known)

    assert np.array_equal(current(state), current(known))
    assert state.weight == known.weight


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.2, 8)), min_size=4, max_size=12), st.integers(0, 99))
def test_rest_and_smiles_in_any_turn_give_the_rest(turns: list[tuple[bool, float]], seed: int) -> None:
    frames: list[Frame] = []
    for smiles, seconds in turns:
        start_s = frames[-1][2] + 1 / FPS if frames else 0.0
        face = (SMILE, SMILING) if smiles else (REST, CALM)
        frames += shown(*face, seconds, start_s=start_s, seed=seed)
    state = after(frames)

    if state.readings:
        assert off(state) < np.sqrt(3) * JITTER
    assert all(np.abs(look.points - REST).max() < 6 * JITTER for look in state.pending)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, READING - 1), max_size=4), st.floats(-5, 5), st.integers(0, 99))
def test_a_few_bad_frames_of_a_reading_do_nothing(bad: set[int], by: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [
        (REST + rng.normal(by if i in bad else 0, JITTER, REST.shape).astype(np.float32), CALM, i / 4)
        for i in range(READING)
    ]
    assert off(after(frames)) < 2.5 * JITTER


def test_the_most_restful_looks_are_read() -> None:
    """Half a smile that the population's baseline does not see, beside the rest it comes from."""
    half = REST + np.float32(0.02)
    frames = [(half, p(happiness=0.04), i / 4) if i % 2 else (REST, CALM, i / 4) for i in range(READING)]
    frames = [*frames[:-1], (REST, CALM, 3.75)]

    assert off(after(frames)) == 0


def test_a_resting_face_that_looks_sad_or_angry_becomes_neutral_in_minutes_not_in_seconds() -> None:
    for seed, look in enumerate((SAD, ANGRY)):
        frames = shown(REST, look, 5 * 60, seed=seed)
        assert current(after(frames[: 2 * 60 * FPS])) is None
        assert off(after(frames)) < JITTER


def test_one_that_looks_calm_now_and_then_needs_not_so_long() -> None:
    frames = [(REST, CALM if i % (4 * FPS) < FPS else SAD, i / FPS) for i in range(30 * FPS)]
    assert current(after(frames)) is not None


def test_long_sadness_hardly_moves_a_calm_neutral_face() -> None:
    sad = REST + np.float32(0.03)
    known = after(shown(REST, CALM, 30))
    state = after(shown(sad, SAD, 10 * 60, start_s=30), known)

    assert state.readings > known.readings
    assert off(state) < 0.05 * off(known, sad)


def test_calm_soon_replaces_what_was_read_in_sadness() -> None:
    sad = REST + np.float32(0.03)
    known = after(shown(sad, SAD, 5 * 60))
    assert off(known, sad) < JITTER
    state = after(shown(REST, CALM, 5, start_s=5 * 60), known)

    assert off(state) < 0.15 * off(known)


def test_it_follows_a_new_camera_slowly() -> None:
    moved = REST + np.float32(0.02)
    known = after(shown(REST, CALM, 20 * 60))
    soon = after(shown(moved, CALM, 60, start_s=20 * 60), known)
    later = after(shown(moved, CALM, 30 * 60, start_s=20 * 60), known)

    assert off(soon) < 0.25 * off(known, moved)
    assert off(later, moved) < 0.1 * off(known, moved)


def test_frames_of_poor_quality_do_not_count() -> None:
    assert after(shown(REST, CALM, 60), usable=False) == NOTHING


def test_only_a_few_frames_a_second_are_due() -> None:
    frames = shown(REST, SMILING, 10)
    state, looked = NOTHING, 0
    for points, probabilities, at_s in frames:
        looked += due(state, T0_US + round(at_s * 1e6))
        state = after([(points, probabilities, at_s)], state)
    assert looked == pytest.approx(10 / 0.25, abs=4)  # each fourth of 15 a second, that is 3.75


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10 * FPS), st.integers(1, 10 * FPS))
def test_frames_that_come_again_change_nothing(at: int, back: int) -> None:
    frames = shown(REST, CALM, 10)
    state = after(frames[:at])
    again = after(frames[max(0, at - back) : at], state)

    assert again is state


def test_frames_out_of_turn_change_nothing() -> None:
    frames = shown(REST, CALM, 6)
    swapped = [frame for a, b in zip(frames[1::2], frames[::2], strict=True) for frame in (a, b)]
    assert [b[2] > a[2] for a, b in pairwise(swapped)].count(False) > 10
    assert after(swapped).readings == 1


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    future = after(shown(REST, SMILING, 10, start_s=10 * 365 * 24 * 3600))
    assert current(after(shown(REST, CALM, 5), future)) is not None

    known = after(shown(REST, CALM, 5, start_s=3600))
    assert after(shown(REST, CALM, 5), known).weight > known.weight


def test_the_baseline_cannot_be_changed_from_outside() -> None:
    frames = shown(REST, CALM, 5)
    state = after(frames)
    before = np.array(current(state))
    for points, _, _ in frames:
        points[:] = 9.0
    pending = after([(points := REST.copy(), CALM, 0.0)])
    points[:] = 9.0

    assert np.array_equal(current(state), before)
    assert np.array_equal(pending.pending[0].points, REST)
    with pytest.raises(ValueError, match="read-only"):
        current(state)[:] = 0  # type: ignore[index]


def test_the_state_stays_small() -> None:
    state = NOTHING
    for frame in shown(REST, CALM, 60):
        state = after([frame], state)
        assert len(state.pending) < READING


def test_wrong_shapes_are_told() -> None:
    state = after(shown(REST, CALM, 5))
    with pytest.raises(ValueError, match=r"points must have shape \[12, 3\], not \[11, 3\]"):
        update(state, REST[1:], CALM, T0_US, usable=True)
    with pytest.raises(ValueError, match=r"population_probabilities must have shape \[8\], not"):
        update(state, REST, CALM[1:], T0_US, usable=True)
