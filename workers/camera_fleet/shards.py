"""Which of several processes, or pods, runs which camera: decided by the camera's id alone."""

import hashlib
from typing import NamedTuple, Self

from streams.errors import SettingsInvalid


class Shard(NamedTuple):
    """One of so many parts; numbers begin at 0, as those of a StatefulSet's pods."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``2/5``, or with a pod's name before the number: ``mien-cameras-2/5``.

        Raises:
            SettingsInvalid: if it is anything else, or there is no such part.
        """
        place, _, count = text.partition("/")
        number = place.rpartition("-")[2]
        if not (number.isascii() and number.isdecimal() and count.isascii() and count.isdecimal()):
            raise SettingsInvalid(f"{text!r} is no shard: write its number and how many there are, as 2/5")
        shard = cls(int(number), int(count))
        if shard.number >= shard.of:
            raise SettingsInvalid(f"There is no shard {text}: the last of {shard.of} is {shard.of - 1}")
        return shard

    def has(self, camera_id: str) -> bool:
        """Whether the camera is one of this part's.

        By rendezvous hashing (Thaler and Ravishankar, 1998): each part draws a number for the camera, and the
        highest has it. So with another part only the cameras move that it takes over.
        """
        return max(range(self.of), key=lambda number: _draw(camera_id, number)) == self.number


def _draw(camera_id: str, number: int) -> bytes:
    return hashlib.blake2b(f"{camera_id}/{number}".encode(), digest_size=8).digest()


WHOLE = Shard(0, 1)
