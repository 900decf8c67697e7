"""Which scene a camera sees, whatever the light: where edges are and how they run, and what it saw before.

For each cell of a grid a scene has the mean direction of its edges as a vector of doubled angle (J. Bigün,
G. Granlund, Optimal orientation detection of linear symmetry, 1987): so a dark edge on a light wall is as a
light one on a dark wall, and cells whose edges run in all directions say little. Each cell counts alike,
however strong its light.
"""

from typing import Final

import cv2
import msgspec
import numpy as np

from models.arrays import F32
from models.faces.pictures import Plane
from streams.messages.unreadable import UNREADABLE
from workers.truth.picture_measures import blurred, gradients

SCHEMA: Final = "mien.camera-scene/1"
CELLS: Final = (32, 18)
"""Columns and rows."""
FAINT_LEVELS: Final = 1.0
"""A cell whose edges are not stronger says little: there may be noise alone."""
VALUES: Final = 2 * CELLS[0] * CELLS[1]
HOURS: Final = 24


def describe(grey: Plane) -> F32:
    """The scene of a picture of `small_grey`, as a vector of length 1, or 0 without any edge: ``[1152]``."""
    across, down = gradients(blurred(grey.astype(np.float32), 1.5))
    strength = np.asarray(cv2.magnitude(across, down), np.float32)
    doubled = (across**2 - down**2, 2 * across * down)
    means = [_by_cell(part / (strength + 1e-6)) for part in doubled]
    cells = np.stack(means) / (_by_cell(strength) + FAINT_LEVELS)
    return unit(cells.ravel())


def _by_cell(values: F32) -> F32:
    return np.asarray(cv2.resize(values, CELLS, interpolation=cv2.INTER_AREA), np.float32)


def unit(vector: F32) -> F32:
    """The vector with length 1; one of zeros stays."""
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length else vector, np.float32)


class UsualScenes(msgspec.Struct, tag=SCHEMA):
    """What a camera saw at each hour of the day (UTC) of late: each has its light and its shadows."""

    by_hour: dict[int, bytes] = {}
    """Scenes as int8, `VALUES` of them."""

    def likeness(self, scene: F32) -> float | None:
        """How like a scene is to the likest one: 0 another place, 1 the same; None: nothing is known."""
        known = [_unpacked(packed) for packed in self.by_hour.values()]
        return max((max(0.0, float(scene @ one)) for one in known), default=None)

    def learn(self, hour: int, scene: F32, share: float) -> None:
        """Takes the scene for so much of what is usual at this hour; for all of it if nothing is known."""
        if known := self.by_hour.get(hour):
            scene = unit(_unpacked(known) * (1 - share) + unit(scene) * share)
        greatest = max(1e-6, float(np.abs(scene).max()))
        self.by_hour[hour] = np.round(scene * (127 / greatest)).astype(np.int8).tobytes()


def _unpacked(packed: bytes) -> F32:
    return unit(np.frombuffer(packed, np.int8).astype(np.float32))


_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(UsualScenes)


def pack(scenes: UsualScenes) -> bytes:
    return _packer.encode(scenes)


def unpack(packed: bytes | None) -> UsualScenes | None:
    """None: there is nothing, or nothing that this release can use."""
    try:
        scenes = _unpacker.decode(packed or b"")
    except UNREADABLE:
        return None
    whole = all(0 <= hour < HOURS and len(one) == VALUES for hour, one in scenes.by_hour.items())
    return scenes if whole else None
