"""What a process holds and uses, as Linux tells it."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal

_FIELD = re.compile(r"^(Rss|Pss|Private_Clean|Private_Dirty): +(\d+) kB$", re.MULTILINE)


def memory_mib(pid: int | Literal["self"]) -> dict[str, float]:
    """A process's memory: all that it holds, its share of what others hold too, and what is its alone.

    Source: man 5 proc_pid_smaps, ``smaps_rollup``.
    """
    kb = {name: int(value) for name, value in _FIELD.findall(Path(f"/proc/{pid}/smaps_rollup").read_text())}
    return {
        "rss": round(kb["Rss"] / 1024, 1),
        "pss": round(kb["Pss"] / 1024, 1),
        "private": round((kb["Private_Clean"] + kb["Private_Dirty"]) / 1024, 1),
    }


def rss_mib(pid: int | Literal["self"] = "self") -> float:
    """A process's resident set, in MiB (proc(5))."""
    (line,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")
    )
    return int(line.split()[1]) / 1024


def thread_count(pid: int | Literal["self"] = "self") -> int:
    """How many threads a process has, native ones too."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def open_file_count(pid: int | Literal["self"] = "self") -> int:
    """How many files, sockets and pipes a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def children_of(pid: int) -> list[int]:
    """Ids of the processes that this one has started. Source: man 5 proc_pid_task, ``children``."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s_of(stat: str) -> float:
    """User and system time of a process from its /proc/PID/stat (proc(5), fields 14 and 15), in s."""
    after_name = stat.rpartition(")")[2].split()  # the name may hold spaces and brackets
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mib(status: str) -> float:
    """The most memory that a process ever held: VmHWM of its /proc/PID/status, in MiB."""
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)


def cpu_wait_s(pid: int) -> float:
    """How long a process's threads were ready and had no core, in s: others used all.

    Source: Documentation/scheduler/sched-stats.rst of Linux, ``/proc/<pid>/schedstat``.
    """
    waited_ns = [
        int((task / "schedstat").read_text().split()[1]) for task in Path(f"/proc/{pid}/task").iterdir()
    ]
    return sum(waited_ns) / 1e9


def tree_cpu_s(pid: int, without: Collection[int] = ()) -> float:
    """CPU time of a process and all that come from it, in s; without these, and what comes from them."""
    if pid in without:
        return 0.0
    try:
        used_s = cpu_s_of(Path(f"/proc/{pid}/stat").read_text())
        tasks = list(Path(f"/proc/{pid}/task").iterdir())  # whichever of its threads started a process
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return 0.0  # it has just ended
    return used_s + sum(tree_cpu_s(child, without) for child in children)
