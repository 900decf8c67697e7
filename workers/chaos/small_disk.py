"""A disk that can be filled without writing to it: a tmpfs that is made as small as what it holds."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOM_MIB = 4096
"""Of memory that is used only as far as the disk is."""

SPARE_KIB = (64, 256, 1024, 4096)


@cache
def can_mount() -> bool:
    """Whether we may make such a disk, tried out: root in a container often may not."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory(prefix="mien-disk-") as folder:
        try:
            _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
            _run("umount", folder)
        except OSError:
            return False
    return True


class SmallDisk:
    """Use `mounted`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path) -> Iterator["SmallDisk"]:
        """A disk at this folder, until the block ends.

        Raises:
            OSError: if it cannot be mounted.
        """
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={ROOM_MIB}m", "tmpfs", str(folder))
        try:
            yield cls(folder)
        finally:
            _run("umount", "--lazy", str(folder))

    def fill(self) -> None:
        """Leaves hardly any room.

        Raises:
            OSError: if it grows too quickly for that.
        """
        for spare_kib in SPARE_KIB:
            used_kib = shutil.disk_usage(self._folder).used // 1024
            try:
                self._resize(f"{used_kib + spare_kib}k")
            except OSError:  # meanwhile it holds more than that
                if spare_kib == SPARE_KIB[-1]:
                    raise
            else:
                return

    def make_room(self) -> None:
        """Undoes `fill`."""
        self._resize(f"{ROOM_MIB}m")

    def _resize(self, size: str) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self._folder))


def _run(*command: str) -> None:
    done = subprocess.run([str(shutil.which(command[0])), *command[1:]], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
