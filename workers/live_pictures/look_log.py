"""Which looks at pictures are written down: the first, and one a minute while somebody goes on looking."""

from typing import Final

EVERY_S: Final = 60.0
KNOWN_MAX: Final = 10_000


class LookLog:
    """Remembers who looked at what when it was written down last. Times are in s, on a monotonic clock."""

    def __init__(self) -> None:
        self._told_s: dict[tuple[str, str, str], float] = {}

    @property
    def known(self) -> int:
        """How many looks it remembers."""
        return len(self._told_s)

    def is_due(self, who: str, camera_id: str, faces: str, now_s: float) -> bool:
        """Whether this look is to be written down; then it counts as written."""
        look = who, camera_id, faces
        if now_s - self._told_s.get(look, -EVERY_S) < EVERY_S:
            return False
        if len(self._told_s) >= KNOWN_MAX:
            self._told_s = {one: told_s for one, told_s in self._told_s.items() if now_s - told_s < EVERY_S}
        self._told_s[look] = now_s
        return True
