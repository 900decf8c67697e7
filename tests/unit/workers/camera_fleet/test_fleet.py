"""Cameras as supervised processes, with stand-ins for `mien camera`, which are real processes too."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import get_args

import pytest

from streams.errors import FileInvalid, SourceNotFound
from streams.settings import Settings
from workers.camera_fleet import camera_list, camera_process, fleet
from workers.camera_fleet.camera_list import Camera
from workers.camera_fleet.camera_process import CameraProcess, State, command
from workers.camera_fleet.fleet import _Fleet
from workers.camera_fleet.shards import WHOLE, Shard
from workers.file_in_force import FileInForce
from workers.metering.metrics_table import EXPORTED

WAIT_S = 30.0  # only ever reached by a test that fails

STAND_IN = """
import http.server, json, os, signal, sys
source = os.environ["MIEN_CAMERA_SOURCE"]
print("source", source, file=sys.stderr, flush=True)
if source.startswith("fails"): sys.exit(int(source.removeprefix("fails")))
ready = source != "down"
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        up = ready or self.path != "/readyz"
        self.send_response(200 if up else 503)
        self.end_headers()
        text = "# TYPE x gauge\\nx 1\\n" if self.path == "/metrics" else "ok" if up else "waiting for: source"
        self.wfile.write(text.encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["MIEN_METRICS_PORT"])), Pages)
signal.signal(signal.SIGTERM, signal.SIG_IGN if source == "stubborn" else lambda *_: sys.exit(0))
server.serve_forever()
"""


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        camera_process, "command", lambda camera: [sys.executable, "-c", STAND_IN, f"--camera={camera.id}"]
    )
    monkeypatch.setattr(camera_process, "LOOK_INTERVAL_S", 0.05)
    monkeypatch.setattr(camera_process, "RESTART_BASE_S", 0.01)
    monkeypatch.setattr(fleet, "LOOK_INTERVAL_S", 0.05)


def text_of(**sources: str) -> str:
    return json.dumps({"cameras": [{"id": camera_id, "source": at} for camera_id, at in sources.items()]})


class Trial:
    """A fleet, and what is to be seen of it."""

    def __init__(self, path: Path, shard: Shard = WHOLE) -> None:
        self.path = path
        self.fleet = _Fleet(
            Settings(metrics_port=0, log_format="json"), FileInForce(path, camera_list.read), shard
        )

    def processes(self) -> dict[str, CameraProcess]:
        return {camera_id: running.process for camera_id, running in self.fleet._running.items()}

    def states(self) -> dict[str, State]:
        return {camera_id: process.state for camera_id, process in self.processes().items()}

    def pids(self) -> dict[str, int]:
        """Of the stand-ins that live, by their camera."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text().split("\0")
                parent = Path(path.parent, "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == os.getpid() and len(words) > 1 and words[-2].startswith("--camera="):
                found[words[-2].removeprefix("--camera=")] = int(path.parent.name)
        return found

    async def until(self, look: Callable[[], bool]) -> None:
        until_s = time.monotonic() + WAIT_S
        while not look():
            assert time.monotonic() < until_s, {i: (p.state, p.why) for i, p in self.processes().items()}
            await asyncio.sleep(0.02)

    async def until_states(self, **states: str) -> None:
        await self.until(lambda: self.states() == states)


def during(trial: Trial, what: Callable[[], Awaitable[None]]) -> int:
    """The fleet's exit code, after this happened to it and it was told to stop."""

    async def run() -> int:
        running = asyncio.create_task(trial.fleet.run())
        try:
            await what()
        finally:
            trial.fleet._stopping.set()
            code = await running
        assert trial.pids() == {}
        return code

    return asyncio.run(run())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Trial]:
    def make(shard: Shard = WHOLE, **sources: str) -> Trial:
        path = tmp_path / "cameras.yaml"
        path.write_text(text_of(**sources))
        return Trial(path, shard)

    return make


def test_one_that_fails_is_started_again_and_touches_no_other(make: Callable[..., Trial]) -> None:
    trial = make(good="up", dark="down", bad="fails66", over="fails0")

    async def look() -> None:
        await trial.until(lambda: trial.states().get("over") == "ended" and "good" in trial.pids())
        before = trial.pids()["good"]
        bad = trial.processes()["bad"]
        seen: set[str] = set()

        def failed() -> bool:
            seen.add(bad.why)
            return "its process ended with 66" in seen

        await trial.until(failed)
        await trial.until(lambda: trial.states()["good"] == "up" and trial.states()["dark"] == "down")
        assert trial.pids()["good"] == before
        status, text = trial.fleet._health.answer("/healthz")
        assert status == 200
        assert "dark: down (waiting for: source)\n" in text
        assert "good: up\n" in text
        assert "over: ended\n" in text
        assert trial.fleet._health.answer("/readyz")[0] == 200
        page = (await trial.fleet._page("")).body.decode()
        assert 'x{camera="good"} 1' in page
        assert 'mien_camera_process{camera="good",state="up"} 1.0' in page
        lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        restarts = {
            one: float(lines[f'mien_camera_restarts_total{{camera="{one}"}}']) > 0
            for one in ("good", "dark", "bad", "over")
        }
        assert restarts == {"good": False, "dark": False, "bad": True, "over": False}

    during(trial, look)


