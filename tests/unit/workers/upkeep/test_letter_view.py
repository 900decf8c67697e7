"""What a terminal gets to see of a dead letter: never a sign that steers it."""

import json
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from streams.messages.dead_letter import DeadLetter
from workers.upkeep import letter_view
from workers.upkeep.dead_letters import SentBack, WholeLetter

HOSTILE = "[/x][red]\x1b[31m\x9b2J\u202e\nnext"


def letter(**changes: object) -> DeadLetter:
    made = DeadLetter(
        "41", 1_764_000_000_000_000, "state", "bad-message", "odd", "mien.emotions", 1, 5, 9, ""
    )
    return msgspec.structs.replace(made, **changes)


def whole(value: bytes | None, **changes: object) -> WholeLetter:
    return WholeLetter(letter(**changes), b"door", value, [("seq", b"7")])


def shown(value: bytes | None, **changes: object) -> str:
    out = StringIO()
    letter_view.show_one(whole(value, **changes), Console(file=out, width=80))
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b'{"a": 1}', "JSON"),
        (b"[1, 2]", "JSON"),
        (msgspec.msgpack.encode({"points": b"\x00\x01"}), "MessagePack"),
        (b"\xff\xd8\xff\xe0 JFIF", "JPEG"),
        (b"plain text", "bytes"),
        (b"7", "bytes"),
        (b"[" * 100_000, "bytes"),
        (msgspec.msgpack.encode({b"\xff": 1}), "MessagePack"),
        (msgspec.msgpack.encode({(1, 2): 1}), "bytes"),  # nothing that JSON could show
        (b"", "empty"),
        (None, "none"),
    ],
)
def test_the_kind_of_a_value(value: bytes | None, kind: str) -> None:
    assert letter_view.value_type(whole(value)) == kind
    assert f"value: {kind}, 9 bytes\n" in shown(value)


def test_json_is_indented_and_bytes_are_dumped() -> None:
    assert '{\n  "a": 1\n}\n' in shown(b'{"a": 1}')
    assert "00000000  70 6c 61 69 6e" in shown(b"plain \x1b text")
    assert "plain . text" in shown(b"plain \x1b text")
    assert f"… and {5000 - letter_view.HEX_BYTES} bytes more" in shown(b"\x00" * 5000)
    assert "characters more" in shown(json.dumps(["x" * 100_000]).encode())


def test_a_value_that_was_left_out_is_told() -> None:
    assert "value: left out (value), 9000000 bytes\n" in shown(None, left_out="value", value_bytes=9_000_000)


def test_hostile_text_is_shown_and_does_nothing() -> None:
    hostile = letter(stage=HOSTILE, reason=HOSTILE, error=HOSTILE, topic=HOSTILE, left_out=HOSTILE)
    out = StringIO()
    console = Console(file=out, width=300)
    letter_view.show_list([hostile], console)
    letter_view.show_sent_back([SentBack("41", HOSTILE, "gone")], console)
    value = json.dumps({HOSTILE: HOSTILE}, ensure_ascii=False).encode()
    letter_view.show_one(WholeLetter(hostile, HOSTILE.encode(), value, [(HOSTILE, b"\x1b[2J")]), console)

    assert "[/x][red]" in out.getvalue()
    assert not {"\x1b", "\x9b", "\u202e"} & set(out.getvalue())
    assert r"\x1b[31m\x9b2J\u202e\nnext" in out.getvalue()


def test_json_has_it_all() -> None:
    plain = json.loads(msgspec.json.encode(letter_view.as_plain(whole(b"\xff\xd8x"))))

    assert (plain["place"], plain["value"], plain["value_type"]) == ("41", "/9h4", "JPEG")
    assert plain["headers"] == [["seq", "7"]]
