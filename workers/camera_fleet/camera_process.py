"""One camera's process under `mien cameras`: started, watched, and started again whenever it ends.

    starting ─▶ up ◀─▶ down          its process runs: with pictures, or waiting for its camera or for Kafka
       ▲         └──┬──┘
       │            ▼
       └──── restarting ◀── also a process that cannot be started, or hangs and is killed
                    ended       its file has been played to the end

It never gives up: a camera that nobody repairs costs a try a minute.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Literal, get_args

from streams import logs, metrics
from streams.backoff import backoff_s
from streams.errors import MienError
from streams.local import child_process
from streams.settings import Settings, child_environment
from workers.camera_fleet import child_log
from workers.camera_fleet.camera_list import Camera, priority_of_frames
from workers.local import metrics_scrape

State = Literal["starting", "up", "down", "restarting", "ended"]

RESTART_BASE_S: Final = 1.0
RESTART_CAP_S: Final = 60.0
"""Who ran for longer than this is started again at once, after a failure as well."""
LOOK_INTERVAL_S: Final = 2.0
SILENT_S: Final = 60.0
"""A process that does not answer for so long hangs; also one that has not answered yet."""
STOP_GRACE_S: Final = 15.0
"""How long a process that is told to stop may take; longer than a camera waits for Kafka."""
LOG_GRACE_S: Final = 1.0
_OS_ERROR: Final = 71  # sysexits.h

log = logs.get("mien.cameras")


def command(camera: Camera) -> list[str]:
    """The process's arguments, which everybody on the machine can read: its source is not among them."""
    options = {
        "camera": camera.id,
        "fps": camera.fps,
        "width": camera.width,
        "quality": camera.quality,
        "hardware": camera.hardware,
        "keyframes": camera.keyframes,
        "repeat": camera.repeat,
        "priority": priority_of_frames(camera.priority),
    }
    given = [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in options.items()
        if value not in (None, False)
    ]
    return [sys.executable, "-m", "workers.cli", "camera", *given]


class CameraProcess:
    """Keeps one camera's process alive.

    state: how it is; ``why`` says more about it.
    port: where it serves its metrics on this machine, while there is a process.
    exit_code: of the last one that ended; 0 before.
    """

    def __init__(self, camera: Camera, settings: Settings) -> None:
        self._camera = camera
        self._settings = settings
        self._stopping = asyncio.Event()
        self.state: State = "starting"
        self.why = ""
        self.port: int | None = None
        self.exit_code = 0
        metrics.camera_restarts_total.labels(camera.id)  # a counter's increase is seen from 0 on

    def stop(self) -> None:
        """Lets ``run`` end: in order, or after `STOP_GRACE_S` by force."""
        self._stopping.set()

    async def run(self) -> None:
        """Returns when it was told to stop and the process has ended."""
        pauses_s = _pauses_s()
        try:
            while not self._stopping.is_set():
                began_s = time.monotonic()
                self._tell("starting")
                self.exit_code = await self._run_once()
                if self._stopping.is_set():
                    return
                if self.exit_code == 0:
                    self._tell("ended")
                    log.info("camera ended: its source has no more", camera=self._camera.id)
                    await self._stopping.wait()
                    return
                if time.monotonic() - began_s > RESTART_CAP_S:
                    pauses_s = _pauses_s()
                await self._pause(next(pauses_s))
        finally:
            metrics.camera_process.remove_by_labels({"camera": self._camera.id})
            metrics.camera_restarts_total.remove_by_labels({"camera": self._camera.id})

    async def _run_once(self) -> int:
        """Starts the process and waits for its end; its exit code, as a shell tells it."""
        (port,) = child_process.free_ports(1)
        try:
            environment = child_environment(
                camera_source=self._camera.read_source(), metrics_host="127.0.0.1", metrics_port=port
            )
            process = await child_process.start_heard(command(self._camera), env=environment)
            self.port = port
            return await self._until_it_ends(process, port)
        except MienError as exc:
            self.why = str(exc)
            return exc.exit_code
        except OSError as exc:  # no memory, no more files
            self.why = f"it cannot be started: {exc.strerror}"
            return _OS_ERROR
        finally:
            self.port = None
            child_process.give_back(port)

    async def _until_it_ends(self, process: asyncio.subprocess.Process, port: int) -> int:
        about = {"camera": self._camera.id, "pid": process.pid}
        log.info("camera's process starts", **about)
        heard = asyncio.create_task(self._pass_log_on(process))
        ended = asyncio.create_task(process.wait())
        told, hangs = asyncio.create_task(self._stopping.wait()), asyncio.create_task(self._watch(port))
        try:
            await asyncio.wait({ended, told, hangs}, return_when=asyncio.FIRST_COMPLETED)
            was_told, hung = told.done(), hangs.done()
            if was_told and not ended.done():
                process.send_signal(signal.SIGTERM)
                await asyncio.wait({ended}, timeout=STOP_GRACE_S)
        finally:
            told.cancel()
            hangs.cancel()
            if not ended.done():
                log.warning("camera's process is killed", **about)
                process.kill()
        status = await ended
        await asyncio.wait({heard}, timeout=LOG_GRACE_S)  # what it has started may still hold the pipe
        heard.cancel()
        self.why = f"its process ended with {status if status >= 0 else signal.Signals(-status).name}"
        if hung:
            self.why = f"its process did not answer for {SILENT_S:.0f} s and was killed"
        if was_told and status == -signal.SIGTERM:
            return 0  # it was too young to end by itself
        return status if status >= 0 else 128 - status

    async def _pass_log_on(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is not None:
            await child_log.pass_on(process.stderr, self._camera.id, self._settings.log_format)

    async def _watch(self, port: int) -> None:
        """Looks how the process is, until it hangs."""
        heard_s = time.monotonic()
        while time.monotonic() - heard_s < SILENT_S:
            await asyncio.sleep(LOOK_INTERVAL_S)
            alive, _ = await metrics_scrape.get_async(port, "/healthz")
            ready, text = await metrics_scrape.get_async(port, "/readyz")
            if alive == 200:
                heard_s = time.monotonic()
            if ready == 200:
                self._tell("up")
            elif ready:
                self._tell("down", text.strip())

    async def _pause(self, pause_s: float) -> None:
        self._tell("restarting", self.why)
        log.warning(
            "camera's process starts again",
            camera=self._camera.id,
            error=self.why,
            again_in_s=round(pause_s, 1),
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)
        if not self._stopping.is_set():
            metrics.camera_restarts_total.labels(self._camera.id).inc()

    def _tell(self, state: State, why: str = "") -> None:
        self.state, self.why = state, why
        for each in get_args(State):
            metrics.camera_process.labels(self._camera.id, each).set(each == state)


def _pauses_s() -> Iterator[float]:
    return backoff_s(RESTART_BASE_S, RESTART_CAP_S)
