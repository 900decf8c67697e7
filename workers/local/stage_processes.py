"""`mien landmarks --processes N`: the same stage several times on this machine, in one consumer group.

Kafka shares the partitions among them, so more processes than partitions leave some idle. They live and end
together: a signal goes to all, and one that fails ends the others, so that whoever watches over us
(systemd, Kubernetes) sees it and starts all again.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import NamedTuple, TypeAlias

from streams import logs
from streams.errors import SettingsInvalid
from streams.local import child_process
from streams.settings import Settings, child_environment

_MAX_PORT = 65_535

log = logs.get("mien.processes")


class _Ended(NamedTuple):
    number: int
    exit_code: int


_Happened: TypeAlias = _Ended | signal.Signals


def run(settings: Settings, verb: str, count: int) -> int:
    """Runs `mien VERB` so many times until all have ended.

    Returns the exit code of the first that failed, else 0. Call it from the main thread.

    Raises:
        SettingsInvalid: if there are not so many ports for metrics.
    """
    commands = [[sys.executable, "-m", "workers.cli", verb]] * count
    environments = [child_environment(metrics_port=port) for port in metrics_ports(settings, count)]
    return supervise(commands, environments)


def metrics_ports(settings: Settings, count: int) -> list[int]:
    """Each process's: the one that is set, and those behind it; all 0 (any free one) if that is set.

    Raises:
        SettingsInvalid: if they would go beyond the last port.
    """
    first = settings.metrics_port
    if first == 0:
        return [0] * count
    if first + count - 1 > _MAX_PORT:
        raise SettingsInvalid(
            f"MIEN_METRICS_PORT={first} leaves no ports for {count} processes: set a smaller one, or 0"
        )
    return list(range(first, first + count))


def supervise(commands: Sequence[Sequence[str]], environments: Sequence[dict[str, str]]) -> int:
    """Runs the commands until all have ended; SIGTERM and Ctrl-C end them in order, and so does a failure.

    Returns the exit code of the first that failed, else 0.
    """
    happened: SimpleQueue[_Happened] = SimpleQueue()
    before = {
        number: signal.signal(number, lambda got, _frame: happened.put(signal.Signals(got)))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    running: dict[int, subprocess.Popen[bytes]] = {}
    code, told = 0, False
    try:
        for number, (command, environment) in enumerate(zip(commands, environments, strict=True), start=1):
            running[number] = _start(number, command, environment, happened)
        while running:
            event = happened.get()
            if isinstance(event, _Ended):
                del running[event.number]
                log.info("process ended", process=event.number, exit_code=event.exit_code)
                code = code or event.exit_code
            if not told:  # they go together, whoever was the first to go
                told = True
                for process in running.values():
                    process.send_signal(signal.SIGTERM)
    finally:
        for process in running.values():
            process.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _start(
    number: int, command: Sequence[str], environment: dict[str, str], happened: "SimpleQueue[_Happened]"
) -> "subprocess.Popen[bytes]":
    process = child_process.start(command, env=environment)
    log.info("process starts", process=number, pid=process.pid)

    def wait() -> None:
        status = process.wait()
        happened.put(_Ended(number, status if status >= 0 else 128 - status))  # as a shell tells of a signal

    threading.Thread(target=wait, name=f"process-{number}", daemon=True).start()
    return process
