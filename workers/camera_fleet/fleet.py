"""`mien cameras`: the cameras of a file, each a process of its own, so that none can harm another.

Each second it looks whether the file, or a file with a camera's source, is another one. A camera whose entry
has changed is stopped and started again, one that is new is started, one that is gone is stopped; all others
go on. On SIGTERM all stop at once.

All processes' metrics are on one page, ours: their own ports are loopback's and any that are free. So a pod
of many cameras is scraped as one, and no camera's port moves when another camera comes or goes.
"""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from streams import logs, metrics
from streams.health import Health, MetricsServer, own_metrics
from streams.http_pages import Page
from streams.printable import printable
from streams.settings import Settings
from workers.camera_fleet import camera_list
from workers.camera_fleet.camera_list import Camera
from workers.camera_fleet.camera_process import CameraProcess
from workers.camera_fleet.merged_metrics import merge
from workers.camera_fleet.shards import Shard
from workers.file_in_force import LOOK_INTERVAL_S, FileInForce, Stamp
from workers.local import metrics_scrape

SCRAPE_TIMEOUT_S: Final = 4.0

log = logs.get("mien.cameras")


def run(settings: Settings, path: Path, shard: Shard) -> int:
    """Runs the shard's cameras until SIGTERM or Ctrl-C.

    Returns 0 if all processes that still ran then have ended in order; else the exit code of the first that
    did not, 137 where it had to be killed.

    Raises:
        SourceNotFound: if the file cannot be read.
        FileInvalid: if it cannot be used.
        SettingsInvalid: if metrics cannot be served.
    """
    cameras = FileInForce(path, camera_list.read)
    return asyncio.run(_Fleet(settings, cameras, shard).run())


class _Wanted(NamedTuple):
    """A camera as the file has it, and when the file with its source was written."""

    camera: Camera
    source_stamp: Stamp | None


class _Running(NamedTuple):
    wanted: _Wanted
    process: CameraProcess
    task: "asyncio.Task[None]"


class _FleetHealth(Health):
    """Tells of each camera too. That one is down is no reason to restart the others: it changes no status."""

    def __init__(self, running: Mapping[str, _Running]) -> None:
        super().__init__("cameras")
        self._running = running

    def answer(self, path: str) -> tuple[int, str]:
        status, text = super().answer(path)
        if status != 404:
            for camera_id, (_, process, _) in sorted(dict(self._running).items()):
                why = f" ({printable(process.why)})" if process.why else ""
                text += f"{camera_id}: {process.state}{why}\n"
        return status, text


class _Fleet:
    def __init__(self, settings: Settings, cameras: FileInForce[list[Camera]], shard: Shard) -> None:
        self._settings = settings
        self._cameras = cameras
        self._shard = shard
        self._running: dict[str, _Running] = {}
        self._health = _FleetHealth(self._running)
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        beat = asyncio.create_task(self._health.beat())

        def page(accept: str) -> Page:  # in the server's threads
            asked = asyncio.run_coroutine_threadsafe(self._page(accept), loop)
            return asked.result(SCRAPE_TIMEOUT_S)

        host, port = self._settings.metrics_host, self._settings.metrics_port
        with MetricsServer(self._health, host, port, page) as server:
            log.info("cameras start", cameras=len(self._wanted()), metrics=server.address)
            metrics.camera_list_current.set(1)
            while not self._stopping.is_set():
                self._adjust()
                self._health.set_ready("cameras")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), LOOK_INTERVAL_S)
                if self._cameras.look_again():
                    metrics.camera_list_current.set(self._cameras.is_current)
            code = await self._stop_all()
        beat.cancel()
        return code

    def _wanted(self) -> dict[str, _Wanted]:
        return {
            camera.id: _Wanted(camera, camera.source_stamp)
            for camera in self._cameras.value
            if camera.enabled and self._shard.has(camera.id)
        }

    def _adjust(self) -> None:
        """Stops what is no longer wanted as it is, and starts what is; a camera never runs twice at once."""
        wanted = self._wanted()
        for camera_id, running in list(self._running.items()):
            if running.task.done():
                del self._running[camera_id]
                if error := running.task.exception():
                    log.error("unexpected error", camera=camera_id, error=repr(error))
            elif running.wanted != wanted.get(camera_id):
                running.process.stop()
        for camera_id, entry in wanted.items():
            if camera_id not in self._running:
                process = CameraProcess(entry.camera, self._settings)
                self._running[camera_id] = _Running(entry, process, asyncio.create_task(process.run()))

    async def _stop_all(self) -> int:
        for running in self._running.values():
            running.process.stop()
        if self._running:
            await asyncio.wait([running.task for running in self._running.values()])
        codes = [running.process.exit_code for running in self._running.values()]
        log.info("cameras ended", cameras=len(codes))
        return next(filter(None, codes), 0)

    async def _page(self, accept: str) -> Page:
        """Our metrics and those of all processes that answer."""
        ports = {
            camera_id: running.process.port
            for camera_id, running in self._running.items()
            if running.process.port is not None
        }
        pages = await asyncio.gather(
            *(metrics_scrape.get_async(port, "/metrics", accept=accept) for port in ports.values())
        )
        own = own_metrics(accept)
        answered = {
            camera_id: text for camera_id, (status, text) in zip(ports, pages, strict=True) if status == 200
        }
        return own._replace(body=merge(own.body.decode(), answered).encode())
