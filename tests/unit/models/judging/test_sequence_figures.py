"""What is counted on sequences: an answer that knows the truth, and answers that are wrong in known ways."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.arrays import F32
from models.emotion.evidence import EvidenceRule
from models.faces.canonical import CANONICAL
from models.faces.landmark_set import LandmarkSet
from models.judging import sequence_figures
from models.judging.expression_sequences import KINDS, Person, SequenceSource, TurnLimits
from models.judging.sequence_figures import WAYS, SequenceOptions, exponential, judge

ONE = LandmarkSet("one", np.array([1, 152]))
OPTIONS = SequenceOptions(
    EvidenceRule(0.3, 4.0, 12.0, 0.0), TurnLimits(21.0, 24.0), min_confidence=0.0, change=(0.0, 0.0)
)
HAPPINESS, SURPRISE = 1, 2
APART = 0.1


def source(people: int = 4, speech: float = 0.0) -> SequenceSource:
    """People whose first point moves right when happy, left when surprised, and by `speech` in speech."""
    rest = CANONICAL[ONE.indices]

    def moved(by: float) -> NDArray[np.float32]:
        face = rest.copy()
        face[0, 0] += by
        return face

    def person(subject: int) -> Person:
        return Person(
            subject,
            quiet=np.stack([rest, rest]),
            speech=moved(speech)[None],
            blink=rest[None],
            expressions=np.stack([moved(APART), moved(-APART)]),
            emotions=np.array([HAPPINESS, SURPRISE], np.int32),
            yaw_pitch_deg=np.zeros(2, np.float32),
        )

    nothing = np.zeros((5, 2, 3), np.float32)
    return SequenceSource(tuple(map(person, range(people))), nothing, np.eye(6, dtype=np.float32))


def truth(points: F32, baseline: F32) -> F32:
    """Surer than not from the middle of the way on."""
    way = (points - baseline)[:, 0, 0] / APART
    z = np.full((len(points), 8), -4.0)
    z[:, 0] = 0
    z[:, HAPPINESS], z[:, SURPRISE] = 6 * (way - 0.5), 6 * (-way - 0.5)
    e = np.exp(z)
    return np.asarray(e / e.sum(axis=1, keepdims=True), np.float32)


def test_a_model_that_knows_the_truth_is_in_time_and_never_leaves_neutral() -> None:
    judgement = judge(truth, source(), OPTIONS)

    assert (judgement.people, judgement.frames_per_s) == (4, 10.0)
    assert set(judgement.kinds) == set(KINDS)
    for kind, figures in judgement.kinds.items():
        assert figures.abstained == 0
        if kind.startswith("expression"):
            assert figures.neutral == {}
            everyone = figures.shown["evidence"]["all"]
            assert (everyone.sequences, everyone.in_time, everyone.mistaken) == (8, 1.0, 0.0)
            assert everyone.held > 0.9
            assert set(figures.shown["evidence"]) == {"all", "happiness", "surprise"}
        else:
            assert figures.shown == {}
            assert figures.neutral["evidence"].leaves == 0
            assert figures.neutral["evidence"].leaves_for == {}
        assert list(figures.neutral or figures.shown) == list(WAYS)


def test_gathering_costs_less_time_than_exponential_smoothing() -> None:
    shown = judge(truth, source(), OPTIONS).kinds["expression"].shown
    frames, before, now = (shown[way]["all"].delay_median_s for way in ("frames", "exponential", "evidence"))

    assert frames is not None
    assert before is not None
    assert now is not None
    assert frames < now < before


def test_speech_that_looks_happy_for_a_moment_leaves_neutral_frame_by_frame_only() -> None:
    talking = judge(truth, source(people=30, speech=0.6 * APART), OPTIONS).kinds["talking"].neutral

    assert talking["frames"].leaves > 0.5
    assert set(talking["frames"].leaves_for) == {"happiness"}
    assert sum(talking["frames"].leaves_for.values()) == round(30 * talking["frames"].leaves)
    assert talking["evidence"].leaves < talking["frames"].leaves / 4


def test_a_model_that_is_always_wrong_is_mistaken() -> None:
    def swapped(points: F32, baseline: F32) -> F32:
        return truth(points, baseline)[:, [0, SURPRISE, HAPPINESS, 3, 4, 5, 6, 7]]

    everyone = judge(swapped, source(), OPTIONS).kinds["expression"].shown["evidence"]["all"]

    assert (everyone.in_time, everyone.held, everyone.mistaken) == (0.0, 0.0, 1.0)
    assert (everyone.delay_median_s, everyone.delay_p90_s) == (None, None)


def test_unsure_answers_abstain_and_leave_the_state_alone() -> None:
    def unsure(points: F32, _baseline: F32) -> F32:
        return np.full((len(points), 8), 1 / 8, np.float32)

    judgement = judge(unsure, source(), OPTIONS._replace(min_confidence=0.5))

    assert {figures.abstained for figures in judgement.kinds.values()} == {1.0}
    assert all(one.leaves == 0 for figures in judgement.kinds.values() for one in figures.neutral.values())


def test_as_careful_takes_as_much_bias_as_it_needs() -> None:
    def cheerful(points: F32, _baseline: F32) -> F32:
        """A little happier than not, whoever it is and whatever is shown."""
        p = np.full((len(points), 8), 0.01, np.float32)
        p[:, 0], p[:, HAPPINESS] = 0.44, 0.5
        return p

    judgement = judge(cheerful, source(), OPTIONS)
    talking = judgement.kinds["talking"].neutral

    assert judgement.bias_as_careful == 0.25
    assert talking["exponential"].leaves == 1
    assert talking["exponential, as careful"].leaves == talking["evidence"].leaves == 0


def test_exponential_smoothing_begins_with_the_first_answer_and_spans_gaps() -> None:
    p = np.zeros((1, 4, 2))
    p[0, :, 1] = [1, 0, 0, 0]
    p[0, :, 0] = 1 - p[0, :, 1]
    counts = np.array([[True, True, False, True]])
    smoothed = exponential(p, np.array([0.0, 1.0, 2.0, 3.0]), counts, 1.0)[0, :, 1]

    assert smoothed == pytest.approx([1, np.exp(-1), np.exp(-1), np.exp(-3)])
    assert exponential(p, np.arange(4.0), ~np.ones((1, 4), np.bool_), 1.0)[0, :, 0].tolist() == [1] * 4


def test_progress_is_told_for_every_kind() -> None:
    told: list[Any] = []
    judge(
        truth, source(people=sequence_figures._PEOPLE_AT_ONCE + 1), OPTIONS, lambda *step: told.append(step)
    )

    assert [step[0] for step in told] == [kind for kind in KINDS for _ in range(2)]
    assert {step[1:] for step in told} == {(8, 9), (9, 9)}
