"""What a handler gets, and whether it has something to hand over."""

from types import SimpleNamespace
from typing import Any

from streams.settings import Settings
from workers.stages.handler import Message, Settling, message_of
from workers.stages.landmarks import LandmarksWorker


def test_a_message_is_what_aiokafka_gives() -> None:
    pairs = (("seq", b"7"), ("seq", b"8"))
    record = SimpleNamespace(key=b"k", value=b"v", headers=pairs, topic="t", partition=1, offset=2)

    assert message_of(record) == Message(b"k", b"v", list(pairs), "t", 1, 2)


async def test_landmarks_hand_their_cameras_over_where_that_is_wanted() -> None:
    told: list[str] = []

    async def settle() -> None:
        told.append("settled")

    nothing: Any = None
    hand_over: Any = SimpleNamespace(
        settle=settle, note_of=lambda partition: lambda: f"of {partition}", take_notes=told.extend
    )
    notes = []
    for kept in (hand_over, None):
        handler: object = LandmarksWorker(Settings(), nothing, nothing, nothing, nothing, kept)
        assert isinstance(handler, Settling)
        handler.take_notes(["of 7"])
        notes.append(handler.note(3)())
        await handler.settle()

    assert told == ["of 7", "settled"]
    assert notes == ["of 3", ""]
