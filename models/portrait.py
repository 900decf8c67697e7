"""A real portrait whose face can be moved: the person before the demo's camera.

The picture is NASA's public-domain portrait of Eileen Collins that ships inside scikit-image
(`skimage.data.astronaut`). It is warped along its own face mesh, so it is known what it shows.

How it works. The portrait smiles, so a face at rest is made from it first (mouth closed, corners
lowered); happiness is the way back to the photograph. Every expression is a displacement of the
468 mesh points, spread over the head as a smooth field that vanishes at the border of `HEAD_XYXY`. Upper and
lower lip get a field of their own, so that the face can part along the lip line; between them shows what lies
behind: the photographed teeth, which stay fixed to the skull, and darkness below them.

What it cannot do: the light does not change with the face (no wrinkles, and the creases of the photographed
smile remain, fainter, in the face at rest), the eyes do not blink, and the head turns only in the plane.

Positions are x, y in px; "portrait px" means pixels of the 512×512 portrait.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from models.scripts import EXPRESSIONS

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

SHAPES_PATH: Final = Path(__file__).with_name("expression_shapes.npz")
HEAD_XYXY: Final = (108, -8, 340, 248)
"""The part of the portrait that a warp may touch, in portrait px (above 0 the top row goes on)."""
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

_ORIGIN: Final = np.array(HEAD_XYXY[:2], np.float32)
_SIZE: Final = np.array([HEAD_XYXY[2] - HEAD_XYXY[0], HEAD_XYXY[3] - HEAD_XYXY[1]])
_GRID_WH: Final = tuple(int(n) for n in _SIZE // GRID_STEP + 1)
_BACKWARD: Final = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_SMOOTHING: Final = 30.0  # of the thin-plate spline, in px²: evens out the mesh's own noise
_STILL_PX: Final = 50  # width of the border that follows the head's motion less and less
_LIP_MARGIN_PX: Final = 5  # what the head's motion adds to the reach of the lips
_MOUTH_DARK: Final = np.array([44.0, 20.0, 20.0], np.float32)
_WALL: Final = (201, 193, 192)  # RGB of the portrait's backdrop, goes on where the portrait ends


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
    """Read the shapes made by `models.expression_shapes`.

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


def _pixels(width: int, height: int) -> F32:
    """[height, width, 2]: the x, y of every pixel."""
    return np.asarray(np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1), np.float32)


