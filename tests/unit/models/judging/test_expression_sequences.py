"""Made-up sequences of made-up people: rest, expression, speech and turns, and how much a frame changes."""

import numpy as np
import pytest
from made_up_people import warped

from models.faces.canonical import CANONICAL, MIRROR
from models.faces.landmark_set import LandmarkSet
from models.judging import expression_sequences
from models.judging.expression_sequences import (
    EASE_S,
    HELD_S,
    KINDS,
    LASTS_S,
    REST_S,
    Sequences,
    SequenceSource,
    TurnLimits,
    make,
    mesh_of_turns,
    read_source,
    rms_change,
)

FEW = LandmarkSet("few", np.array([1, 13, 14, 33, 61, 105, 152, 159, 263, 291, 334, 386]))
LIMITS = TurnLimits(21.0, 24.0)
STILL = (0.0, 0.0)


@pytest.fixture(scope="module")
def source() -> SequenceSource:
    return read_source(warped(), FEW)


def strays(made: Sequences) -> np.ndarray:
    """RMS [N, T] of a coordinate from the baseline."""
    return np.square(made.points - made.baseline[:, None]).mean(axis=(2, 3)) ** 0.5


def test_a_person_has_the_faces_of_the_file(source: SequenceSource) -> None:
    (first, *_) = source.people

    assert len(source.people) == 6
    assert (len(first.quiet), len(first.speech), len(first.blink)) == (3, 2, 1)
    assert first.emotions.tolist() == [1, 2]
    assert np.abs(first.yaw_pitch_deg).max() < 3


def test_people_who_lack_a_kind_of_face_are_left_out() -> None:
    arrays = dict(warped())
    lacking = (arrays["subject"] == 2) & (arrays["tag"] == "blink")
    lacking |= (arrays["subject"] == 3) & (arrays["tag"] == "speech")
    kept = read_source({name: array[~lacking] for name, array in arrays.items()}, FEW)

    assert [person.subject for person in kept.people] == [0, 1, 4, 5]


def test_a_file_without_such_people_is_refused() -> None:
    arrays = dict(warped())
    with pytest.raises(ValueError, match="nobody has two quiet neutral faces"):
        read_source(arrays | {"tag": np.full(len(arrays["tag"]), "speech")}, FEW)
    with pytest.raises(KeyError, match="tag"):
        read_source({name: array for name, array in arrays.items() if name != "tag"}, FEW)
    with pytest.raises(ValueError, match="48 faces, 48 labels, 3 tags"):
        read_source(arrays | {"tag": np.array(["", "", ""])}, FEW)


