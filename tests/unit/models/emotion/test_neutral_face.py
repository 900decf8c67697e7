"""The estimate of a subject's neutral face: what becomes it, what never does, and how long that takes."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emotion import neutral_face
from models.emotion.classifier import Classifier
from models.emotion.neutral_face import NOTHING, READING, SHAPES, Estimate, current, due, restored, update

EMOTIONS = Classifier.load().emotions
K = 12
T0_US = 1_764_000_000_000_000
FPS = 15
REST = np.random.default_rng(1).normal(0, 0.5, (K, 3)).astype(np.float32)
SMILE = REST + np.float32(0.05)
LOOKS = 16  # of four seconds
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


def test_a_face_at_rest_becomes_its_own_neutral_face_in_two_seconds_and_closer_than_its_frames() -> None:
    assert current(NOTHING) is None
    assert current(after(shown(REST, CALM, 1))) is None
    assert off(after(shown(REST, CALM, 2))) < JITTER
    assert off(after(shown(REST, CALM, 10))) < 0.5 * JITTER


@pytest.mark.parametrize("fps", [2, 5, 15, 60])
def test_a_fast_camera_does_not_make_it_sooner(fps: int) -> None:
    frames = [(REST, CALM, i / fps) for i in range(60 * fps)]
    first_s = next(
        at_s for n, (_, _, at_s) in enumerate(frames) if current(after(frames[: n + 1])) is not None
    )
    assert 1.25 <= first_s <= (2 * READING - 1) * max(0.5, 0.25)


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

    if current(state) is not None:
        assert off(state) < np.sqrt(3) * JITTER
    assert all(np.abs(look.points - REST).max() < 6 * JITTER for look in state.pending)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, LOOKS - 1), max_size=4), st.floats(-5, 5), st.integers(0, 99))
def test_a_few_bad_frames_of_the_first_seconds_do_nothing(bad: set[int], by: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [
        (REST + rng.normal(by if i in bad else 0, JITTER, REST.shape).astype(np.float32), CALM, i / 4)
        for i in range(LOOKS)
    ]
    assert off(after(frames)) < 2.5 * JITTER


def test_of_two_calm_shapes_it_is_the_one_that_is_seen_more() -> None:
    """Half a smile that the population's baseline does not see, beside the rest it comes from."""
    half = REST + np.float32(0.02)
    frames = [*shown(half, p(happiness=0.04), 3), *shown(REST, CALM, 5, start_s=3)]
    assert off(after(frames)) < JITTER

    turns = [(half, p(happiness=0.04), i / 4) if i % 5 > 2 else (REST, CALM, i / 4) for i in range(80)]
    assert off(after(turns)) < JITTER


@pytest.mark.parametrize("look", [SAD, ANGRY], ids=["sad", "angry"])
def test_a_resting_face_that_looks_sad_or_angry_becomes_neutral_in_eight_seconds(look: np.ndarray) -> None:
    frames = shown(REST, look, 60)
    assert current(after(frames[: 4 * FPS])) is None
    assert off(after(frames[: 8 * FPS])) < JITTER
    assert off(after(frames)) < 0.5 * JITTER


@pytest.mark.parametrize("happiness", [0.1, 0.3])
def test_rest_that_looks_a_little_happy_now_and_then_is_known_within_ten_seconds(happiness: float) -> None:
    """As it does for a sixth of all people: only each fourth look is calm."""
    for seed in range(5):
        frames = [
            (points, CALM if i // 4 % 4 == 0 else p(happiness=happiness), at_s)
            for i, (points, _, at_s) in enumerate(shown(REST, CALM, 10, seed=seed))
        ]
        assert off(after(frames)) < JITTER


def test_a_slight_smile_close_to_rest_does_not_creep_in_however_long_it_lasts() -> None:
    known = after(shown(REST, CALM, 10))
    slight = REST + np.float32(0.005)
    state = after(shown(slight, p(happiness=0.3), 20 * 60, start_s=10), known)

    assert off(state, current(known)) < 0.1 * JITTER


def test_a_sad_or_angry_face_held_for_ten_seconds_after_rest_does_not_become_neutral() -> None:
    """Even if the population's baseline calls it calm, as it does with most posed sadness."""
    sad = REST + np.float32(0.01)
    known = after(shown(REST, CALM, 10))
    assert off(after(shown(sad, CALM, 10, start_s=10), known)) < off(known, sad) / 4


def test_rest_after_a_wrong_start_heals_it() -> None:
    for seconds in (5, 10, 20):
        frames = shown(SMILE, p(happiness=0.04), seconds)
        wrong = after(frames)
        assert off(wrong, SMILE) < JITTER
        state = after(shown(REST, CALM, 1.3 * seconds + 3, start_s=seconds), wrong)
        assert off(state) < JITTER


def test_speech_does_not_become_neutral_where_there_is_rest() -> None:
    rng = np.random.default_rng(2)
    talk: list[Frame] = []
    for i in range(10 * FPS):
        mouth = np.zeros((K, 3), np.float32)
        mouth[: K // 3, 1] = 0.06 * rng.uniform(-0.2, 1)
        talk.append((REST + mouth + rng.normal(0, JITTER, (K, 3)).astype(np.float32), CALM, i / FPS))
    state = after([*talk, *shown(REST, CALM, 8, start_s=10)])

    assert off(state) < 1.5 * JITTER


def test_expressions_around_rest_do_not_take_its_place() -> None:
    """All calm to the population's baseline, each of them held longer than rest at a time."""
    directions = np.random.default_rng(4).normal(0, 0.012, (6, K, 3)).astype(np.float32)
    frames = shown(REST, CALM, 6)
    for turn in range(18):
        start_s = frames[-1][2] + 1 / FPS
        frames += shown(REST + directions[turn % 6], CALM, 4, start_s=start_s, seed=turn)
        frames += shown(REST, CALM, 2, start_s=start_s + 4, seed=turn)
        assert off(after(frames)) < 2 * JITTER


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
    assert 3 <= after(swapped).readings <= after(frames).readings
    assert off(after(swapped)) < JITTER


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
    for face in np.random.default_rng(5).normal(0, 0.5, (50, K, 3)).astype(np.float32):
        start_s = (state.looked_at_us - T0_US) / 1e6 + 1
        state = after(shown(face, CALM, 3, start_s=start_s), state)
        assert len(state.shapes) <= SHAPES


def test_what_was_kept_goes_on_as_it_was() -> None:
    state = after(shown(REST, CALM, 30))
    again = restored(state.mean, state.weight, state.readings, state.read_at_us)

    assert np.array_equal(current(again), current(state))
    assert again.weight == pytest.approx(state.weight)
    sad = REST + np.float32(0.03)
    assert off(after(shown(sad, CALM, 10, start_s=30), again)) < JITTER
    assert off(after(shown(sad, CALM, 60, start_s=30), again), sad) < JITTER
    old = restored(REST, 1e9, 10_000, T0_US)  # weights of earlier releases had no bound
    assert off(after(shown(sad, CALM, 3 * 60, start_s=1), old), sad) < JITTER


def test_wrong_shapes_are_told() -> None:
    state = after(shown(REST, CALM, 5))
    with pytest.raises(ValueError, match=r"points must have shape \[12, 3\], not \[11, 3\]"):
        update(state, REST[1:], CALM, T0_US, usable=True)
    with pytest.raises(ValueError, match=r"population_probabilities must have shape \[8\], not"):
        update(state, REST, CALM[1:], T0_US, usable=True)