def _sample(picture: NDArray[Any], at_px: F32) -> NDArray[Any]:
    """Values of picture [H, W, C] at positions at_px [h, w, 2], bilinear."""
    empty = np.empty(0, np.float32)  # the second map: at_px already holds x and y
    return np.asarray(cv2.remap(picture, at_px, empty, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def smooth_field(points_px: F32, values: F32) -> F32:
    """Spread values at points over the head, falling to zero at its border.

    points_px [N, 2] in portrait px, values [N, C] → [h, w, C] on the grid of `HEAD_XYXY`. Thin-plate spline
    (F. Bookstein, "Principal warps", IEEE TPAMI 11 (6), 1989) with a little smoothing.
    """
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * _SIZE
    still = np.concatenate([ring * 0.47, ring * 0.6]) + _SIZE / 2 + _ORIGIN
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

    grid = _pixels(*_GRID_WH)
    flat = (grid.reshape(-1, 2) * GRID_STEP + _ORIGIN).astype(np.float64)
    field = np.concatenate(
        [kernel(f) @ weights[:n] + plane(f) @ weights[n:] for f in np.array_split(flat, 8)]
    )
    return np.asarray(field.reshape(*grid.shape[:2], -1) * _fade(12)[..., None], np.float32)


def _fade(over_px: float) -> F32:
    """[h, w] on the grid of `HEAD_XYXY`: 0 at its border, 1 from `over_px` portrait px inside of it on."""
    grid = _pixels(*_GRID_WH)
    to_border = np.minimum(grid, np.array(_GRID_WH) - 1 - grid).min(-1) * GRID_STEP
    share = np.minimum(to_border / over_px, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def invert(forward: F32) -> F32:
    """Backward displacement b of a forward displacement f, both [h, w, 2] on one grid: b(y) = -f(y + b(y)).

    In portrait px. Damped fixed-point iteration: converges where the warp stretches less than threefold
    and does not fold.
    """
    at = _pixels(forward.shape[1], forward.shape[0])
    backward = np.zeros_like(forward)
    for _ in range(25):
        backward -= np.float32(0.6) * (backward + _sample(forward, at + backward / GRID_STEP))
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
    grid_px = _pixels(*_GRID_WH) * GRID_STEP + _ORIGIN
    line = rest_px[[INNER_CORNERS[0], *UPPER_LIP[0], INNER_CORNERS[1]]]  # at rest both lips meet here
    below = grid_px[..., 1] - np.interp(grid_px[..., 0], line[:, 0], line[:, 1])
    beside = np.maximum(np.maximum(line[0, 0] - grid_px[..., 0], grid_px[..., 0] - line[-1, 0]), 0)
    # Beside the mouth nothing lies behind the line: there the lower side takes all that the upper one leaves.
    lips = [below[..., None].astype(np.float32), (below + 2 * beside)[..., None].astype(np.float32)]

    at = _pixels(*_GRID_WH)
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
                moved = _sample(lip, at + backward / GRID_STEP)[..., None]
                level.append(np.concatenate([backward, moved - lip], -1))
    return Warp(np.stack(rest), np.stack(from_photo), {e: np.array(levels) for e, levels in change.items()})


def enlarge(zoom: float, offset_px: NDArray[Any], size_px: tuple[int, int]) -> U8:
    """A view of the portrait enlarged by `zoom`: [H, W, 3] RGB of `size_px`, from `offset_px` on."""
    view = np.array([[zoom, 0, -offset_px[0]], [0, zoom, -offset_px[1]]], np.float64)
    return np.asarray(
        cv2.warpAffine(
            data.astronaut(),
            view,
            size_px,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_WALL,
        )
    )


def _behind_lips(photo: U8, mesh_px: F32) -> F32:
    """[H, W, 3]: the photographed teeth where the mouth is open, and darkness below them.

    Above the photographed mouth each column goes on as it starts there. `mesh_px` [468, 2] in px of `photo`.
    """
    left, right = mesh_px[list(INNER_CORNERS)]
    x, y = np.moveaxis(_pixels(photo.shape[1], photo.shape[0]), -1, 0)
    edges = [np.stack([left, *mesh_px[list(rows[0])], right]) for rows in (UPPER_LIP, LOWER_LIP)]
    top, bottom = (np.interp(x, edge[:, 0], edge[:, 1]) for edge in edges)
    unit = np.linalg.norm(mesh_px[33] - mesh_px[263])
    inset = 0.02 * unit  # the blurred edge of the photographed lips
    inside = np.stack([x, np.clip(y, top + inset, np.maximum(bottom - inset, top + inset))], -1)
    teeth = _sample(photo, inside.astype(np.float32))
    fade_y = np.clip(1 - (y - bottom) / (0.03 * unit), 0, 1)
    fade_x = np.clip(np.minimum(x - left[0], right[0] - x) / (0.05 * unit), 0, 1)
    seen = (fade_x * fade_y)[..., None]
    return np.asarray(teeth * seen + _MOUTH_DARK * (1 - seen), np.float32)


class Head:
    """Draws the head at a fixed size. `zoom`: output px per portrait px."""

    def __init__(self, zoom: float) -> None:
        self.offset_px = np.floor(_ORIGIN * zoom).astype(int)
        """Corner of the head [2], in the portrait enlarged by `zoom`."""
        self.size_px = (math.ceil(_SIZE[0] * zoom), math.ceil(_SIZE[1] * zoom))
        self._zoom = zoom
        self._pixels = _pixels(*self.size_px)
        # From px of the head to positions on the grid of the warp.
        self._to_grid = (
            np.array(
                [
                    [1 / zoom, 0, self.offset_px[0] / zoom - _ORIGIN[0]],
                    [0, 1 / zoom, self.offset_px[1] / zoom - _ORIGIN[1]],
                ]
            )
            / GRID_STEP
        )
        self._moves = _fade(_STILL_PX)[..., None]
        self._warp = load_warp()
        shapes = load_shapes()
        photo = enlarge(zoom, self.offset_px, self.size_px)
        self._mouth = self._around_mouth(shapes)
        mesh_px = (shapes.landmarks_px[:, :2] * zoom - self.offset_px).astype(np.float32)
        self._behind = _behind_lips(photo, mesh_px)[self._mouth]
        self._texture = photo
        self._texture = self._render(self._warp.from_photo)

    def _around_mouth(self, shapes: Shapes) -> tuple[slice, slice]:
        """The part of the head that the lips can reach."""
        lips = [i for row in (*UPPER_LIP, *LOWER_LIP) for i in row]
        moved = np.stack(
            [shapes.rest_px + d for d in (0 * shapes.rest_px, *shapes.displacements_px.values())]
        )[:, lips]
        low, high = moved.min((0, 1)) - _LIP_MARGIN_PX, moved.max((0, 1)) + _LIP_MARGIN_PX
        x0, y0 = (low * self._zoom - self.offset_px).astype(int)
        x1, y1 = (high * self._zoom - self.offset_px).astype(int)
        return slice(y0, y1), slice(x0, x1)

    def draw(self, intensities: dict[str, float], motion: NDArray[np.float64] | None = None) -> U8:
        """[H, W, 3] RGB of `size_px`: the head showing a mixture of expressions, intensities in [0, 1].

        `motion` [3, 3]: where the whole head has moved to, in portrait px; its surroundings hold still.
        """
        warp = self._warp.at(intensities)
        if motion is not None:
            to_portrait = np.array(
                [[GRID_STEP, 0, _ORIGIN[0]], [0, GRID_STEP, _ORIGIN[1]], [0, 0, 1]], np.float64
            )
            back = (np.linalg.inv(to_portrait) @ np.linalg.inv(motion) @ to_portrait)[:2]
            warp = np.stack(
                [
                    cv2.warpAffine(side, back, _GRID_WH, flags=_BACKWARD, borderMode=cv2.BORDER_REPLICATE)
                    for side in warp
                ]
            )
            at = _pixels(*_GRID_WH)
            warp[..., :2] += self._moves * (at @ back[:, :2].T + back[:, 2] - at) * GRID_STEP
        return self._render(warp)

    def _render(self, warp: F32) -> U8:
        """Look the head up in the texture through a warp [2, h, w, 3]."""
        upper, lower = (
            cv2.warpAffine(side, self._to_grid, self.size_px, flags=_BACKWARD) for side in warp * self._zoom
        )
        head = _sample(self._texture, self._pixels + upper[..., :2])
        mouth = self._mouth
        lower_side = _sample(self._texture, self._pixels[mouth] + lower[mouth][..., :2])
        upper_covers = np.clip(0.5 - upper[mouth][..., 2:], 0, 1)  # half a pixel soft
        lower_covers = np.clip(0.5 + lower[mouth][..., 2:], 0, 1)
        behind = self._behind + lower_covers * (lower_side - self._behind)
        head[mouth] = behind + upper_covers * (head[mouth] - behind)
        return np.asarray(head, np.uint8)
