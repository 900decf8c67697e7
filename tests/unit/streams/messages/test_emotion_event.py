"""Emotion events: the contract with strangers' consumers."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BadMessage
from streams.messages import emotion_event
from streams.messages.emotion_event import (
    EMOTIONS,
    AttributedLandmark,
    EmotionEvent,
    Explanation,
    FacialAction,
    Model,
    Probabilities,
    captured_at_us,
    event_id,
    time_of,
)
from streams.messages.frame_message import CAMERA_ID, MAX_TIME_US
from streams.messages.landmarks_message import FaceBox, PictureSize, Pose, Quality

Make = Callable[..., EmotionEvent]
numbers = st.floats(allow_nan=False, allow_infinity=False)
angles = st.floats(-180, 180)
shares = st.floats(0, 1)
sizes = st.floats(0, 1e6)
sides = st.integers(1, 999_999)
named = st.sampled_from(EMOTIONS).map(lambda emotion: (emotion, None))
abstained = st.sampled_from(["low-confidence", "small-face", "extreme-pose", "blurred", "partial-face"]).map(
    lambda r: (None, r)
)
explanations = st.builds(
    Explanation,
    method=st.just("integrated-gradients"),
    target=st.sampled_from(EMOTIONS),
    baseline=st.sampled_from(["subject", "population"]),
    score_change=numbers,
    completeness_error=st.floats(0, 1e6),
    landmarks=st.lists(st.builds(AttributedLandmark, st.integers(0, 467), st.text(), numbers), max_size=2),
    regions=st.dictionaries(st.text(), shares, max_size=2),
    text=st.text(),
    attributions=st.lists(numbers, max_size=3),
    actions=st.lists(
        st.builds(FacialAction, st.text(), st.integers(1, 99), st.floats(0, 1e6), shares), max_size=2
    ),
)


@st.composite
def events(draw: st.DrawFn) -> EmotionEvent:
    emotion, reason = draw(named | abstained)
    return EmotionEvent(
        event_id=draw(st.text()),
        camera_id=draw(st.from_regex(CAMERA_ID, fullmatch=True)),
        subject_id=draw(st.from_regex(r"[A-Za-z0-9._:-]{1,80}", fullmatch=True)),
        frame_seq=draw(st.integers(0, 2**53 - 1)),
        captured_at=time_of(draw(st.integers(0, MAX_TIME_US))),
        face=draw(st.builds(FaceBox, numbers, numbers, numbers, numbers)),
        pose=draw(st.builds(Pose, angles, angles, angles)),
        emotion=emotion,
        confidence=draw(shares),
        abstained=reason,
        probabilities=Probabilities(*draw(st.lists(shares, min_size=8, max_size=8))),
        explanation=draw(explanations),
        model=Model(draw(st.text()), draw(st.text()), draw(st.text())),
        run=draw(st.integers(0, 2**53 - 1)),
        source=draw(st.sampled_from(["live", "file"])),
        quality=draw(st.none() | st.builds(Quality, sizes, sizes, shares)),
        picture=draw(st.none() | st.builds(PictureSize, sides, sides, sides)),
    )


def fields(event: EmotionEvent) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(emotion_event.encode(event)[1])
    return decoded


@given(events())
def test_round_trip(event: EmotionEvent) -> None:
    _, value, _ = emotion_event.encode(event)

    assert emotion_event.decode(value) == event


@given(st.none() | st.binary(max_size=200))
def test_arbitrary_bytes_are_a_bad_message_and_nothing_else(value: bytes | None) -> None:
    with pytest.raises(BadMessage) as refused:
        emotion_event.decode(value)
    assert refused.value.reason == "bad-message"


@given(st.data())
def test_a_cut_off_event_is_a_bad_message(make_event: Make, data: st.DataObject) -> None:
    _, value, _ = emotion_event.encode(make_event())

    with pytest.raises(BadMessage):
        emotion_event.decode(value[: data.draw(st.integers(0, len(value) - 1))])


@pytest.mark.parametrize("name", EmotionEvent.__struct_fields__[: -len(EmotionEvent.__struct_defaults__)])
def test_a_missing_field_is_named(make_event: Make, name: str) -> None:
    changed = fields(make_event())
    del changed[name]

    with pytest.raises(BadMessage, match=name):
        emotion_event.decode(json.dumps(changed).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"emotion": "joy"},
        {"emotion": None},
        {"abstained": "blurred"},
        {"emotion": None, "abstained": "tired"},
        {"confidence": 1.01},
        {"confidence": -0.01},
        {"frame_seq": -1},
        {"captured_at": "2026-11-23T08:00:00"},
        {"captured_at": "yesterday"},
    ],
    ids=str,
)
def test_impossible_values_are_refused(make_event: Make, changes: dict[str, Any]) -> None:
    with pytest.raises(BadMessage, match="Not an emotion event"):
        emotion_event.decode(json.dumps(fields(make_event()) | changes).encode())


@pytest.mark.parametrize("emotion", ["happiness", None])
@pytest.mark.parametrize("reason", ["blurred", None])
def test_emotion_is_null_exactly_when_abstained_gives_a_reason(
    make_event: Make, emotion: str | None, reason: str | None
) -> None:
    if (emotion is None) == (reason is not None):
        assert make_event(emotion=emotion, abstained=reason).abstained == reason
    else:
        with pytest.raises(ValueError, match="exactly when"):
            make_event(emotion=emotion, abstained=reason)


@given(st.text(), st.integers(0, 2**53), st.integers(0, 2**53), st.text())
def test_the_same_frame_and_subject_always_have_the_same_id(
    camera: str, run: int, seq: int, subject: str
) -> None:
    assert event_id(camera, run, seq, subject) == event_id(camera, run, seq, subject)
    assert uuid.UUID(event_id(camera, run, seq, subject)).version == 5


def test_ids_are_the_same_on_every_machine_and_in_every_release() -> None:
    assert event_id("lobby-1", 0, 1234, "lobby-1:7k3f") == "79186cfa-207f-583b-81ff-828e1e8cc13c"
    assert event_id("lobby-1", 17, 1234, "lobby-1:7k3f") == "b18534d7-fa64-5ffc-84be-1d00c2457ab3"


def test_another_camera_run_frame_or_subject_has_another_id() -> None:
    ids = {
        event_id(camera, run, seq, subject)
        for camera in ("a", "b")
        for run in (0, 1, 12)
        for seq in (1, 2, 12)
        for subject in ("a:x", "a:y", "2a:x")
    }

    assert len(ids) == 2 * 3 * 3 * 3


def test_an_event_from_before_runs_is_of_run_0(make_event: Make) -> None:
    changed = fields(make_event())
    del changed["run"], changed["source"], changed["still"]
    event = emotion_event.decode(msgspec.json.encode(changed))

    assert (event.run, event.source, event.still) == (0, "live", False)


@given(st.integers(0, MAX_TIME_US))
def test_times_are_exact_to_the_microsecond(us: int) -> None:
    time = time_of(us)

    assert time.tzinfo is UTC
    assert (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == us


def test_times_stay_exact_through_json_and_another_time_zone(make_event: Make) -> None:
    us = 1_764_000_000_123_457  # as a float of seconds it would be off
    event = make_event(captured_at=time_of(us))
    assert captured_at_us(emotion_event.decode(emotion_event.encode(event)[1])) == us

    elsewhere = event.captured_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert captured_at_us(make_event(captured_at=elsewhere)) == us


def test_json_is_as_the_contract_shows_it(make_event: Make) -> None:
    event = make_event()

    assert fields(event) == {
        "event_id": event.event_id,
        "camera_id": "lobby-1",
        "subject_id": "lobby-1:7k3f",
        "frame_seq": 7,
        "captured_at": "2025-11-24T16:00:00.123456Z",
        "face": {"x": 0.41, "y": 0.22, "w": 0.12, "h": 0.18},
        "pose": {"yaw": 3.1, "pitch": -8.0, "roll": 0.4},
        "emotion": "happiness",
        "confidence": 0.9,
        "abstained": None,
        "probabilities": dict.fromkeys(EMOTIONS, 0.0) | {"happiness": 0.9, "neutral": 0.1},
        "explanation": {
            "method": "integrated-gradients",
            "target": "happiness",
            "baseline": "population",
            "score_change": 6.0,
            "completeness_error": 2e-6,
            "landmarks": [{"index": 61, "region": "mouth corner, right", "attribution": 4.0}],
            "regions": {"mouth": 0.75, "cheeks": 0.25},
            "text": "Mouth corners raised.",
            "attributions": [4.0, 2.0],
            "actions": [],
        },
        "model": {"name": "mien-128", "version": "0123456789ab", "landmark_set": "two-points"},
        "run": 0,
        "source": "live",
        "still": False,
        "quality": {"inter_ocular_px": 64.0, "sharpness": 0.05, "presence": 0.98, "visible": 1.0},
        "picture": {"width_px": 1280, "height_px": 720, "full_width_px": 1920},
    }


def test_facial_actions_are_as_the_contract_shows_them(make_event: Make) -> None:
    event = make_event()
    action = FacialAction("lip corners pulled up", 12, 0.8, 0.41)
    why = msgspec.structs.replace(event.explanation, actions=[action])

    assert fields(msgspec.structs.replace(event, explanation=why))["explanation"]["actions"] == [
        {"name": "lip corners pulled up", "au": 12, "strength": 0.8, "share": 0.41}
    ]


def test_an_event_from_before_facial_actions_is_read(make_event: Make) -> None:
    changed = fields(make_event())
    del changed["explanation"]["actions"]

    assert emotion_event.decode(msgspec.json.encode(changed)).explanation.actions == []


@pytest.mark.parametrize("wrong", [{"au": 0}, {"strength": -0.1}, {"share": 1.1}], ids=str)
def test_impossible_facial_actions_are_refused(make_event: Make, wrong: dict[str, Any]) -> None:
    changed = fields(make_event())
    changed["explanation"]["actions"] = [{"name": "", "au": 12, "strength": 0.8, "share": 0.4} | wrong]

    with pytest.raises(BadMessage, match=r"explanation\.actions"):
        emotion_event.decode(msgspec.json.encode(changed))


def test_headers_are_cloudevents_in_kafkas_binary_mode(make_event: Make) -> None:
    event = make_event(camera_id="lobby-1", subject_id="lobby-1:7k3f")
    key, _, headers = emotion_event.encode(event)

    assert key == b"lobby-1:7k3f"
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_source", b"/cameras/lobby-1"),
        ("ce_type", b"mien.emotion.v1"),
        ("ce_time", b"2025-11-24T16:00:00.123456Z"),
        ("ce_subject", b"lobby-1:7k3f"),
        ("content-type", b"application/json"),
    ]


def test_a_trace_goes_on_where_there_is_one(make_event: Make) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    _, _, headers = emotion_event.encode(make_event(), trace)

    assert headers[-1] == ("ce_traceparent", trace.encode())


def test_the_source_is_a_uri_whatever_the_camera_is_called(make_event: Make) -> None:
    _, _, headers = emotion_event.encode(make_event(camera_id="a b?c"))

    assert dict(headers)["ce_source"] == b"/cameras/a%20b%3Fc"


def test_a_field_that_came_later_is_ignored(make_event: Make) -> None:
    changed = fields(make_event()) | {"mood": "fine"}

    assert emotion_event.decode(msgspec.json.encode(changed)) == make_event()
