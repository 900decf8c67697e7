"""A clock of a camera's own, which can step: libfaketime (Debian's package) before the camera's process."""

from pathlib import Path

_LIBRARIES = tuple(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def can_step() -> bool:
    """Whether libfaketime is installed."""
    return bool(_LIBRARIES)


class CameraClock:
    """The machine's clock, and so many seconds more; the library looks at ``file`` once a second."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step_to(0.0)

    @property
    def environment(self) -> dict[str, str]:
        """For the process that has this clock."""
        if not can_step():
            return {}
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # an NTP step does not touch it either
        }

    def step_to(self, offset_s: float) -> None:
        self._file.write_text(f"{offset_s:+.3f}\n")
