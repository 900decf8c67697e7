"""Server-sent events read back as a browser does, and positions in Kafka as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.live_feed import server_sent_events
from workers.live_feed.server_sent_events import read_cursor, write_cursor


def parsed(stream: bytes) -> list[tuple[str, str, str]]:
    """(event, data, last id) by the rules of the HTML standard."""
    found, event, data, last_id = [], "", [], ""
    for line in re.split("\r\n|\n|\r", stream.decode()):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                found.append((event, "\n".join(data), last_id))
            event, data = "", []
        elif name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last_id = value
    return found


@given(st.text())
def test_any_text_comes_back_but_for_its_kind_of_line_ends(text: str) -> None:
    sse = server_sent_events.event("emotion", text.encode())

    assert parsed(sse) == [("emotion", re.sub("\r\n|\r", "\n", text), "")]


def test_a_position_is_kept_and_is_no_event() -> None:
    stream = server_sent_events.position({("alerts", 0): 7}) + server_sent_events.HEARTBEAT
    stream += server_sent_events.RETRY + server_sent_events.event("gap", b"{}")

    assert parsed(stream) == [("gap", "{}", "alerts:7")]


KINDS = st.sampled_from(["emotions", "points", "alerts", "cameras", "verdicts"])


@given(st.dictionaries(st.tuples(KINDS, st.integers(0, 30)), st.integers(0, 10**17)))
def test_positions_come_back(positions: dict[tuple[str, int], int]) -> None:
    assert read_cursor(write_cursor(positions)) == positions if positions else write_cursor(positions) == ""


def test_how_it_looks() -> None:
    assert (
        write_cursor({("emotions", 2): 9, ("emotions", 0): 12, ("alerts", 0): 3})
        == "alerts:3-emotions:12._.9"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "alerts",
        "alerts:",
        "alerts:1.",
        "alerts:-1",
        "alerts:1-",
        "alerts:٣",
        "Alerts:1",
        "alerts:1 ",
        "alerts:" + "1" * 19,
        "alerts:" + ".".join("1" * 1001),
        "a:" + "1." * 20_000 + "1",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match=r"too (long|many)|not a position"):
        read_cursor(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        positions = read_cursor(text)
    except ValueError:
        return
    assert read_cursor(write_cursor(positions)) == positions if positions else "_" in text
