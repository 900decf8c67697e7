"""The reference measures what the stream's metrics measure, on the faces that `mien evaluate` takes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import samples_of, warped_file

from models.emotion.classifier import Classifier
from models.emotion.model_reference import Answers
from models.faces.canonical import CANONICAL
from models.faces.landmark_set import ALL
from models.judging import neutral_face_trial
from models.release import reference_answers
from models.samples import dataset
from models.samples.own_neutral import own_neutral_faces
from streams.messages.emotion_event import EmotionEvent
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.stages.classify import EventMaker, Face

CLASSIFIER = Classifier.load()


def as_a_stream_counts(events: list[EmotionEvent]) -> Answers:
    named = Counter(event.emotion for event in events if event.emotion)
    regions: Counter[str] = Counter()
    for event in events:
        regions.update(event.explanation.regions)  # type: ignore[arg-type]  # shares add up too
    return Answers(
        float(np.mean([event.confidence for event in events])),
        float(np.mean([event.abstained == "low-confidence" for event in events])),
        {emotion: named[emotion] / named.total() for emotion in CLASSIFIER.emotions},
        {region: share / len(events) for region, share in regions.items()},
    )


def assert_same(measured: Answers, counted: Answers) -> None:
    assert measured.confidence == pytest.approx(counted.confidence, abs=0.001)
    assert measured.low_confidence == pytest.approx(counted.low_confidence, abs=0.001)
    assert measured.emotion_mix == pytest.approx(counted.emotion_mix, abs=0.001)
    assert measured.region_share == pytest.approx(counted.region_share, abs=0.001)


@pytest.fixture
def message(make_landmarks: Callable[..., Landmarks]) -> Landmarks:
    return make_landmarks(landmark_set=CLASSIFIER.landmark_set.id)


@pytest.mark.parametrize("point", ["accurate", "balanced"])
def test_the_answers_for_the_populations_neutral_face(point: str, message: Landmarks) -> None:
    rng = np.random.default_rng(0)
    faces = CANONICAL + rng.normal(0, 0.03, (700, 468, 3)).astype(np.float32)
    samples = samples_of(faces, rng.integers(-1, 8, 700).astype(np.int32))
    part = reference_answers.part(CLASSIFIER, samples, own=False)

    labelled = samples.label >= 0
    points = CLASSIFIER.landmark_set.take(faces)[labelled]
    maker = EventMaker(CLASSIFIER, Settings(operating_point=point))
    assert (part.data_set, part.faces) == ("made-up", labelled.sum())
    assert list(part.operating_points) == ["accurate", "balanced"]
    assert_same(
        part.operating_points[point],
        as_a_stream_counts(maker.of([Face(message, each) for each in points])),
    )


@pytest.mark.parametrize("point", ["own", "watchful"])
def test_the_answers_for_own_neutral_faces(point: str, message: Landmarks, tmp_path: Path) -> None:
    samples = dataset.load([warped_file(tmp_path / "others.npz", 12)])
    part = reference_answers.part(CLASSIFIER, samples, own=True)

    few = samples.take(CLASSIFIER.landmark_set)
    neutral, known = own_neutral_faces(few)
    assert part.faces == known.sum() == len(samples)
    maker = EventMaker(CLASSIFIER, Settings(own_operating_point=point))
    events = maker.against([Face(message, each) for each in few.points], list(neutral), ()).events
    assert_same(part.operating_points[point], as_a_stream_counts(events))


def test_of_what_the_model_was_trained_on_only_what_was_held_out_counts() -> None:
    faces = np.repeat(CANONICAL[None], 10, axis=0)
    held_out = np.arange(10) < 3
    made: Any = samples_of(faces, np.zeros(10, np.int32), validation=held_out)
    trained_on = CLASSIFIER.trained_on[0]
    named = dataset.Samples(**{**vars(made), "sources": (trained_on,)})

    assert reference_answers.part(CLASSIFIER, made, own=False).faces == 10
    assert reference_answers.part(CLASSIFIER, named, own=False).faces == 3


def test_a_file_without_a_face_to_measure_is_refused() -> None:
    nobody = samples_of(CANONICAL[None], np.zeros(1, np.int32), landmark_set=ALL)
    with pytest.raises(ValueError, match="made-up: no held-out face with another neutral face of the same"):
        reference_answers.part(CLASSIFIER, nobody, own=True)


def test_how_often_there_is_an_own_face_is_that_of_the_trial(tmp_path: Path) -> None:
    everybody = neutral_face_trial.people(warped_file(tmp_path / "others.npz", 3), CLASSIFIER)
    stay = neutral_face_trial.trial(everybody, neutral_face_trial.SCRIPTS[reference_answers.STAY], CLASSIFIER)

    assert reference_answers.own_baseline(CLASSIFIER, everybody) == round(stay.frames, 3)
