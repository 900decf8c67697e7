"""Which faces have not moved by themselves for minutes: photographs, posters, dolls.

A living face blinks some ten times a minute, even when it is at rest and says nothing (A. Bentivoglio et al.,
"Analysis of blink rate patterns in normal subjects", Movement Disorders 1997: 17 a minute, 95 % above 4). So
six distances within the face, in inter-ocular distances, are held against what they usually are. They are
measured in three dimensions: a picture that is carried about, or a head that turns, changes them little.

Measured on a portrait that sways, 150 frames each at five sizes and two JPEG qualities: at 34 px between the
eyes and more, the lids moved by 0.014 at most, brows by 0.017, the mouth by 0.036. Below
`MIN_INTER_OCULAR_PX` noise and a blink are alike, and nothing is said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import F32
from models.faces import quality

MIN_INTER_OCULAR_PX: Final = 25.0
USUAL_TAU_US: Final = 10_000_000
"""Over this time a face's usual distances follow it: light and lens drift slowly, a blink is quick …"""
USUAL_SHARE_MAX: Final = 0.5
"""… but one frame is never more than this share of them, however slow the camera."""

_UPPER: Final = np.array([159, 386, 13, 61, 52, 282])
_LOWER: Final = np.array([145, 374, 14, 291, 159, 386])
_MOVED: Final = np.array([0.03, 0.03, 0.06, 0.06, 0.04, 0.04], np.float32)
"""Lids of both eyes, lips, corners of the mouth, both brows: so large a change is the face's own."""


@dataclass(slots=True)
class _Face:
    moved_us: int
    usual: F32 | None = None  # [6]; None: nothing was seen since it was handed over
    seen_us: int = 0


class StillWatch:
    """When each face of one run of a camera has moved by itself. Times are µs since the epoch."""

    def __init__(self, still_after_s: float) -> None:
        self._still_after_us = round(still_after_s * 1e6)
        self._faces: dict[str, _Face] = {}
        self._last_us = 0

    def see(self, faces: Iterable[tuple[str, F32]], at_us: int) -> frozenset[str]:
        """Takes the next frame's faces, each with its landmarks float32 ``[468, 3]`` in px; who is still.

        A clock that was set back moves all times with it.
        """
        back_us = self._last_us - at_us
        if back_us > 0:
            for face in self._faces.values():
                face.moved_us -= back_us
                face.seen_us -= back_us
        self._last_us = at_us
        return frozenset(who for who, landmarks_px in faces if self._is_still(who, landmarks_px, at_us))

    def _is_still(self, who: str, landmarks_px: F32, at_us: int) -> bool:
        face = self._faces.setdefault(who, _Face(at_us))
        inter_ocular_px = quality.inter_ocular_px(landmarks_px)
        if inter_ocular_px < MIN_INTER_OCULAR_PX:
            face.moved_us, face.usual = at_us, None
            return False
        now = distances(landmarks_px, inter_ocular_px)
        if face.usual is None:
            face.usual = now
        else:
            if (np.abs(now - face.usual) > _MOVED).any():
                face.moved_us = at_us
            share = min((at_us - face.seen_us) / USUAL_TAU_US, USUAL_SHARE_MAX)
            face.usual = face.usual + np.float32(share) * (now - face.usual)
        face.seen_us = at_us
        return at_us - face.moved_us >= self._still_after_us

    def keep(self, whom: Iterable[str]) -> None:
        """Forgets all other faces."""
        self._faces = {who: self._faces[who] for who in whom if who in self._faces}

    def resume(self, moved_us: Mapping[str, int]) -> None:
        """Takes over when faces moved last as another worker saw it, by subject."""
        self._faces |= {who: _Face(at_us) for who, at_us in moved_us.items()}

    def moved_us(self, who: str) -> int:
        """When a face moved last, or was seen first; 0: not known."""
        face = self._faces.get(who)
        return face.moved_us if face else 0


def distances(landmarks_px: F32, inter_ocular_px: float) -> F32:
    """How open eyes and mouth are, how wide the mouth is and how high the brows, in inter-ocular distances.

    Float32 ``[6]`` of landmarks float32 ``[468, 3]``.
    """
    lengths_px = np.linalg.norm(landmarks_px[_UPPER] - landmarks_px[_LOWER], axis=1)
    found: F32 = lengths_px / np.float32(inter_ocular_px)
    return found
