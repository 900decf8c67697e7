"""`mien landmarks --processes`: several processes that live and end together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers.local import stage_processes

WAIT_S = 20.0  # only ever reached by a test that fails

UNTIL_TERM = (
    "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    "os.write(1, b'1\\n'); signal.pause()"
)
"""A child that says it is there, by one write that no other child's can part, and ends well when told to."""
STUBBORN_CODE = UNTIL_TERM.replace("sys.exit(0)", "sys.exit(3)")
FAILS = "import sys; sys.exit({})"

SUPERVISOR = """
import os, sys
from workers.local import stage_processes
from streams import logs
logs.configure("info", "json")
children = sys.argv[1:]
commands = [[sys.executable, "-u", "-c", code] for code in children]
code = stage_processes.supervise(commands, [dict(os.environ)] * len(commands))
print("left", code, flush=True)
sys.exit(code)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """A supervisor in a process of its own, with children that run the given code."""
    started: list[subprocess.Popen[str]] = []

    def start(*children: str) -> "subprocess.Popen[str]":
        with (tmp_path / "log").open("w") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-u", "-c", SUPERVISOR, *children],
                    env=dict(os.environ) | {"PYTHONPATH": str(Path.cwd())},
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def ready(process: "subprocess.Popen[str]", count: int) -> None:
    assert process.stdout
    assert [process.stdout.readline() for _ in range(count)] == ["1\n"] * count


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def gone(pids: set[int]) -> bool:
    until_s = time.monotonic() + WAIT_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until_s:
            return False
        time.sleep(0.02)
    return True


def test_each_process_has_a_port_for_metrics_of_its_own() -> None:
    assert stage_processes.metrics_ports(Settings(metrics_port=9101), 3) == [9101, 9102, 9103]
    assert stage_processes.metrics_ports(Settings(metrics_port=0), 3) == [0, 0, 0]
    assert stage_processes.metrics_ports(Settings(metrics_port=65_535), 1) == [65_535]
    with pytest.raises(SettingsInvalid, match="MIEN_METRICS_PORT=65535 leaves no ports for 2 processes"):
        stage_processes.metrics_ports(Settings(metrics_port=65_535), 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_in_order(
    start: Callable[..., "subprocess.Popen[str]"], number: signal.Signals
) -> None:
    supervisor = start(UNTIL_TERM, UNTIL_TERM, UNTIL_TERM)
    ready(supervisor, 3)
    pids = children(supervisor.pid)
    assert len(pids) == 3
    supervisor.send_signal(number)

    assert supervisor.wait(WAIT_S) == 0
    assert gone(pids)


def test_one_that_fails_ends_the_others_and_its_exit_code_is_returned(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    assert start(UNTIL_TERM, FAILS.format(69), UNTIL_TERM).wait(WAIT_S) == 69


def test_the_first_failure_counts_even_if_others_fail_at_the_end(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    supervisor = start(STUBBORN_CODE, UNTIL_TERM)
    ready(supervisor, 2)
    (first, _) = sorted(children(supervisor.pid))
    os.kill(first, signal.SIGKILL)

    assert supervisor.wait(WAIT_S) == 128 + signal.SIGKILL


def test_the_children_die_with_a_supervisor_that_is_killed(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    supervisor = start(UNTIL_TERM, UNTIL_TERM)
    ready(supervisor, 2)
    pids = children(supervisor.pid)
    supervisor.kill()

    assert gone(pids)
