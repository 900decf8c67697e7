"""An alert as a line of a terminal: what a producer wrote into it moves no cursor."""

from datetime import UTC, datetime

import pytest

from streams.messages.alert import Alert, AlertEvidence
from workers.alerts.alerts_tail import line

AT = datetime(2026, 1, 5, 12, 0, 4, tzinfo=UTC)


def alert(state: str = "firing", summary: str = "Fear for 4 s.", **labels: str) -> Alert:
    evidence = AlertEvidence([], 0.9, 0.8, "fear", "subject", {}, [], "", "ok")
    return Alert(
        "id",
        "distress",
        "critical",
        state,
        "lobby-1",
        "lobby-1:a",
        AT,
        AT,
        summary,
        0.8,
        0.6,
        labels,
        evidence,
    )  # type: ignore[arg-type]


def test_a_line_says_when_what_who_and_why() -> None:
    assert line(alert(team="desk", floor="3")).plain == (
        "2026-01-05 12:00:04 firing   critical distress lobby-1:a Fear for 4 s. floor=3 team=desk"
    )


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("[bold]markup[/]", "[bold]markup[/]"),
        ("\u202eright to left", r"\u202eright to left"),
        ("Überraschung", "Überraschung"),
    ],
)
def test_what_would_steer_the_terminal_is_shown_instead(summary: str, shown: str) -> None:
    assert shown in line(alert(summary=summary)).plain
    assert shown in line(alert(label=summary)).plain


def test_firing_and_resolved_look_different() -> None:
    assert line(alert()).style != line(alert("resolved")).style
