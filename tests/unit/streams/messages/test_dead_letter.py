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
