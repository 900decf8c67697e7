"""Our own processes in a chaos run: workers of each stage, and cameras; each can be killed or stopped."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streams import settings
from streams.errors import ServiceUnavailable
from streams.local import child_process
from workers.local import metrics_scrape
from workers.local.chain import READY_TIMEOUT_S, STAGES

STOP_TIMEOUT_S = 30.0


class Member:
    """One process, by its name; what it says goes to files of that name."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        code: Path | None,
    ) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", "workers.cli", *arguments]
        (self.port,) = child_process.free_ports(1)
        self._environment = {
            **environment,
            settings.environment_name("metrics_port"): str(self.port),
            "OMP_NUM_THREADS": "1",  # so many processes would only wait for one another's threads
        }
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self._code = code
        self.popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self.popen.pid if self.popen else 0

    @property
    def ready(self) -> bool:
        return metrics_scrape.get(self.port, "/readyz")[0] == 200

    def start(self) -> None:
        """Starts it; harmless while it runs."""
        if self.popen is None or self.popen.poll() is not None:
            with self._out.open("w") as out, self._err.open("a") as err:
                # The folder that Python starts in is the first that it looks for modules in.
                self.popen = child_process.start(
                    self._arguments, env=self._environment, cwd=self._code, stdout=out, stderr=err
                )

    def signal(self, number: signal.Signals) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill(self) -> None:
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
            self.popen = None

    def stop(self) -> str:
        """SIGTERM; what it wrote to stdout, or nothing if it had to be killed."""
        if self.popen is None:
            return ""
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return ""
        self.popen = None
        return self._out.read_text()

    def take_exit_code(self) -> int | None:
        """Its exit code, once, if it ended and nobody ended it."""
        code = self.popen.poll() if self.popen else None
        if code is not None:
            self.popen = None
        return code

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self._err.read_text().splitlines()[-lines:])


class Crew:
    """All of them.

    variables: the settings that lead to Kafka and Redis.
    code: the checkout whose code they run; this one's without it.
    """

    def __init__(
        self, variables: Mapping[str, Any], folder: Path, *, workers: int, code: Path | None = None
    ) -> None:
        self._environment = settings.child_environment(**variables)
        self._folder = folder
        self._code = code
        self.stages = {
            stage: [self._member(f"{stage}-{number}", stage) for number in range(1, workers + 1)]
            for stage in STAGES
        }
        self.cameras: list[Member] = []
        self.ended_by_themselves: list[str] = []
        self._extra = 0

    def _member(self, name: str, *arguments: str, **extra_environment: str) -> Member:
        return Member(name, arguments, self._environment | extra_environment, self._folder, self._code)

    @property
    def members(self) -> list[Member]:
        return [*(worker for workers in self.stages.values() for worker in workers), *self.cameras]

    def start_stages(self) -> None:
        """Starts all workers and waits until they are ready.

        Raises:
            ServiceUnavailable: if one is not in time, or ends.
        """
        workers = [worker for workers in self.stages.values() for worker in workers]
        for worker in workers:
            worker.start()
        deadline_s = time.monotonic() + 2 * READY_TIMEOUT_S
        for worker in workers:
            while not worker.ready:
                code = worker.take_exit_code()
                if code is not None or time.monotonic() > deadline_s:
                    why = f"ended with code {code}" if code is not None else "is not ready"
                    raise ServiceUnavailable(f"{worker.name} {why}:\n{worker.log_tail()}")
                time.sleep(0.2)

    def add_camera(self, camera_id: str, pictures: Path, fps: float, **extra_environment: str) -> None:
        """A lossless camera that repeats the pictures until it is told to stop."""
        options = ["--source", str(pictures), "--lossless", "--repeat", "--fps", f"{fps:g}", "--json"]
        camera = self._member(camera_id, "camera", "--id", camera_id, *options, **extra_environment)
        self.cameras.append(camera)
        camera.start()

    def join(self, stage: str) -> Member:
        """One more worker of the stage."""
        self._extra += 1
        worker = self._member(f"{stage}-joins-{self._extra}", stage)
        worker.start()
        return worker

    def restart_ended(self) -> None:
        """Starts again what ended without being told to, as Kubernetes does, and notes it."""
        for member in self.members:
            code = member.take_exit_code()
            if code is not None:
                self.ended_by_themselves.append(f"{member.name} with code {code}")
                member.start()

    def stop_cameras(self) -> dict[str, int]:
        """Stops them; how many frames each says that Kafka took. One that had to be killed is missing."""
        outputs = {camera.name: camera.stop() for camera in self.cameras}
        return {name: json.loads(out)["published"] for name, out in outputs.items() if out.strip()}

    def kill(self) -> None:
        """Ends all."""
        for member in self.members:
            member.kill()