def test_the_same_seed_gives_the_same_sequences(source: SequenceSource) -> None:
    once, again, other = (make(source, "talking and turning", LIMITS, seed=seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(once.points, again.points)
    assert np.abs(once.points - other.points).max() > 0.001


def test_a_persons_sequences_do_not_depend_on_the_others(source: SequenceSource) -> None:
    some = make(source._replace(people=source.people[2:4]), "talking", LIMITS)

    np.testing.assert_array_equal(some.points, make(source, "talking", LIMITS).points[2:4])


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_times(source: SequenceSource, kind: expression_sequences.SequenceKind) -> None:
    made = make(source, kind, LIMITS, frames_per_s=5)
    n = 12 if kind.startswith("expression") else 6

    assert made.points.shape == (n, len(made.at_s), len(FEW), 3)
    assert made.yaw_pitch_deg.shape == (n, len(made.at_s), 2)
    assert np.isfinite(made.points).all()
    assert np.diff(made.at_s) == pytest.approx(0.2)
    assert made.at_s[-1] >= REST_S + (HELD_S + 2 * EASE_S[0] if n == 12 else LASTS_S)
    assert set(made.emotion.tolist()) == ({1, 2} if n == 12 else {0})


def test_an_expression_goes_from_rest_to_its_apex_and_back(source: SequenceSource) -> None:
    made = make(source, "expression", LIMITS, change=STILL)
    shown = strays(made)
    begins_s, ends_s = made.apex_s.T

    assert ((begins_s - REST_S >= EASE_S[0]) & (begins_s - REST_S <= EASE_S[1])).all()
    assert ends_s - begins_s == pytest.approx(np.full(12, HELD_S))
    middle = [np.abs(made.at_s - (a + b) / 2).argmin() for a, b in made.apex_s]
    at_apex = shown[np.arange(12), middle]
    assert (at_apex > 3 * shown[:, made.at_s < REST_S].mean(axis=1)).all()
    assert (shown[:, -1] < at_apex / 2).all()


def test_speech_opens_and_shuts_the_mouth(source: SequenceSource) -> None:
    chin = list(FEW.indices).index(152)
    made = make(source, "talking", LIMITS, change=STILL)
    y = made.points[:, :, chin, 1] - made.baseline[:, None, chin, 1]
    talks = made.at_s > REST_S + 0.5

    assert np.abs(y[:, made.at_s < REST_S]).max() < 0.01
    assert (y[:, talks].max(axis=1) > 0.02).all()
    turning_points = (np.diff(np.sign(np.diff(y[:, talks], axis=1)), axis=1) != 0).sum(axis=1)
    assert (turning_points > 1.5 * LASTS_S).all()


def test_turns_stay_within_the_limits_and_reach_them_nearly(source: SequenceSource) -> None:
    pose = np.abs(make(source, "turning", LIMITS).yaw_pitch_deg)
    still = make(source, "resting", LIMITS).yaw_pitch_deg

    assert (pose[..., 0].max(), pose[..., 1].max()) <= (LIMITS.yaw_deg, LIMITS.pitch_deg)
    assert (pose.max(axis=(0, 1)) > [15, 17]).all()
    assert (np.ptp(still, axis=1) < 2 * expression_sequences.SWAY_DEG + 1).all()


def test_a_photo_that_is_turned_too_far_has_no_sequence(source: SequenceSource) -> None:
    far = source.people[0]._replace(yaw_pitch_deg=np.array([30, 0], np.float32))
    people = (far, *source.people[1:])

    assert make(source._replace(people=people), "turning", LIMITS).subject.tolist() == [1, 2, 3, 4, 5]
    assert len(make(source._replace(people=people), "expression", LIMITS)) == 10


def test_what_turns_do_to_the_mesh_is_found_again() -> None:
    rng = np.random.default_rng(0)
    noses = LandmarkSet("noses", np.arange(468))
    symmetric = (CANONICAL + CANONICAL[MIRROR] * [-1, 1, 1]) / 2
    pose = rng.uniform(-20, 20, (400, 2)).astype(np.float32)
    points = np.repeat(symmetric[None], 400, axis=0) + rng.normal(0, 0.001, (400, 468, 3))
    points[:, 1, 0] += 0.03 * pose[:, 0] / 20
    points[:, 1, 2] += 0.02 * (pose[:, 1] / 20) ** 2
    yaw, pitch, yaw2, pitch2, both = mesh_of_turns(points.astype(np.float32), pose, noses)

    assert yaw[1, 0] == pytest.approx(0.03, abs=0.001)
    assert pitch2[1, 2] == pytest.approx(0.02, abs=0.001)
    for rest in (pitch[1], yaw2[1], both[1], yaw[152], pitch2[152]):
        assert rest == pytest.approx(np.zeros(3), abs=0.001)


@pytest.mark.parametrize("kind", ["resting", "expression"])
def test_frames_change_as_much_as_is_asked(
    source: SequenceSource, kind: expression_sequences.SequenceKind
) -> None:
    made = make(source, kind, LIMITS, change=(0.02, 0.02))

    assert rms_change(made) == pytest.approx(np.full(len(made), 0.02), rel=0.25)
    assert rms_change(made).mean() == pytest.approx(0.02, rel=0.06)


def test_some_noise_lasts(source: SequenceSource) -> None:
    made = make(source, "resting", LIMITS, change=(0.02, 0.02))
    away = (made.points - made.baseline[:, None]).reshape(6, len(made.at_s), -1)
    away = away - away.mean(axis=1, keepdims=True)
    near = (away[:, 1:] * away[:, :-1]).mean() / np.square(away).mean()
    far = (away[:, 30:] * away[:, :-30]).mean() / np.square(away).mean()

    assert 0.2 < near < 0.7
    assert abs(far) < 0.1
