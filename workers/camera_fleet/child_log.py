"""What a camera's process logs, passed on with the camera's name."""

import asyncio
import json
import sys
from typing import Literal

from streams.printable import printable


def named(line: str, camera_id: str, log_format: Literal["console", "json"]) -> str:
    """The line with the camera's name: before it, or where lines are JSON, inside it.

    In JSON what is none, such as what a library prints, becomes an event of its own.
    """
    if log_format == "console":
        return f"{camera_id} | {printable(line, keep=chr(9))}"
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        event = {"event": line, "level": "info", "logger": "mien.cameras"}
    return json.dumps({**event, "camera": camera_id})


async def pass_on(
    stream: asyncio.StreamReader, camera_id: str, log_format: Literal["console", "json"]
) -> None:
    """Writes each line of a process to our stderr, until it has ended."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the reader's limit; what there is of it is gone
            line = b"(a line that was too long)\n"
        if not line:
            return
        if text := line.decode(errors="replace").rstrip():
            print(named(text, camera_id, log_format), file=sys.stderr, flush=True)
