"""A real portrait whose face can be moved: the person before the demo's camera.

The picture is NASA's public-domain portrait of Eileen Collins that ships inside scikit-image
(`skimage.data.astronaut`, found by ``models.wheel_files``). It is warped along its own face mesh
(`head_warp`): what it shows is known.

The portrait smiles, so a face at rest is made from it first (mouth closed, corners lowered); happiness is the
way back to the photograph. Between parted lips shows what lies behind them: the photographed teeth, which
stay fixed to the skull, and darkness below.

What it cannot do: the light does not change with the face (no wrinkles, and the creases of the photographed
smile remain, fainter, in the face at rest), the eyes do not blink, and the head turns only in the plane.
"""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models import wheel_files
from models.arrays import F32, Picture
from models.staged.head_warp import (
    GRID_STEP,
    GRID_WH,
    INNER_CORNERS,
    LOWER_LIP,
    ORIGIN,
    SIZE,
    UPPER_LIP,
    Shapes,
    fade,
    load_shapes,
    load_warp,
    pixels,
    sample,
)

_BACKWARD: Final = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_STILL_PX: Final = 50  # portrait px; over this width the head's motion fades to nothing
_LIP_MARGIN_PX: Final = 5  # portrait px; what the head's motion adds to the reach of the lips
_MOUTH_DARK: Final = np.array([44.0, 20.0, 20.0], np.float32)
_WALL: Final = (201, 193, 192)  # RGB of the portrait's backdrop, goes on where the portrait ends


def photograph() -> Picture:
    """The portrait as it was taken: [512, 512, 3] RGB.

    Raises:
        FileNotFoundError: scikit-image's file is nowhere (``models.wheel_files``).
    """
    with Image.open(wheel_files.find(wheel_files.PORTRAIT)) as picture:
        return np.asarray(picture)


def enlarge(zoom: float, offset_px: NDArray[Any], size_px: tuple[int, int]) -> Picture:
    """A view of the portrait enlarged by `zoom`: [H, W, 3] RGB of `size_px`, from `offset_px` on."""
    view = np.array([[zoom, 0, -offset_px[0]], [0, zoom, -offset_px[1]]], np.float64)
    return np.asarray(
        cv2.warpAffine(
            photograph(),
            view,
            size_px,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_WALL,
        )
    )


def _behind_lips(photo: Picture, mesh_px: F32) -> F32:
    """[H, W, 3]: the photographed teeth where the mouth is open, and darkness below them.

    Above the photographed mouth each column goes on as it starts there. `mesh_px` [468, 2] in px of `photo`.
    """
    left, right = mesh_px[list(INNER_CORNERS)]
    x, y = np.moveaxis(pixels(photo.shape[1], photo.shape[0]), -1, 0)
    edges = [np.stack([left, *mesh_px[list(rows[0])], right]) for rows in (UPPER_LIP, LOWER_LIP)]
    top, bottom = (np.interp(x, edge[:, 0], edge[:, 1]) for edge in edges)
    unit = np.linalg.norm(mesh_px[33] - mesh_px[263])
    inset = 0.02 * unit  # the blurred edge of the photographed lips
    inside = np.stack([x, np.clip(y, top + inset, np.maximum(bottom - inset, top + inset))], -1)
    teeth = sample(photo, inside.astype(np.float32))
    fade_y = np.clip(1 - (y - bottom) / (0.03 * unit), 0, 1)
    fade_x = np.clip(np.minimum(x - left[0], right[0] - x) / (0.05 * unit), 0, 1)
    seen = (fade_x * fade_y)[..., None]
    return np.asarray(teeth * seen + _MOUTH_DARK * (1 - seen), np.float32)


