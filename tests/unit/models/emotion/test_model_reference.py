"""The reference: what of it is expected of a stream, and files that are none of the model's."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from made_up import reference_of

from models.emotion import model_reference
from models.emotion.classifier import SHIPPED, Classifier
from models.emotion.model_reference import Reference, expected, load

CLASSIFIER = Classifier.load()
REFERENCE = reference_of(CLASSIFIER)
"""accurate 0.2, balanced 0.3, own 0.6, watchful 0.7; three quarters of the faces have an own neutral face."""


def told(
    point: str, own_point: str | None, *, own_min_confidence: bool = False
) -> dict[tuple[str, str], float]:
    rows = list(expected(REFERENCE, point, own_point, own_min_confidence=own_min_confidence))
    assert len({row[:2] for row in rows}) == len(rows)
    return {(measure, value): ratio for measure, value, ratio in rows}


def test_a_stream_is_expected_to_have_faces_of_both_kinds() -> None:
    found = told("accurate", "own")

    assert found["own_baseline", "subject"] == 0.75
    assert (found["confidence", "population"], found["confidence", "subject"]) == (0.2, 0.6)
    assert found["abstention", "low-confidence"] == pytest.approx(0.25 * 0.1 + 0.75 * 0.3)
    assert found["emotion_mix", "fear"] == pytest.approx(0.25 * 0.2 + 0.75 * 0.6)
    assert found["region_share", "mouth"] == pytest.approx(0.25 * 0.2 + 0.75 * 0.6)
    for measure in ("emotion_mix", "region_share"):
        assert sum(ratio for (of, _), ratio in found.items() if of == measure) == pytest.approx(1)
    assert told("balanced", "watchful")["region_share", "mouth"] == pytest.approx(0.25 * 0.3 + 0.75 * 0.7)


def test_without_own_neutral_faces_it_is_the_populations_alone() -> None:
    found = told("balanced", None)

    assert found["own_baseline", "subject"] == 0
    assert ("confidence", "subject") not in found
    assert found["abstention", "low-confidence"] == 0.15
    assert found["region_share", "eyes"] == pytest.approx(0.7)


def test_where_the_least_confidence_is_the_users_own_nothing_is_said_of_abstaining() -> None:
    found = told("accurate", "own", own_min_confidence=True)

    assert ("abstention", "low-confidence") not in found
    assert found.keys() | {("abstention", "low-confidence")} == told("accurate", "own").keys()


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / model_reference.FILE
    path.write_bytes(msgspec.json.encode(REFERENCE))

    assert load(path, CLASSIFIER) == REFERENCE
    assert load(SHIPPED.with_name(model_reference.FILE), CLASSIFIER).model == CLASSIFIER.version


def with_point(name: str) -> Callable[[Reference], Reference]:
    def change(reference: Reference) -> Reference:
        points = {name: next(iter(reference.population.operating_points.values()))}
        return msgspec.structs.replace(
            reference, population=msgspec.structs.replace(reference.population, operating_points=points)
        )

    return change


def with_emotion(reference: Reference) -> Reference:
    points = {
        point: msgspec.structs.replace(answers, emotion_mix=answers.emotion_mix | {"boredom": 0.0})
        for point, answers in reference.population.operating_points.items()
    }
    return msgspec.structs.replace(
        reference, population=msgspec.structs.replace(reference.population, operating_points=points)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda of: msgspec.structs.replace(of, model="0123456789ab"), "is of version 0123456789ab: measure"),
        (lambda of: msgspec.structs.replace(of, subject=None), "has the points , not own, watchful"),
        (with_point("eager"), "has the points eager, not accurate, balanced"),
        (with_emotion, "is of other emotions or regions"),
        (lambda of: msgspec.structs.replace(of, own_baseline=1.5), "is no reference"),
    ],
)
def test_what_is_none_of_this_models_is_refused(
    tmp_path: Path, change: Callable[[Reference], Reference], said: str
) -> None:
    path = tmp_path / model_reference.FILE
    path.write_bytes(msgspec.json.encode(change(REFERENCE)))

    with pytest.raises(ValueError, match=f"reference.json {said}"):
        load(path, CLASSIFIER)