def test_one_that_is_killed_comes_back(make: Callable[..., Trial]) -> None:
    trial = make(lobby="up")

    async def kill() -> None:
        await trial.until_states(lobby="up")
        before = trial.pids()["lobby"]
        os.kill(before, signal.SIGKILL)
        await trial.until(lambda: trial.pids().get("lobby", before) != before)
        await trial.until_states(lobby="up")

    assert during(trial, kill) == 0


def test_one_that_hangs_is_killed_and_comes_back(
    make: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = make(lobby="up")

    async def hang() -> None:
        await trial.until_states(lobby="up")
        before = trial.pids()["lobby"]
        monkeypatch.setattr(camera_process, "SILENT_S", 0.5)
        os.kill(before, signal.SIGSTOP)
        await trial.until(lambda: trial.pids().get("lobby", before) != before)
        monkeypatch.setattr(camera_process, "SILENT_S", WAIT_S)
        await trial.until_states(lobby="up")

    during(trial, hang)


def test_only_what_changed_in_the_file_is_started_again(make: Callable[..., Trial]) -> None:
    trial = make(stays="up", changes="up", goes="up")

    async def change() -> None:
        await trial.until_states(stays="up", changes="up", goes="up")
        before = trial.pids()
        trial.path.write_text(text_of(comes="up", changes="down", stays="up"))
        await trial.until_states(stays="up", changes="down", comes="up")
        after = trial.pids()
        assert after["stays"] == before["stays"]
        assert after["changes"] != before["changes"]
        trial.path.write_text("cameras: [{id: wrong}]")
        await trial.until(lambda: not trial.fleet._cameras.is_current)
        await asyncio.sleep(0.2)
        assert trial.pids() == after
        trial.path.write_text(text_of(stays="up"))
        await trial.until_states(stays="up")
        page = (await trial.fleet._page("")).body.decode()
        assert "mien_camera_list_current 1.0" in page
        assert 'camera="changes"' not in page

    assert during(trial, change) == 0


def test_a_source_file_that_is_written_anew_starts_its_camera_again(
    make: Callable[..., Trial], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("down")
    trial = make()
    trial.path.write_text(f"cameras: [{{id: lobby, source_file: {tmp_path / 'secret'}}}]")
    trial = Trial(trial.path)

    async def rotate() -> None:
        await trial.until_states(lobby="down")
        (tmp_path / "secret").write_text("up\n")
        await trial.until_states(lobby="up")

    assert during(trial, rotate) == 0


def test_a_source_that_cannot_be_had_is_waited_for(make: Callable[..., Trial], tmp_path: Path) -> None:
    trial = make()
    trial.path.write_text(f"cameras: [{{id: lobby, source_file: {tmp_path / 'secret'}}}]")
    trial = Trial(trial.path)

    async def come() -> None:
        await trial.until(lambda: trial.states() == {"lobby": "restarting"})
        assert "names a file that does not exist" in trial.processes()["lobby"].why
        (tmp_path / "secret").write_text("up")
        await trial.until_states(lobby="up")

    during(trial, come)


def test_all_stop_at_once_and_who_does_not_is_killed(
    make: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_process, "STOP_GRACE_S", 1.0)
    trial = make(good="up", one="stubborn", two="stubborn", three="stubborn")

    async def look() -> None:
        await trial.until_states(good="up", one="up", two="up", three="up")

    assert during(trial, look) == 128 + signal.SIGKILL
    assert trial.processes()["good"].exit_code == 0


def test_a_shard_runs_its_cameras_alone(make: Callable[..., Trial]) -> None:
    ids = [f"camera-{number}" for number in range(6)]
    halves = [{i for i in ids if Shard(number, 2).has(i)} for number in (0, 1)]
    trial = make(Shard(1, 2), **dict.fromkeys(ids, "down"))

    async def look() -> None:
        await trial.until(lambda: trial.pids().keys() == halves[1])

    assert 0 < len(halves[1]) < 6
    during(trial, look)


def test_it_does_not_start_without_a_file_that_can_be_used(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        fleet.run(Settings(), tmp_path / "none.yaml", WHOLE)
    (tmp_path / "wrong.yaml").write_text("cameras: [{id: one}]")
    with pytest.raises(FileInvalid):
        fleet.run(Settings(), tmp_path / "wrong.yaml", WHOLE)


def test_the_arguments_hold_all_but_the_source() -> None:
    full = Camera(
        id="lobby",
        source="rtsp://10.0.0.1/x",
        fps=2.5,
        keyframes=True,
        hardware="cuda",
        repeat=True,
        width=640,
        priority=7,
    )

    assert command(full)[3:] == [
        "camera",
        "--camera=lobby",
        "--fps=2.5",
        "--width=640",
        "--quality=85",
        "--hardware=cuda",
        "--keyframes",
        "--repeat",
        "--priority=high",
    ]
    assert command(Camera(id="lobby", source="0"))[3:] == [
        "camera",
        "--camera=lobby",
        "--width=1280",
        "--quality=85",
        "--priority=normal",
    ]


def test_the_states_are_those_of_the_table() -> None:
    assert EXPORTED["camera_process"].labels["state"] == get_args(State)
