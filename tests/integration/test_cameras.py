"""`mien cameras` on a real chain: many cameras, of which some fail, and one process that keeps them alive."""

import json
import os
import signal
from pathlib import Path

import pytest
from harness import Chain, Process, children, eventually, living

from workers.local import metrics_scrape

SECRET = "hunter2"
GOOD = {"id": "good", "source": "demo:calm", "fps": 5, "width": 320}
LOST = {"id": "lost", "source_env": "LOST_CAMERA"}
MISSING = {"id": "missing", "source": "no-such.mp4"}


def write(path: Path, *cameras: dict[str, object]) -> None:
    path.with_suffix(".new").write_text(json.dumps({"cameras": cameras}))
    path.with_suffix(".new").replace(path)


def told(process: Process) -> dict[str, str]:
    """Camera → its line on /healthz."""
    status, text = metrics_scrape.get(process.port, "/healthz")
    assert status == 200
    ok, *lines = text.splitlines()
    assert ok == "ok"
    return dict(line.split(": ", 1) for line in lines)


def pid_of(fleet: Process, camera: str) -> int:
    for pid in children(fleet.popen.pid):
        if f"--camera={camera}" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            return pid
    return 0


def test_cameras_live_beside_those_that_fail_and_end_together(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cameras.yaml"
    write(path, GOOD, LOST, MISSING)
    monkeypatch.setenv("LOST_CAMERA", f"rtsp://ann:{SECRET}@127.0.0.1:9/stream")
    fleet = chain.start("cameras", str(path)).wait_ready()
    eventually(
        lambda: told(fleet)["good"] == "up" and told(fleet)["lost"].startswith("down (waiting for: "),
        lambda: f"one up and one down: {told(fleet)}\n{fleet.err}",
    )
    eventually(
        lambda: fleet.totals("mien_camera_restarts_total", "camera")["missing"] > 0,
        lambda: f"another try with the file that is not there: {told(fleet)}\n{fleet.err}",
    )
    eventually(lambda: "good" in chain.frames(), "frames of the good one")
    assert fleet.totals("mien_camera_restarts_total", "camera")["good"] == 0

    first = pid_of(fleet, "good")
    os.kill(first, signal.SIGKILL)
    eventually(
        lambda: pid_of(fleet, "good") not in (0, first) and told(fleet)["good"] == "up",
        lambda: f"the killed one again: {told(fleet)}\n{fleet.err}",
    )
    assert fleet.totals("mien_camera_restarts_total", "camera")["good"] == 1

    # What a scrape sees: each process's own metrics, by camera. And nobody sees the secret.
    page = metrics_scrape.get(fleet.port, "/metrics")[1]
    assert 'mien_camera_up{camera="good"} 1.0' in page
    assert 'process_resident_memory_bytes{camera="lost"}' in page
    pids = children(fleet.popen.pid)
    for pid in {fleet.popen.pid, *pids}:
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert SECRET not in page + fleet.err + fleet.out + str(told(fleet))
    assert "lost | " in fleet.err

    # The file changes: one goes, one comes, one stays as it is; a wrong file changes nothing.
    stays = pid_of(fleet, "good")
    write(path, GOOD, {"id": "new", "source": "demo:calm", "fps": 5, "width": 320})
    eventually(
        lambda: told(fleet) == {"good": "up", "new": "up"}, lambda: f"the new: {told(fleet)}\n{fleet.err}"
    )
    assert pid_of(fleet, "good") == stays
    write(path, GOOD, {"id": "new"})
    eventually(lambda: "a camera needs one of source" in fleet.err, lambda: fleet.err)
    assert told(fleet) == {"good": "up", "new": "up"}

    pids = children(fleet.popen.pid)
    assert fleet.end() == 0, fleet.err
    assert not living(pids)


def test_two_shards_run_all_cameras_once(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    ids = ["door", "hall", "lobby", "yard"]
    write(path, *(GOOD | {"id": camera_id} for camera_id in ids))
    fleets = [chain.start("cameras", str(path), cameras_shard=f"pod-{number}/2") for number in (0, 1)]
    for fleet in fleets:
        fleet.wait_ready()

    assert sorted(camera for fleet in fleets for camera in told(fleet)) == ids
    assert all(told(fleet) for fleet in fleets)
    for fleet in fleets:
        assert fleet.end() == 0, fleet.err
