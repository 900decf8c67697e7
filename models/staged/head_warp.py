"""How each expression moves the portrait of `models.staged.portrait`: smooth warps along its face mesh.

Every expression is a displacement of the 468 mesh points, spread over the head as a smooth field that
vanishes at the border of `HEAD_XYXY`. Upper and lower lip get a field of their own, so that the face can part
along the lip line. A mixture of expressions is the sum of their precomputed inverse (backward) warps.

Positions are x, y in px; "portrait px" means pixels of the 512×512 portrait.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.staged.expression_scripts import EXPRESSIONS

SHAPES_PATH: Final = Path(__file__).with_name("expression_shapes.npz")
HEAD_XYXY: Final = (108, -8, 340, 248)
"""The part of the portrait that a warp may touch, in portrait px."""
GRID_STEP: Final = 2
"""The warp is kept at every second portrait px and interpolated between them."""
LEVELS: Final = 4
"""Each expression's warp is inverted exactly at this many intensities and interpolated between them."""

INNER_CORNERS: Final = (78, 308)
UPPER_LIP: Final = (
    (191, 80, 81, 82, 13, 312, 311, 310, 415),
    (183, 42, 41, 38, 12, 268, 271, 272, 407),
    (184, 74, 73, 72, 11, 302, 303, 304, 408),
    (185, 40, 39, 37, 0, 267, 269, 270, 409),
)
"""MediaPipe's points of the upper lip without the corners: rows from the inner edge out, each from the
subject's right corner to the left one."""
LOWER_LIP: Final = (
    (95, 88, 178, 87, 14, 317, 402, 318, 324),
    (96, 89, 179, 86, 15, 316, 403, 319, 325),
    (77, 90, 180, 85, 16, 315, 404, 320, 307),
    (146, 91, 181, 84, 17, 314, 405, 321, 375),
)
"""The same for the lower lip."""

ORIGIN: Final = np.array(HEAD_XYXY[:2], np.float32)
SIZE: Final = np.array([HEAD_XYXY[2] - HEAD_XYXY[0], HEAD_XYXY[3] - HEAD_XYXY[1]])
GRID_WH: Final = tuple(int(n) for n in SIZE // GRID_STEP + 1)
_SMOOTHING: Final = 30.0  # of the thin-plate spline, in px²: evens out the mesh's own noise


@dataclass(frozen=True, slots=True)
class Shapes:
    """The mesh of the portrait and what each expression does to it, in portrait px."""

    landmarks_px: F32  # [468, 3], as photographed; z scaled like x, smaller is nearer
    displacements_px: dict[str, F32]  # expression → [468, 2], away from the face at rest

    @property
    def rest_px(self) -> F32:
        """[468, 2]: the mesh of the face at rest. The photograph is happiness at intensity 1."""
        return np.asarray(self.landmarks_px[:, :2] - self.displacements_px["happiness"], np.float32)


def load_shapes(path: Path = SHAPES_PATH) -> Shapes:
    """Read the shapes made by `models.staged.expression_shapes`.

    Raises OSError when the file cannot be read, ValueError when it is not such a file.
    """
    with np.load(path) as z:
        missing = {"landmarks_px", "expressions", "displacements_px"} - set(z.files)
        if missing:
            raise ValueError(
                f"{path}: no expression shapes, {', '.join(sorted(missing))} missing; restore the file"
            )
        landmarks, names, displacements = z["landmarks_px"], z["expressions"].tolist(), z["displacements_px"]
    if landmarks.shape != (468, 3) or displacements.shape != (len(names), 468, 2):
        raise ValueError(
            f"{path}: expected landmarks [468, 3] and displacements [{len(names)}, 468, 2], "
            f"got {list(landmarks.shape)} and {list(displacements.shape)}"
        )
    if missing := set(EXPRESSIONS) - set(names):
        raise ValueError(f"{path}: no shape for {', '.join(sorted(missing))}; restore the file")
    return Shapes(landmarks, dict(zip(names, displacements, strict=True)))


def pixels(width: int, height: int) -> F32:
    """[height, width, 2]: the x, y of every pixel."""
    return np.asarray(np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1), np.float32)


