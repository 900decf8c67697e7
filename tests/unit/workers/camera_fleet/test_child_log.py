"""What a camera's process logs is passed on with the camera's name."""

import asyncio
import json

import pytest

from workers.camera_fleet import child_log


@pytest.mark.parametrize(
    ("line", "log_format", "named"),
    [
        ("2026 [info] up", "console", "lobby | 2026 [info] up"),
        ("\x1b[2Jgone", "console", "lobby | \\x1b[2Jgone"),
        ('{"event": "up", "seq": 1}', "json", {"event": "up", "seq": 1, "camera": "lobby"}),
        ('{"event": "up", "camera": "hall"}', "json", {"event": "up", "camera": "lobby"}),
        (
            "Segmentation fault",
            "json",
            {"event": "Segmentation fault", "level": "info", "logger": "mien.cameras", "camera": "lobby"},
        ),
        ("7", "json", {"event": "7", "level": "info", "logger": "mien.cameras", "camera": "lobby"}),
    ],
)
def test_lines_have_the_cameras_name(line: str, log_format: str, named: object) -> None:
    told = child_log.named(line, "lobby", log_format)  # type: ignore[arg-type]

    assert (json.loads(told) if log_format == "json" else told) == named


def test_lines_pass_until_the_end_the_longest_one_cut(capsys: pytest.CaptureFixture[str]) -> None:
    async def pass_on() -> None:
        stream = asyncio.StreamReader(limit=100)
        stream.feed_data(b"one\n\n" + b"x" * 1000 + b"\ntw\xff\nthree")
        stream.feed_eof()
        await child_log.pass_on(stream, "lobby", "console")

    asyncio.run(pass_on())

    assert capsys.readouterr().err.splitlines() == [
        "lobby | one",
        "lobby | (a line that was too long)",
        "lobby | tw\ufffd",
        "lobby | three",
    ]
