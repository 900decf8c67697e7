"""What a process holds, as Linux tells it."""

import re
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
