"""Dead letters keep the message as it came and add who refused it, where it was and why."""

import pytest

from streams.errors import BadMessage, BadPicture, InputRefused, WrongLandmarkSet
from streams.messages import dead_letter
from streams.messages.frame_message import Headers

CAME_WITH = [("seq", b"7"), ("size", b"640x480"), ("seq", b"8")]


def encode(error: InputRefused) -> Headers:
    return dead_letter.encode(
        error, stage="landmarks", topic="mien.frames", partition=3, offset=41, headers=CAME_WITH
    )


def test_the_message_is_kept_and_the_reason_added() -> None:
    assert encode(BadPicture("Frame 7 of camera a: not a JPEG", reason="not-a-jpeg")) == [
        *CAME_WITH,
        ("dead-letter-stage", b"landmarks"),
        ("dead-letter-reason", b"not-a-jpeg"),
        ("dead-letter-error", b"BadPicture: Frame 7 of camera a: not a JPEG"),
        ("dead-letter-topic", b"mien.frames"),
        ("dead-letter-partition", b"3"),
        ("dead-letter-offset", b"41"),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadMessage("odd"), b"bad-message"),
        (WrongLandmarkSet("another"), b"wrong-landmark-set"),
        (InputRefused("KeyError: 'x'", reason="internal-error"), b"internal-error"),
    ],
)
def test_each_refusal_has_its_reason(error: InputRefused, reason: bytes) -> None:
    assert dict(encode(error))["dead-letter-reason"] == reason


def test_a_long_error_is_cut_so_that_the_letter_stays_small() -> None:
    assert len(dict(encode(BadMessage("é" * 100_000)))["dead-letter-error"]) <= 2_000


def test_a_letter_is_read_as_it_was_written() -> None:
    headers = encode(BadPicture("not a JPEG", reason="not-a-jpeg"))
    letter = dead_letter.decode(0, 17, 5, b"value", headers)

    assert (letter.place, letter.stage, letter.reason) == ("17", "landmarks", "not-a-jpeg")
    assert (letter.topic, letter.partition, letter.offset) == ("mien.frames", 3, 41)
    assert (letter.error, letter.value_bytes, letter.left_out) == ("BadPicture: not a JPEG", 5, "")
    assert dead_letter.decode(2, 17, 5, None, headers).place == "2@17"
    assert dead_letter.foreign_headers(headers) == CAME_WITH
    assert dead_letter.replayed_place(headers) is None


@pytest.mark.parametrize("raw", [b"", None, b"\xff", b"-1", "²".encode(), b"9" * 5000])
def test_a_letter_with_odd_headers_is_read_all_the_same(raw: bytes | None) -> None:
    letter = dead_letter.decode(
        0, 1, 5, None, [("dead-letter-offset", raw), ("dead-letter-value-bytes", raw)]
    )

    assert (letter.offset, letter.value_bytes, letter.topic) == (-1, 0, "")


def test_a_mark_names_its_letter_and_no_refused_message_can_pass_for_one() -> None:
    key, value, headers = dead_letter.replayed_mark("2@17")

    assert key or value is not None
    assert dead_letter.replayed_place(headers) == "2@17"
    assert dead_letter.replayed_place([*headers, *encode(BadMessage("odd"))]) is None


def test_an_error_that_is_no_text_can_be_told() -> None:
    assert b"BadMessage: ?" in dict(encode(BadMessage("\ud800")))["dead-letter-error"]
