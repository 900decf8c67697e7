"""What a handler gets."""

from types import SimpleNamespace

from workers.stages.handler import Message, message_of


def test_a_message_is_what_aiokafka_gives() -> None:
    pairs = (("seq", b"7"), ("seq", b"8"))
    record = SimpleNamespace(key=b"k", value=b"v", headers=pairs, topic="t", partition=1, offset=2)

    assert message_of(record) == Message(b"k", b"v", list(pairs), "t", 1, 2)
