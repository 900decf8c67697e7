"""A file of settings that is read again when it changes. A wrong one does not replace a good one."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from streams import logs
from streams.errors import MienError

LOOK_INTERVAL_S: Final = 1.0
"""How often whoever uses such a file looks whether it is another one."""

T = TypeVar("T")
Stamp = tuple[int, int, int]

log = logs.get("mien.files")


class FileInForce(Generic[T]):
    """Reads the file at once; whatever ``read`` raises is then raised.

    value: what the last file that could be used says.
    is_current: whether that is the file as it is now.
    """

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self._path = path
        self._read = read
        self._stamp = stamp(path)
        self.value = read(path)
        self.is_current = True

    def look_again(self) -> bool:
        """Whether the file is another one than at the last look; then it is taken, or why not is logged."""
        seen = stamp(self._path)
        if seen == self._stamp:
            return False
        self._stamp = seen
        try:
            self.value = self._read(self._path)
            self.is_current = True
        except MienError as exc:
            self.is_current = False
            log.warning(
                "the file cannot be used: what it said before stays in force",
                file=str(self._path),
                error=str(exc),
            )
        return True


def stamp(path: Path) -> Stamp | None:
    """What differs when a file was written or replaced; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
