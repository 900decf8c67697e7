"""The published contracts: they hold for real messages, refuse wrong ones, and are committed as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from streams.messages import emotion_event, frame_message, landmarks_message, schemas
from streams.messages.emotion_event import EmotionEvent
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings

ROOT = Path(__file__).parents[4]
DOCUMENTS = schemas.documents(Settings.model_construct())
SCHEMAS = [name for name in DOCUMENTS if name.endswith(".schema.json")]


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        DOCUMENTS[name], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def event_json(event: EmotionEvent) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(emotion_event.encode(event)[1])
    return decoded


def test_the_committed_files_are_in_step_with_the_types() -> None:
    committed = {path.name: json.loads(path.read_text()) for path in (ROOT / "docs/schemas").glob("*.json")}

    del committed["live-openapi.json"]  # of another room: workers/live/openapi_document.py
    assert committed == schemas.documents(Settings()), "run `mien schemas --out docs/schemas`"


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENTS[name])


@pytest.mark.parametrize("changes", [{}, {"emotion": None, "abstained": "blurred"}])
def test_a_real_event_is_valid(make_event: Callable[..., EmotionEvent], changes: dict[str, Any]) -> None:
    validator("emotion.schema.json").validate(event_json(make_event(**changes)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("emotion", "joy"),
        ("abstained", "tired"),
        ("confidence", 1.2),
        ("frame_seq", "7"),
        ("frame_seq", -1),
        ("captured_at", 1764000000),
        ("face.x", "0.4"),
        ("pose.yaw", None),
        ("probabilities.fear", -0.1),
        ("probabilities", {}),
        ("explanation.method", "guess"),
        ("explanation.regions.mouth", 2),
        ("explanation.landmarks", [{"index": 468, "region": "", "attribution": 0}]),
        ("model", None),
    ],
)
def test_a_broken_event_is_not(make_event: Callable[..., EmotionEvent], path: str, value: object) -> None:
    event = event_json(make_event())
    *parents, last = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    place[last] = value

    with pytest.raises(jsonschema.ValidationError):
        validator("emotion.schema.json").validate(event)


def test_a_real_landmarks_message_is_valid_and_one_of_another_schema_is_not(
    make_landmarks: Callable[..., Landmarks],
) -> None:
    message = msgspec.to_builtins(make_landmarks())  # JSON has no bytes: base64 stands for them
    validator("landmarks.schema.json").validate(message)

    with pytest.raises(jsonschema.ValidationError):
        validator("landmarks.schema.json").validate(message | {"schema": "mien.landmarks/2"})


def test_real_frame_headers_are_valid_and_a_missing_one_is_seen() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    frame = frame_message.Frame("a", 1, 2, (640, 480), "file", trace, b"x")
    headers = {name: value.decode() for name, value in frame_message.encode(frame)[2]}
    validator("frame-headers.schema.json").validate(headers)

    for name in ("seq", "captured-at", "size"):
        with pytest.raises(jsonschema.ValidationError):
            validator("frame-headers.schema.json").validate({k: v for k, v in headers.items() if k != name})


def test_asyncapi_lists_every_topic_and_points_to_schemas_that_exist() -> None:
    settings = Settings(topic_prefix="site")
    document = schemas.documents(settings)["asyncapi.json"]

    assert document["asyncapi"] == "3.0.0"
    assert {c["address"] for c in document["channels"].values()} == {t.name for t in settings.topics}
    text = json.dumps(document)
    for name in SCHEMAS:
        assert f'"$ref": "./{name}"' in text
    assert text.count('"$ref": "./') == len(SCHEMAS)


def test_asyncapi_requires_the_headers_that_events_have(make_event: Callable[..., EmotionEvent]) -> None:
    (message,) = DOCUMENTS["asyncapi.json"]["channels"]["emotions"]["messages"].values()
    sent = {name: value.decode() for name, value in emotion_event.encode(make_event())[2]}

    jsonschema.validate(sent, message["headers"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(sent | {"ce_type": "other"}, message["headers"])


def test_the_landmarks_schema_names_the_tag_that_is_sent(make_landmarks: Callable[..., Landmarks]) -> None:
    sent = msgspec.msgpack.decode(landmarks_message.encode(make_landmarks()))

    assert sent["schema"] == landmarks_message.SCHEMA
    assert landmarks_message.SCHEMA in json.dumps(DOCUMENTS["landmarks.schema.json"])
