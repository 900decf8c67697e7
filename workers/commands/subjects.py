"""`mien subjects`: who is in view, as Redis has it."""

import asyncio
import time

from rich.live import Live

from streams.errors import BadMessage, SettingsInvalid
from streams.messages.frame_message import check_camera_id
from streams.settings import Settings
from streams.store import subject_state
from workers.json_output import print_json
from workers.subject_table import subject_table
from workers.terminal import Terminal


def run(settings: Settings, *, camera_id: str | None, watch: bool, as_json: bool) -> None:
    """Prints the subjects once, or each second until Ctrl-C.

    Raises:
        SettingsInvalid: if no camera can have that id; an empty one would otherwise mean all cameras.
        ServiceUnavailable: if Redis does not answer.
    """
    if camera_id is not None:
        try:
            check_camera_id(camera_id)
        except BadMessage as exc:
            raise SettingsInvalid(str(exc)) from exc
    asyncio.run(_run(settings, camera_id, watch, as_json))


async def _run(settings: Settings, camera_id: str | None, watch: bool, as_json: bool) -> None:
    async with subject_state.connect(settings) as store:
        if as_json:
            while True:
                print_json(await store.subjects(camera_id))
                if not watch:
                    return
                await asyncio.sleep(1)
        if not watch:
            Terminal().print(subject_table(await store.subjects(camera_id), time.time_ns() // 1000))
            return
        with Live(console=Terminal(), auto_refresh=False, screen=False) as live:
            while True:
                live.update(
                    subject_table(await store.subjects(camera_id), time.time_ns() // 1000), refresh=True
                )
                await asyncio.sleep(1)
