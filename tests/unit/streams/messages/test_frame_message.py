"""Frames on Kafka: what goes in comes out, and anything else is a BadMessage and nothing else."""

import re
import string
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BadMessage
from streams.messages.frame_message import (
    MAX_TIME_US,
    PRIORITIES,
    Frame,
    check_camera_id,
    decode,
    encode,
)
from streams.telemetry.trace_context import TraceContext

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FRAME = Frame(
    "lobby-1",
    1234,
    1_764_000_000_123_456,
    (640, 480),
    "live",
    TRACEPARENT,
    b"\xff\xd8\xff",
    1_764_000_000_000_000,
    1920,
)

letters = string.ascii_letters + string.digits
camera_ids = st.builds(str.__add__, st.sampled_from(letters), st.text(letters + "._-", max_size=62))
sizes = st.integers(1, 999_999)
good_frames = st.builds(
    Frame,
    camera_id=camera_ids,
    seq=st.integers(0, 2**53 - 1),
    captured_at_us=st.integers(0, MAX_TIME_US),
    size_px=st.tuples(sizes, sizes),
    source=st.sampled_from(get_args(Frame.__annotations__["source"])),
    traceparent=st.builds(TraceContext.new, sampled=st.booleans()).map(str),
    jpeg=st.binary(min_size=1, max_size=64),
    run=st.integers(0, 2**53 - 1),
    full_width_px=st.just(0) | sizes,
    priority=st.sampled_from(PRIORITIES),
)
names = st.text(max_size=5) | st.sampled_from(
    ["seq", "run", "captured-at", "size", "source", "priority", "traceparent", "full-width"]
)
values = st.none() | st.binary(max_size=20) | st.sampled_from([b"1", b"640x480", b"live", b"file"])


def headers(**changes: bytes | None) -> list[tuple[str, bytes]]:
    """FRAME's headers, changed; None leaves one out. ``captured_at`` stands for ``captured-at``."""
    ours = dict(encode(FRAME)[2]) | {name.replace("_", "-"): value for name, value in changes.items()}
    return [(name, value) for name, value in ours.items() if value is not None]


@given(good_frames)
def test_round_trip(frame: Frame) -> None:
    assert decode(*encode(frame)) == frame


@given(
    st.none() | st.binary(max_size=80), st.none() | st.binary(max_size=8), st.lists(st.tuples(names, values))
)
def test_anything_else_is_a_bad_message_and_nothing_else(
    key: bytes | None, value: bytes | None, any_headers: list[tuple[str, bytes | None]]
) -> None:
    with suppress(BadMessage):
        frame = decode(key, value, any_headers)
        assert decode(*encode(frame)) == frame


def test_the_value_is_the_jpeg_alone_and_the_key_the_camera() -> None:
    key, value, sent = encode(FRAME)

    assert (key, value) == (b"lobby-1", b"\xff\xd8\xff")
    assert sent == [
        ("seq", b"1234"),
        ("run", b"1764000000000000"),
        ("captured-at", b"1764000000123456"),
        ("size", b"640x480"),
        ("source", b"live"),
        ("priority", b"normal"),
        ("traceparent", TRACEPARENT.encode()),
        ("full-width", b"1920"),
    ]


def test_a_picture_that_was_not_scaled_has_no_full_width() -> None:
    names = [name for name, _ in encode(FRAME._replace(full_width_px=0))[2]]

    assert "full-width" not in names
    assert decode(*encode(FRAME._replace(full_width_px=0))).full_width_px == 0


@pytest.mark.parametrize("name", ["seq", "captured_at", "size"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(BadMessage, match=f"without the header '{name.replace('_', '-')}'"):
        decode(b"lobby-1", b"x", headers(**{name: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq", b"-1"),
        ("seq", b"1.5"),
        ("seq", b""),
        ("seq", b"1" * 19),
        ("seq", "١".encode()),
        ("run", b""),
        ("run", b"last"),
        ("full_width", b"wide"),
        ("full_width", b"1000000"),
        ("run", b"%d" % 2**53),
        ("captured_at", b"now"),
        ("captured_at", b"%d" % (MAX_TIME_US + 1)),
        ("size", b"640"),
        ("size", b"0x480"),
        ("size", b"640x-1"),
        ("size", b"9999999x1"),
        ("size", "6٤0x480".encode()),
        ("source", b"tape"),
        ("priority", b"9"),
        ("priority", b""),
    ],
)
def test_a_wrong_header_is_named(name: str, value: bytes) -> None:
    with pytest.raises(BadMessage, match=name.replace("_", "-")):
        decode(b"lobby-1", b"x", headers(**{name: value}))


def test_a_header_without_a_value_is_wrong_and_no_crash() -> None:
    with pytest.raises(BadMessage, match="seq"):
        decode(b"lobby-1", b"x", [*headers(seq=None), ("seq", None)])


@pytest.mark.parametrize("value", [None, b""])
def test_a_frame_needs_a_picture(value: bytes | None) -> None:
    with pytest.raises(BadMessage, match="JPEG"):
        decode(b"lobby-1", value, headers())


def test_a_frame_of_a_producer_that_knows_no_runs_is_of_run_0() -> None:
    assert decode(b"lobby-1", b"x", headers(run=None)).run == 0


def test_a_frame_that_does_not_say_is_live() -> None:
    assert decode(b"lobby-1", b"x", headers(source=None)).source == "live"


def test_a_frame_of_a_producer_that_knows_no_priorities_is_of_normal_priority() -> None:
    assert decode(b"lobby-1", b"x", headers(priority=None)).priority == "normal"


@pytest.mark.parametrize("traceparent", [None, b"nonsense", TRACEPARENT.upper().encode()])
def test_a_frame_without_a_good_trace_gets_a_new_one(traceparent: bytes | None) -> None:
    frame = decode(b"lobby-1", b"x", headers(traceparent=traceparent))

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", frame.traceparent)  # nobody records it
    assert frame.traceparent != TRACEPARENT


@pytest.mark.parametrize("camera_id", ["a", "lobby-1", "A.b_c-9", "x" * 63])
def test_good_camera_ids(camera_id: str) -> None:
    assert check_camera_id(camera_id) == camera_id


@pytest.mark.parametrize(
    "camera_id", ["", "-a", ".", "x" * 64, "a b", "a/b", "a:b", "a*", "ä", "a\n", "{a}", "a\x00"]
)
def test_bad_camera_ids(camera_id: str) -> None:
    with pytest.raises(BadMessage, match="Camera id"):
        check_camera_id(camera_id)


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"a b"])
def test_the_key_must_be_a_camera_id(key: bytes | None) -> None:
    with pytest.raises(BadMessage, match="Camera id"):
        decode(key, b"x", headers())