class Head:
    """Draws the head at a fixed size. `zoom`: output px per portrait px."""

    def __init__(self, zoom: float) -> None:
        self.offset_px = np.floor(ORIGIN * zoom).astype(int)
        """Corner of the head [2], in the portrait enlarged by `zoom`."""
        self.size_px = (math.ceil(SIZE[0] * zoom), math.ceil(SIZE[1] * zoom))
        self._zoom = zoom
        self._pixels = pixels(*self.size_px)
        self._moves = fade(_STILL_PX)[..., None]
        self._warp = load_warp()
        # The warp is brought to the size of the head by cv2.resize, by far the fastest way. Its pixel i reads
        # at (i + ½) / enlarged - ½; what the head wants to read there is put there beforehand.
        enlarged_x, enlarged_y = np.array(self.size_px) / GRID_WH
        read_to_pixel = _scale_shift(enlarged_x, enlarged_y, (enlarged_x - 1) / 2, (enlarged_y - 1) / 2)
        portrait_to_pixel = _scale_shift(zoom, zoom, *-self.offset_px)
        self._read_to_portrait = np.linalg.inv(portrait_to_pixel) @ read_to_pixel

        shapes = load_shapes()
        photo = enlarge(zoom, self.offset_px, self.size_px)
        mesh_px = (shapes.landmarks_px[:, :2] * zoom - self.offset_px).astype(np.float32)
        self._mouth = self._around_mouth(shapes)
        self._behind = _behind_lips(photo, mesh_px)[self._mouth]
        self._texture = photo
        self._texture = self._render(self._warp.from_photo, np.eye(3))

    def _around_mouth(self, shapes: Shapes) -> tuple[slice, slice]:
        """The part of the head that the lips can reach."""
        lips = [i for row in (*UPPER_LIP, *LOWER_LIP) for i in row]
        rest_px = shapes.rest_px
        reach = np.stack([rest_px, *(rest_px + d for d in shapes.displacements_px.values())])[:, lips]
        low, high = reach.min((0, 1)) - _LIP_MARGIN_PX, reach.max((0, 1)) + _LIP_MARGIN_PX
        x0, y0 = (low * self._zoom - self.offset_px).astype(int)
        x1, y1 = (high * self._zoom - self.offset_px).astype(int)
        return slice(y0, y1), slice(x0, x1)

    def draw(self, intensities: dict[str, float], motion: NDArray[np.float64] | None = None) -> Picture:
        """[H, W, 3] RGB of `size_px`: the head showing a mixture of expressions, intensities in [0, 1].

        `motion` [3, 3]: where the whole head has moved to, in portrait px; its surroundings hold still.
        """
        return self._render(self._warp.at(intensities), np.eye(3) if motion is None else motion)

    def _render(self, warp: F32, motion: NDArray[np.float64]) -> Picture:
        """Look the moved head up in the texture through a warp [2, h, w, 3]."""
        grid_to_portrait = _scale_shift(GRID_STEP, GRID_STEP, *ORIGIN)
        here = self._read_to_portrait  # where each pixel lies, and where it lay before the motion
        before = np.linalg.inv(motion) @ here
        to_grid = (np.linalg.inv(grid_to_portrait) @ before)[:2]
        upper, lower = (
            cv2.warpAffine(side, to_grid, GRID_WH, flags=_BACKWARD, borderMode=cv2.BORDER_REPLICATE)
            for side in warp * np.float32(self._zoom)
        )
        back = self._zoom * (before - here)[:2]
        moved = (self._moves * (pixels(*GRID_WH) @ back[:, :2].T + back[:, 2])).astype(np.float32)
        at_px = self._pixels + cv2.resize(upper[..., :2] + moved, self.size_px)
        head = sample(self._texture, at_px)

        mouth = self._mouth
        lips = cv2.resize(
            np.concatenate([lower[..., :2] + moved, lower[..., 2:], upper[..., 2:]], -1), self.size_px
        )
        below_px, lower_side, upper_side = np.split(lips[mouth], [2, 3], axis=-1)
        below = sample(self._texture, below_px + self._pixels[mouth])
        # The edges of the lips are half a pixel soft.
        behind = self._behind + np.clip(0.5 + lower_side, 0, 1) * (below - self._behind)
        head[mouth] = behind + np.clip(0.5 - upper_side, 0, 1) * (head[mouth] - behind)
        return np.asarray(head, np.uint8)


def _scale_shift(scale_x: float, scale_y: float, x: float, y: float) -> NDArray[np.float64]:
    """[3, 3] that scales and then shifts."""
    return np.array([[scale_x, 0, x], [0, scale_y, y], [0, 0, 1]], np.float64)
