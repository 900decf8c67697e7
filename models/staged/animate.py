"""A face that plays a script of expressions, in real pixels: input for a demo without a camera.

The person is the one of `staged.portrait`. The pictures are made, not recorded, so the demo knows what
each frame shows (`Animation.truth`).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arrays import Picture
from models.staged.expression_scripts import Script, intensities_at, truth_at
from models.staged.portrait import Head, enlarge

_NOISE: Final = 1.5  # of the sensor, standard deviation in grey levels
_GREY: Final = 8  # what the noise is stored around
_NECK: Final = (224.0, 195.0)  # portrait px; the head sways about this point
_FACE: Final = (224.0, 130.0)  # portrait px; comes to the middle of the view
_ZOOM: Final = {"portrait": 1.8, "far": 0.55, "crowd": 1.35}  # output px per portrait px at 640×480


@dataclass(frozen=True, slots=True)
class _Sway:
    """Slow motion of one head: five sine waves, different for every seed."""

    rate_hz: NDArray[np.float64]  # [5]
    phase: NDArray[np.float64]  # [5]

    @classmethod
    def of(cls, rng: np.random.Generator) -> "_Sway":
        return cls(rng.uniform(0.07, 0.23, 5), rng.uniform(0, 2 * np.pi, 5))

    def waves(self, time_s: float) -> NDArray[np.float64]:
        """[5] in [-1, 1]: right, down, nearer, tilt, liveliness."""
        return np.asarray(np.sin(2 * np.pi * self.rate_hz * time_s + self.phase))

    def motion(self, time_s: float) -> NDArray[np.float64]:
        """[3, 3] in portrait px: a few px, 2° and 1.5 % about the neck."""
        right, down, nearer, tilt, _ = self.waves(time_s)
        turn = np.vstack([cv2.getRotationMatrix2D(_NECK, 2.0 * tilt, 1 + 0.015 * nearer), [0.0, 0.0, 1.0]])
        shift = np.array([[1, 0, 2.5 * right], [0, 1, 1.5 * down], [0, 0, 1]])
        return np.asarray(shift @ turn, np.float64)


class Animation:
    """Frames of a camera that looks at a face (or two) playing a script.

    Everything about a frame follows from its index and the seed: two seeds differ in framing, motion, light
    and noise, and show the same expressions at the same time.
    """

    def __init__(
        self, script: Script, fps: float, size_px: tuple[int, int] = (640, 480), seed: int = 0
    ) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be above 0, got {fps}")
        if min(size_px) < 64:
            raise ValueError(f"size_px must be at least 64×64, got {size_px[0]}×{size_px[1]}")
        self.script = script
        self.fps = fps
        self.size_px = size_px
        self._seed = seed
        rng = np.random.default_rng([seed, 1])
        self._light = _Sway.of(rng)
        width, height = size_px
        zoom = _ZOOM[script.layout] * min(width / 640, height / 480)
        head = Head(zoom)
        widths = (width // 2, width - width // 2) if script.layout == "crowd" else (width,)
        self._panels = [_Panel(head, zoom, (w, height), rng, script.layout == "far") for w in widths]
        self._noise = (
            np.rint(rng.normal(_GREY, _NOISE, (height + 64, width + 64, 3)))
            .clip(0, 2 * _GREY)
            .astype(np.uint8)
        )

    def frame(self, index: int) -> Picture:
        """[H, W, 3] RGB: the frame of that index, always the same."""
        time_s = index / self.fps
        intensities = intensities_at(self.script, time_s)
        width, height = self.size_px
        picture = np.hstack([panel.draw(intensities, time_s) for panel in self._panels])
        x, y = np.random.default_rng([self._seed, index, 2]).integers(0, 64, 2)
        noise = self._noise[y : y + height, x : x + width]
        light = 1 + 0.04 * float(self._light.waves(time_s)[0])
        return np.asarray(cv2.addWeighted(picture, light, noise, 1, -_GREY))

    def truth(self, index: int) -> str | None:
        """What frame `index` shows, see `truth_at`; the drawn intensity is up to 8 % lower."""
        return truth_at(self.script, index, self.fps)


class _Panel:
    """One person before a still background."""

    def __init__(
        self, head: Head, zoom: float, size_px: tuple[int, int], rng: np.random.Generator, off_centre: bool
    ) -> None:
        self._head = head
        self._sway = _Sway.of(rng)
        wander = np.array(size_px) * (0.22 if off_centre else 0.02)
        middle = np.array(size_px) / 2 + rng.uniform(-1, 1, 2) * wander
        corner = np.floor(np.array(_FACE) * zoom - middle).astype(
            int
        )  # of the view, in the enlarged portrait
        self._background = enlarge(zoom, corner, size_px)
        at = head.offset_px - corner  # of the head in the view
        low = np.maximum(at, 0)
        high = np.minimum(at + head.size_px, size_px)
        self._to = np.s_[low[1] : high[1], low[0] : high[0]]
        self._from = np.s_[low[1] - at[1] : high[1] - at[1], low[0] - at[0] : high[0] - at[0]]

    def draw(self, intensities: dict[str, float], time_s: float) -> Picture:
        """[H, W, 3] RGB. A held expression is alive: it slackens by up to 8 % and comes back."""
        alive = 0.96 + 0.04 * float(self._sway.waves(time_s)[4])
        head = self._head.draw({e: i * alive for e, i in intensities.items()}, self._sway.motion(time_s))
        picture = self._background.copy()
        picture[self._to] = head[self._from]
        return picture
