"""`mien bench live`, small and short: all that it counts is there. Nothing here asserts a time."""

import json
import subprocess
import sys
from typing import Any

import pytest
from harness import command

pytestmark = pytest.mark.alone

COMMAND = ["bench", "live", "--cameras", "2", "--viewers", "2", "--seconds", "3", "--json"]


@pytest.fixture(scope="module")
def lines() -> dict[str, dict[str, Any]]:
    """The row's lines by their names."""
    command("chromium")
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", *COMMAND], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert {finding["row"] for finding in findings} == {"live"}
    return {finding["case"]: finding["figures"] for finding in findings}


def test_every_event_came_to_the_stream_with_its_points(lines: dict[str, dict[str, Any]]) -> None:
    sent, streams = lines["sent"], lines["from event to stream"]

    assert sent["failed"] == 0
    assert sent["per_s"] > 0
    assert streams["streams"] == 1
    assert streams["events"] > 20
    assert streams["points"] > 20
    assert streams["skipped"] == streams["missing"] == 0
    assert 0 < streams["delay_ms"]["p50"] <= streams["delay_ms"]["p95"]


def test_the_page_drew_what_came(lines: dict[str, dict[str, Any]]) -> None:
    page = lines["from event to screen"]

    assert page["visible_tiles"] == 2
    assert page["faces_drawn_per_s"] > 1
    assert page["frames_per_s"] > 1
    assert 0 < page["delay_ms"]["p50"] <= page["delay_ms"]["p95"]
    assert page["heap_mib_start"] > 0
    assert page["heap_mib_end"] > 0


def test_each_process_is_told_apart(lines: dict[str, dict[str, Any]]) -> None:
    servers = [lines[f"mien live: {who}"] for who in ("nobody looks", "one stream", "all viewers")]

    assert all(server["cpu_percent"] > 0 for server in servers)
    assert all(server["rss_mib_end"] > 20 for server in servers)
    others = lines["CPU percent of the others"]
    assert set(others) >= {"redis", "sender", "streams", "browser"}
    assert others["browser"] > 0
