"""Logs: one line an event on stderr, ours and the libraries' alike."""

import json
import logging
from typing import Literal

import pytest

from streams import logs


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logs.get("mien.test").info("stage starts", stage="classify", port=9100)

    (line,) = map(json.loads, lines(capsys))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "stage starts",
        "stage": "classify",
        "port": 9100,
        "level": "info",
        "logger": "mien.test",
    }


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        {}["no such face"]
    except KeyError:
        logs.get("mien.test2").exception("unexpected error")

    (line,) = map(json.loads, lines(capsys))
    assert "KeyError: 'no such face'" in line["exception"]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_text_of_others_orders_a_terminal_nothing_and_makes_no_line_of_its_own(
    capsys: pytest.CaptureFixture[str], log_format: Literal["console", "json"]
) -> None:
    logs.configure("info", log_format)
    text = "\x1b]0;owned\x07\n2026 [info] all is well\x9b"
    logs.get("mien.test3").warning("frame refused", camera=text, cameras=[text])
    logging.getLogger("some.library").warning(text)
    shown = lines(capsys)
    assert len(shown) == 2

    try:
        int(text)
    except ValueError:
        logs.get("mien.test3").exception("unexpected error")
    for line in [*shown, *lines(capsys)]:
        assert not {"\x1b", "\x07", "\x9b"} & set(line)


def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("some.library").warning("low on %s", "disk")

    (line,) = map(json.loads, lines(capsys))
    assert (line["event"], line["logger"], line["level"]) == ("low on disk", "some.library", "warning")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_less_severe_ones_are_left_out(
    capsys: pytest.CaptureFixture[str], level: str, shown: list[str]
) -> None:
    logs.configure(level, "json")
    log = logs.get(f"mien.{level}")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("said")

    assert [json.loads(line)["level"] for line in lines(capsys)] == shown


@pytest.mark.parametrize(("level", "shown"), [("info", ["warning"]), ("error", [])])
def test_chatty_libraries_say_warnings_at_most(
    capsys: pytest.CaptureFixture[str], level: str, shown: list[str]
) -> None:
    logs.configure(level, "json")
    logging.getLogger("aiokafka.consumer").info("routine")
    logging.getLogger("aiokafka.consumer").warning("not routine")

    assert [json.loads(line)["level"] for line in lines(capsys)] == shown


def test_the_console_form_is_readable_and_without_colours_in_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info", "console")
    logs.get("mien.console").warning("camera lost", camera="lobby")

    (line,) = lines(capsys)
    assert "camera lost" in line
    assert "camera=lobby" in line
    assert "\x1b" not in line
