"""No sign reaches a terminal that it would act on."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lobby-1:7k3f", "lobby-1:7k3f"),
        ("Bücher – 顔 🙂 [/x] :cat:", "Bücher – 顔 🙂 [/x] :cat:"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\r\nb\x7f", "a\\r\\nb\\x7f"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\udce9", "\\udce9"),
    ],
)
def test_control_signs_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_line_ends_stay_where_they_are_wanted() -> None:
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@given(st.text(st.characters()))
def test_nothing_unprintable_is_left_and_nothing_else_is_changed(text: str) -> None:
    shown = printable(text)

    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert shown.encode().decode() == shown
    if text.isprintable():
        assert shown == text
