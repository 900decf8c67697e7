"""The made-up events of `mien bench live`: what the topics' own codecs and the real page can read."""

import math
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.faces.landmark_set import LandmarkSet
from streams.messages import alert, camera_truth, emotion_event, landmarks_message
from streams.messages.emotion_event import EMOTIONS, captured_at_us
from streams.messages.face_points import face_points
from workers.bench_live import made_up_events
from workers.bench_live.made_up_events import EMOTION_LASTS, MadeUpFaces, Seen

RUN_US = 1_764_000_000_000_000
SET = LandmarkSet.load()


@pytest.fixture(scope="module")
def faces() -> MadeUpFaces:
    return MadeUpFaces(SET, RUN_US)


@given(camera=st.integers(0, 199), seq=st.integers(0, 10**7), after_us=st.integers(0, 10**12))
def test_a_face_is_what_the_codecs_read(faces: MadeUpFaces, camera: int, seq: int, after_us: int) -> None:
    landmarks, event = faces.seen(camera, seq, RUN_US + after_us)

    assert landmarks_message.decode(landmarks_message.encode(landmarks)) == landmarks
    assert emotion_event.decode(emotion_event.encode(event)[1]) == event
    assert face_points(landmarks).event_id == event.event_id  # the page draws points with their event
    assert captured_at_us(event) == landmarks.captured_at_us == RUN_US + after_us
    assert landmarks_message.unpack_points(landmarks, len(SET)).shape == (len(SET), 3)
    turn = np.reshape(landmarks.transform.rotation, (3, 3))
    assert np.allclose(turn @ turn.T, np.eye(3))


@given(camera=st.integers(0, 199), seq=st.integers(0, 10_000))
def test_an_event_adds_up_as_a_real_one(faces: MadeUpFaces, camera: int, seq: int) -> None:
    _, event = faces.seen(camera, seq, RUN_US)
    why = event.explanation

    assert event.emotion == why.target
    assert event.confidence == getattr(event.probabilities, why.target)
    shares = [getattr(event.probabilities, emotion) for emotion in EMOTIONS]
    assert math.isclose(sum(shares), 1)
    assert len(why.attributions) == len(SET)
    assert math.isclose(sum(why.attributions), why.score_change, abs_tol=1e-5)
    assert math.isclose(sum(why.regions.values()), 1, abs_tol=1e-4)
    strongest = [abs(point.attribution) for point in why.landmarks]
    assert strongest == sorted(strongest, reverse=True)
    assert strongest[0] == max(map(abs, why.attributions))


def test_a_camera_shows_each_emotion_in_turn_and_the_face_moves(faces: MadeUpFaces) -> None:
    seen = [faces.seen(3, seq, RUN_US) for seq in range(len(EMOTIONS) * EMOTION_LASTS)]

    assert {one.event.emotion for one in seen} == set(EMOTIONS)
    assert len({one.event.event_id for one in seen}) == len(seen)
    assert all(a.landmarks.points != b.landmarks.points for a, b in pairwise(seen))


def test_a_seed_gives_the_same_faces_and_another_one_others(faces: MadeUpFaces) -> None:
    def first(made: MadeUpFaces) -> Seen:
        return made.seen(0, 0, RUN_US)

    assert first(MadeUpFaces(SET, RUN_US)) == first(faces)
    assert first(MadeUpFaces(SET, RUN_US, seed=1)) != first(faces)


def test_truths_and_alerts_are_what_the_codecs_read() -> None:
    at = datetime(2026, 11, 29, 10, tzinfo=UTC)
    truth = made_up_events.truth(7, RUN_US, at)
    fires, over = (made_up_events.told_alert(7, state, at, at, ["an-id"]) for state in ("firing", "resolved"))

    assert camera_truth.decode(camera_truth.encode(truth)[1]) == truth
    assert alert.decode(alert.encode(fires)[1]) == fires
    assert fires.alert_id == over.alert_id
    assert fires.subject_id == made_up_events.subject_name(7)