def sample(picture: NDArray[Any], at_px: F32) -> NDArray[Any]:
    """Values of picture [H, W, C] at positions at_px [h, w, 2], bilinear."""
    empty = np.empty(0, np.float32)  # the second map: at_px already holds x and y
    return np.asarray(cv2.remap(picture, at_px, empty, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def smooth_field(points_px: F32, values: F32) -> F32:
    """Spread values at points over the head, falling to zero at its border.

    points_px [N, 2] in portrait px, values [N, C] → [h, w, C] on the grid of `HEAD_XYXY`. Thin-plate spline
    (F. Bookstein, "Principal warps", IEEE TPAMI 11 (6), 1989) with a little smoothing.
    """
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * SIZE
    still = np.concatenate([ring * 0.47, ring * 0.6]) + SIZE / 2 + ORIGIN
    centres = np.concatenate([points_px, still]).astype(np.float64)
    target = np.concatenate([values, np.zeros((len(still), values.shape[1]))])

    def kernel(at: NDArray[np.float64]) -> NDArray[np.float64]:
        square = np.square(at[:, None] - centres).sum(2)
        return np.asarray(0.5 * square * np.log(np.maximum(square, 1e-12)))

    def plane(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([np.ones((len(at), 1)), at], 1)

    n = len(centres)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = kernel(centres) + _SMOOTHING * np.eye(n)
    system[:n, n:] = plane(centres)
    system[n:, :n] = plane(centres).T
    weights = np.linalg.solve(system, np.concatenate([target, np.zeros((3, values.shape[1]))]))

    grid = pixels(*GRID_WH)
    flat = (grid.reshape(-1, 2) * GRID_STEP + ORIGIN).astype(np.float64)
    field = np.concatenate(
        [kernel(f) @ weights[:n] + plane(f) @ weights[n:] for f in np.array_split(flat, 8)]
    )
    return np.asarray(field.reshape(*grid.shape[:2], -1) * fade(12)[..., None], np.float32)


def fade(over_px: float) -> F32:
    """[h, w] on the grid of `HEAD_XYXY`: 0 at its border, 1 from `over_px` portrait px inside of it on."""
    grid = pixels(*GRID_WH)
    to_border = np.minimum(grid, np.array(GRID_WH) - 1 - grid).min(-1) * GRID_STEP
    share = np.minimum(to_border / over_px, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def invert(forward: F32) -> F32:
    """Backward displacement b of a forward displacement f, both [h, w, 2] on one grid: b(y) = -f(y + b(y)).

    In portrait px. Damped fixed-point iteration: converges where the warp stretches less than threefold
    and does not fold.
    """
    at = pixels(forward.shape[1], forward.shape[0])
    backward = np.zeros_like(forward)
    for _ in range(25):
        backward -= np.float32(0.6) * (backward + sample(forward, at + backward / GRID_STEP))
    return backward


@dataclass(frozen=True, slots=True)
class Warp:
    """Backward warps on the grid of `HEAD_XYXY`: [2, h, w, 3], all in portrait px.

    The upper and the lower side of the lip line; for each, displacement x, y and distance below that line.
    A pixel shows the upper side where its distance there is negative, else the lower side where its distance
    there is positive, else what lies behind the lips.
    """

    rest: F32  # no displacement
    from_photo: F32  # brings the photograph to rest
    change: dict[str, F32]  # expression → [LEVELS + 1, 2, h, w, 3]: added to `rest` at intensity i / LEVELS

    def at(self, intensities: dict[str, float]) -> F32:
        """[2, h, w, 3] of a mixture of expressions, intensities in [0, 1]."""
        warp = self.rest.copy()
        for expression, intensity in intensities.items():
            level = min(int(intensity * LEVELS), LEVELS - 1)
            share = intensity * LEVELS - level
            for i, weight in ((level, 1 - share), (level + 1, share)):
                if i and weight:
                    warp += self.change[expression][i] * np.float32(weight)
        return warp


@lru_cache(maxsize=1)
def load_warp() -> Warp:
    """The warps of the shipped shapes; takes about a second, once."""
    shapes = load_shapes()
    rest_px, photo_px = shapes.rest_px, shapes.landmarks_px[:, :2]
    grid_px = pixels(*GRID_WH) * GRID_STEP + ORIGIN
    line = rest_px[[INNER_CORNERS[0], *UPPER_LIP[0], INNER_CORNERS[1]]]  # at rest both lips meet here
    below = grid_px[..., 1] - np.interp(grid_px[..., 0], line[:, 0], line[:, 1])
    beside = np.maximum(np.maximum(line[0, 0] - grid_px[..., 0], grid_px[..., 0] - line[-1, 0]), 0)
    # Beside the mouth nothing lies behind the line: there the lower side takes all that the upper one leaves.
    lips = [below[..., None].astype(np.float32), (below + 2 * beside)[..., None].astype(np.float32)]

    at = pixels(*GRID_WH)
    values = np.concatenate([photo_px - rest_px, *(shapes.displacements_px[e] for e in EXPRESSIONS)], 1)
    rest, from_photo = [], []
    change: dict[str, list[list[F32]]] = {e: [[] for _ in range(LEVELS + 1)] for e in EXPRESSIONS}
    for lip, other_lip in zip(lips, (LOWER_LIP, UPPER_LIP), strict=True):
        points = np.setdiff1d(np.arange(468), other_lip)
        photo, *forward = np.split(
            smooth_field(rest_px[points], values[points]), len(EXPRESSIONS) + 1, axis=-1
        )
        rest.append(np.concatenate([np.zeros_like(photo), lip], -1))
        from_photo.append(np.concatenate([photo, lip], -1))
        for expression, field in zip(EXPRESSIONS, forward, strict=True):
            for i, level in enumerate(change[expression]):
                backward = invert(field * np.float32(i / LEVELS))
                moved = sample(lip, at + backward / GRID_STEP)[..., None]
                level.append(np.concatenate([backward, moved - lip], -1))
    return Warp(np.stack(rest), np.stack(from_photo), {e: np.array(levels) for e, levels in change.items()})
