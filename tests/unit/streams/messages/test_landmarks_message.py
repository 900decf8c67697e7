"""Landmarks on Kafka: MessagePack of one schema, with as many finite points as the set has."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streams.errors import BadMessage
from streams.messages import landmarks_message
from streams.messages.frame_message import CAMERA_ID, MAX_TIME_US
from streams.messages.landmarks_message import FaceBox, Landmarks, Pose, Quality, Transform

Make = Callable[..., Landmarks]
numbers = st.floats(allow_nan=False, allow_infinity=False)
angles = st.floats(-180, 180)
good = st.builds(
    Landmarks,
    camera_id=st.from_regex(CAMERA_ID, fullmatch=True),
    frame_seq=st.integers(0, 2**53 - 1),
    captured_at_us=st.integers(0, MAX_TIME_US),
    subject_id=st.from_regex(r"[A-Za-z0-9._:-]{1,80}", fullmatch=True),
    face=st.builds(FaceBox, numbers, numbers, numbers, numbers),
    pose=st.builds(Pose, angles, angles, angles),
    quality=st.builds(Quality, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1)),
    landmark_set=st.text(),
    points=st.binary(max_size=60),
    transform=st.builds(
        Transform,
        numbers,
        st.lists(numbers, min_size=9, max_size=9),
        st.lists(numbers, min_size=3, max_size=3),
    ),
    traceparent=st.text(max_size=55),
    run=st.integers(0, 2**53 - 1),
    source=st.sampled_from(["live", "file"]),
)


def fields(message: Landmarks) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.msgpack.decode(landmarks_message.encode(message))
    return decoded


@given(good)
def test_round_trip(message: Landmarks) -> None:
    assert landmarks_message.decode(landmarks_message.encode(message)) == message


@given(st.none() | st.binary(max_size=200))
def test_arbitrary_bytes_are_a_bad_message_and_nothing_else(value: bytes | None) -> None:
    with pytest.raises(BadMessage) as refused:
        landmarks_message.decode(value)
    assert refused.value.reason == "bad-message"


@given(st.data())
def test_a_cut_off_message_is_a_bad_message(make_landmarks: Make, data: st.DataObject) -> None:
    value = landmarks_message.encode(make_landmarks())

    with pytest.raises(BadMessage):
        landmarks_message.decode(value[: data.draw(st.integers(0, len(value) - 1))])


@pytest.mark.parametrize("schema", ["mien.landmarks/2", "", None])
def test_another_schema_is_refused(make_landmarks: Make, schema: str | None) -> None:
    changed = fields(make_landmarks()) | {"schema": schema}

    with pytest.raises(BadMessage, match=r"mien\.landmarks/1"):
        landmarks_message.decode(msgspec.msgpack.encode(changed))


@pytest.mark.parametrize("name", Landmarks.__struct_fields__[: -len(Landmarks.__struct_defaults__)])
def test_a_missing_field_is_named(make_landmarks: Make, name: str) -> None:
    changed = fields(make_landmarks())
    del changed[name]

    with pytest.raises(BadMessage, match=name):
        landmarks_message.decode(msgspec.msgpack.encode(changed))


def test_a_message_from_before_runs_is_of_run_0(make_landmarks: Make) -> None:
    changed = fields(make_landmarks())
    del changed["run"], changed["source"]
    message = landmarks_message.decode(msgspec.msgpack.encode(changed))

    assert (message.run, message.source) == (0, "live")


def test_a_field_that_came_later_is_ignored(make_landmarks: Make) -> None:
    changed = fields(make_landmarks()) | {"colour": "blue"}

    assert landmarks_message.decode(msgspec.msgpack.encode(changed)) == make_landmarks()


@pytest.mark.parametrize(
    "changes",
    [
        {"frame_seq": -1},
        {"captured_at_us": -1},
        {"captured_at_us": MAX_TIME_US + 1},
        {"subject_id": ""},
        {"subject_id": "x" * 81},
        {"quality": Quality(-1, 0, 0)},
        {"quality": Quality(1, 0, 1.1)},
        {"quality": Quality(float("nan"), 0, 1)},
        {"quality": Quality(1, float("inf"), 1)},
        {"face": FaceBox(float("nan"), 0, 1, 1)},
        {"pose": Pose(0, float("-inf"), 0)},
        {"pose": Pose(0, 1e308, 0)},
        {"transform": Transform(float("nan"), [0.0] * 9, [0.0] * 3)},
        {"transform": Transform(1, [float("nan")] * 9, [0.0] * 3)},
        {"transform": Transform(1, [0.0] * 8, [0.0] * 3)},
        {"transform": Transform(1, [0.0] * 9, [0.0, 0.0, float("inf")])},
    ],
    ids=str,
)
def test_impossible_values_are_refused(make_landmarks: Make, changes: dict[str, Any]) -> None:
    wrong = fields(make_landmarks()) | {k: msgspec.to_builtins(v) for k, v in changes.items()}

    with pytest.raises(BadMessage, match=r"mien\.landmarks/1"):
        landmarks_message.decode(msgspec.msgpack.encode(wrong))


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 20), st.just(3)), elements=st.floats(-100, 100, width=32))
)
def test_points_round_trip_exactly(make_landmarks: Make, points: np.ndarray) -> None:
    message = make_landmarks(points=landmarks_message.pack_points(points))
    unpacked = landmarks_message.unpack_points(message, len(points))

    assert unpacked.dtype == np.float32
    assert np.array_equal(unpacked, points)


def test_points_are_little_endian_float32_row_by_row() -> None:
    assert landmarks_message.pack_points(np.array([[1, 2, 3]], ">f4")) == np.array([1, 2, 3], "<f4").tobytes()
    columns_first = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert landmarks_message.pack_points(columns_first) == np.arange(6, dtype="<f4").tobytes()


@pytest.mark.parametrize("n_bytes", [0, 23, 25, 12, 36])
def test_another_number_of_points_is_refused(make_landmarks: Make, n_bytes: int) -> None:
    with pytest.raises(BadMessage, match=f"{n_bytes} bytes.* are 24"):
        landmarks_message.unpack_points(make_landmarks(points=b"\0" * n_bytes), 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 100.1, -1e38])
def test_points_that_no_face_has_are_refused(make_landmarks: Make, value: float) -> None:
    points = np.zeros((2, 3), np.float32)
    points[1, 2] = value

    with pytest.raises(BadMessage, match=r"not finite|beyond 100"):
        landmarks_message.unpack_points(make_landmarks(points=landmarks_message.pack_points(points)), 2)
