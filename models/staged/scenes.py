"""Scenes of a security camera with several faces, made and not recorded: who is where is known in each frame.

Every face is the one of `staged.portrait`, moved by the demo's script of expressions. A person is a
variant of it: mirrored or not, wider or narrower, with another jaw and other colours. Heads are pasted with
soft edges on a textured background; nearer ones and pillars hide those behind them.

All of it follows from the scene and its seed. Frames are made one at a time; a scene holds a background and a
few heads.

What it cannot do: one portrait is behind all faces, they look at the camera, heads float without bodies, and
the light is even.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64, Picture
from models.staged.expression_scripts import find_script, intensities_at
from models.staged.head_warp import load_shapes, pixels, sample
from models.staged.portrait import Head

FPS: Final = 10.0
PERSONS: Final = 8
"""So many people differ; the next one looks like the first."""
_TILT_DEG: Final = 6.0
_NOISE: Final = 2.0  # of the sensor, standard deviation in grey levels
_NOISE_TILE_PX: Final = 64  # the noise is shifted by up to this much from frame to frame
_SOFT_PX: Final = 6.0  # portrait px; over which a head's edge fades
# The oval that is pasted, in px of the head's picture: hair, face and a little of the collar.
_OVAL_CENTRE: Final = (119, 113)
_OVAL_RADII: Final = (84, 106)
_PILLAR: Final = 254  # in the map of owners
_NOBODY: Final = 255


class Waypoint(NamedTuple):
    """Where a face's centre is, and how wide the face. Straight on from one to the next."""

    time_s: float
    x_px: float
    y_px: float
    face_px: float
    """Width of the face's mesh at rest: about the width of its box."""


class Actor(NamedTuple):
    """One face on its way; before its first waypoint and after its last one it is not there."""

    person: int
    way: tuple[Waypoint, ...]


class TrueFace(NamedTuple):
    """A face of one frame, as it is."""

    actor: int
    """Its number in the scene: the id that a tracker should keep."""
    box_xyxy_px: F32
    """float32 ``[4]``: bounding box of the mesh as drawn, also where it is hidden or outside the picture."""
    visible: float
    """The share of the mesh's outline that is in the picture and not hidden."""


class SceneFrame(NamedTuple):
    """One frame of a scene, with the truth about it."""

    picture_rgb: Picture
    faces: tuple[TrueFace, ...]
    """All whose box reaches into the picture, hidden or not."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Actors later in the list are nearer; pillars are in front of all."""

    name: str
    size_px: tuple[int, int]
    seconds: float
    actors: tuple[Actor, ...]
    pillars_xyxy_px: tuple[tuple[int, int, int, int], ...] = ()
    seed: int = 0
    fps: float = FPS

    def __post_init__(self) -> None:
        if not self.fps > 0 or not self.seconds > 0:
            raise ValueError(
                f"scene {self.name!r}: fps and seconds must be above 0, got {self.fps} and {self.seconds}"
            )
        if min(self.size_px) < 64:
            raise ValueError(f"scene {self.name!r}: size_px must be at least 64×64, got {self.size_px}")
        if len(self.actors) >= _PILLAR:
            raise ValueError(f"scene {self.name!r}: at most {_PILLAR - 1} actors, got {len(self.actors)}")
        for actor in self.actors:
            times = [w.time_s for w in actor.way]
            if not times or any(b <= a for a, b in pairwise(times)):
                raise ValueError(f"scene {self.name!r}: a way needs waypoints in order of time, got {times}")
            if min(w.face_px for w in actor.way) <= 0:
                raise ValueError(f"scene {self.name!r}: face_px must be above 0")

    def __len__(self) -> int:
        return round(self.seconds * self.fps)

    def frames(self) -> Iterator[SceneFrame]:
        """All frames, each made when it is asked for."""
        background, noise = _background(self.size_px, self.seed), _noise(self.size_px, self.seed)
        for x0, y0, x1, y1 in self.pillars_xyxy_px:
            pillar = _background((max(64, x1 - x0), max(64, y1 - y0)), self.seed + 1)
            background[y0:y1, x0:x1] = pillar[: y1 - y0, : x1 - x0]
        for index in range(len(self)):
            yield self._frame(index, background, noise)

    def _frame(self, index: int, background: Picture, noise: Picture) -> SceneFrame:
        time_s = index / self.fps
        width, height = self.size_px
        picture = background.copy()
        owners = np.full((height, width), _NOBODY, np.uint8)
        outlines: dict[int, F32] = {}
        for number, actor in enumerate(self.actors):
            at = _where(actor, time_s)
            if at is None:
                continue
            intensities = intensities_at(find_script("cycle"), time_s + 1.7 * number)
            tilt_deg = _TILT_DEG * math.sin(2 * math.pi * (0.2 * time_s + 0.37 * number))
            person = _person(actor.person % PERSONS)
            mesh_px = person.paste(picture, owners, number, at, tilt_deg, intensities)
            outlines[number] = mesh_px
        for x0, y0, x1, y1 in self.pillars_xyxy_px:
            picture[y0:y1, x0:x1] = background[y0:y1, x0:x1]
            owners[y0:y1, x0:x1] = _PILLAR
        faces = [_truth(number, mesh_px, owners) for number, mesh_px in outlines.items()]
        x, y = np.random.default_rng([self.seed, index, 2]).integers(0, _NOISE_TILE_PX, 2)
        noisy = cv2.addWeighted(picture, 1, noise[y : y + height, x : x + width], 1, -4 * _NOISE)
        return SceneFrame(
            np.asarray(noisy, np.uint8),
            tuple(face for face in faces if _overlaps(face.box_xyxy_px, self.size_px)),
        )


class _Person:
    """One variant of the portrait. Positions "in the head" are px of the head's picture."""

    def __init__(self, number: int) -> None:
        rng = np.random.default_rng([number, 3])
        self._head, shapes = _head(), load_shapes()
        self._mirrored = number % 2 == 1
        self._wide, self._tall = np.exp(rng.uniform(-0.1, 0.1, 2))
        self._jaw = rng.uniform(-0.2, 0.2)  # how much wider the face is a face's height below its centre
        self._shapes = shapes
        self._centre = _middle(self._in_head(shapes.rest_px))
        gain = rng.uniform(0.7, 1.1) * np.exp(rng.uniform(-0.08, 0.08, 3))
        levels = 255 * (np.arange(256)[:, None] / 255) ** rng.uniform(0.8, 1.35) * gain
        self._colours = levels.clip(0, 255).astype(np.uint8)[None]  # [1, 256, 3]
        self._back = self._unshaped(pixels(*self._head.size_px))
        alpha = np.zeros(self._head.size_px[::-1], np.float32)
        cv2.ellipse(alpha, _OVAL_CENTRE, _OVAL_RADII, 0, 0, 360, (1.0,), -1)
        soft = np.asarray(cv2.GaussianBlur(alpha, (0, 0), _SOFT_PX / 2))
        self._alpha = sample(self._turned_round(soft), self._back)
        self._rest_width = float(np.ptp(self._shaped(self._in_head(shapes.rest_px))[:, 0]))

    def paste(
        self,
        picture: Picture,
        owners: NDArray[np.uint8],
        owner: int,
        at: Waypoint,
        tilt_deg: float,
        intensities: Mapping[str, float],
    ) -> F32:
        """Draws the head into `picture`, marks its pixels in `owners`; returns the mesh there, [468, 2]."""
        head = sample(self._turned_round(self._head.draw(dict(intensities))), self._back)
        head = cv2.LUT(head, self._colours)
        scale = at.face_px / self._rest_width
        to_picture = _rotation(self._centre, tilt_deg, scale)
        to_picture[:, 2] += np.array([at.x_px, at.y_px]) - self._centre
        rest = self._shapes.rest_px + sum(
            np.float32(share) * self._shapes.displacements_px[name] for name, share in intensities.items()
        )
        mesh_px = _apply(to_picture, self._shaped(self._in_head(rest)))

        corners = np.array([(x, y) for x in (0, head.shape[1]) for y in (0, head.shape[0])], np.float32)
        in_picture = _apply(to_picture, corners)
        low = np.maximum(np.floor(in_picture.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(in_picture.max(0)).astype(int), picture.shape[1::-1])
        if (high <= low).any():
            return mesh_px
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        to_picture[:, 2] -= low
        alpha = self._alpha
        # Halved while that helps, so that a small head does not shimmer; x at the new pixel is (x + ½)/2 - ½.
        while scale <= 0.5:
            head, alpha = (
                cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for p in (head, alpha)
            )
            to_picture[:, 2] += to_picture[:, :2] @ (0.5, 0.5)
            to_picture[:, :2] *= 2
            scale *= 2
        size = tuple((high - low).tolist())
        drawn = cv2.warpAffine(
            head, to_picture, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        seen = cv2.warpAffine(alpha, to_picture, size, flags=cv2.INTER_LINEAR)[..., None]
        picture[window] = (picture[window] * (1 - seen) + drawn * seen + 0.5).astype(np.uint8)
        owners[window][seen[..., 0] > 0.5] = owner
        return mesh_px

    def _turned_round(self, picture: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(picture[:, ::-1]) if self._mirrored else picture

    def _in_head(self, portrait_px: F32) -> F32:
        """Points [N, 2] of the portrait in the head's picture, mirrored if the person is."""
        at = portrait_px - self._head.offset_px
        if self._mirrored:
            at[:, 0] = self._head.size_px[0] - 1 - at[:, 0]
        return np.asarray(at, np.float32)

    def _unshaped(self, at: F32) -> F32:
        """Where the person's pixels `at` [..., 2] come from in the head's picture."""
        cx, cy = self._centre
        y = cy + (at[..., 1] - cy) / self._tall
        x = cx + (at[..., 0] - cx) / self._widening(at[..., 1])
        return np.asarray(np.stack([x, y], -1), np.float32)

    def _shaped(self, at: F32) -> F32:
        """The way back, for points [N, 2]."""
        cx, cy = self._centre
        y = cy + (at[:, 1] - cy) * self._tall
        return np.asarray(np.stack([cx + (at[:, 0] - cx) * self._widening(y), y], -1), np.float32)

    def _widening(self, y: F32) -> F32:
        down = np.clip((y - self._centre[1]) / self._face_height(), -1, 1)
        return np.asarray(self._wide * (1 + self._jaw * down), np.float32)

    def _face_height(self) -> float:
        return float(np.ptp(self._shapes.rest_px[:, 1]))


@cache
def _head() -> Head:
    return Head(1.0)


@cache
def _person(number: int) -> _Person:
    return _Person(number)


def _where(actor: Actor, time_s: float) -> Waypoint | None:
    """Where an actor is, or None while it is not in the scene."""
    way = np.array(actor.way)
    if not way[0, 0] <= time_s <= way[-1, 0]:
        return None
    return Waypoint(time_s, *(float(np.interp(time_s, way[:, 0], way[:, i])) for i in (1, 2, 3)))


def _truth(number: int, mesh_px: F32, owners: NDArray[np.uint8]) -> TrueFace:
    box = np.array([*mesh_px.min(0), *mesh_px.max(0)], np.float32)
    hull = cv2.convexHull(mesh_px)
    x0, y0 = np.maximum(np.floor(box[:2]).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(box[2:]).astype(int) + 1, owners.shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return TrueFace(number, box, 0.0)
    inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(inside, np.asarray(np.rint(hull - (x0, y0)), np.int32), (1,))
    seen = np.count_nonzero(inside & (owners[y0:y1, x0:x1] == number))
    return TrueFace(number, box, min(1.0, seen / float(cv2.contourArea(hull))))


def _overlaps(box_xyxy_px: F32, size_px: tuple[int, int]) -> bool:
    x0, y0, x1, y1 = box_xyxy_px.tolist()
    return bool(x0 < size_px[0] and y0 < size_px[1] and x1 > 0 and y1 > 0)


def _background(size_px: tuple[int, int], seed: int) -> Picture:
    """[H, W, 3]: a gradient, soft structure of several sizes, and plain rectangles as things in a room."""
    width, height = size_px
    rng = np.random.default_rng([seed, width, height])
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    slope = rng.uniform(-25, 25, (2, 3))
    picture = rng.uniform(90, 160, 3) + across[:, None] * slope[0] + down[..., None] * slope[1]
    for cells, strength in ((4, 22.0), (12, 12.0), (40, 7.0), (150, 4.0)):
        rows = max(2, cells * height // width)
        grid = rng.normal(0, strength, (rows, cells, 1)) + rng.normal(0, strength / 4, (rows, cells, 3))
        picture += cv2.resize(grid.astype(np.float32), size_px, interpolation=cv2.INTER_CUBIC)
    for _ in range(14):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = (rng.uniform(0.03, 0.25, 2) * (width, height)).astype(int)
        part = picture[y : y + h, x : x + w]
        part[:] = 0.45 * part + 0.55 * rng.uniform(40, 210, 3)
    return np.asarray(picture.clip(0, 255), np.uint8)


def _noise(size_px: tuple[int, int], seed: int) -> Picture:
    """Noise around 4 σ for all three colours alike, larger than the picture by the tile."""
    width, height = size_px
    noise = np.random.default_rng([seed, 1]).normal(
        4 * _NOISE, _NOISE, (height + _NOISE_TILE_PX, width + _NOISE_TILE_PX)
    )
    return np.repeat(np.rint(noise).clip(0, 8 * _NOISE).astype(np.uint8)[..., None], 3, axis=2)


def _middle(points_px: F32) -> F64:
    return np.asarray((points_px.min(0) + points_px.max(0)) / 2, np.float64)


def _rotation(centre: F64, tilt_deg: float, scale: float) -> F64:
    """Affine [2, 3] about a centre."""
    return np.asarray(cv2.getRotationMatrix2D(centre.tolist(), tilt_deg, scale), np.float64)


def _apply(affine: F64, points: F32) -> F32:
    """Points [N, 2] through an affine [2, 3]."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float32)


def standing(
    faces: int, face_px: float, size_px: tuple[int, int], *, seconds: float = 6.0, seed: int = 0
) -> Scene:
    """Faces of one size, spread over the picture, that sway by a tenth of their width.

    Each has a cell of a grid to itself, at random in it. Raises ValueError where they do not fit.
    """
    rng = np.random.default_rng([seed, faces, round(face_px)])
    columns, rows = _grid(faces, size_px)
    cell = np.array(size_px) / (columns, rows)
    room = cell - face_px * np.array([1.3, 1.6])
    if faces and (room < 0).any():
        raise ValueError(f"{faces} faces of {face_px:.0f} px do not fit into {size_px[0]}×{size_px[1]}")
    cells = rng.permutation(columns * rows)[:faces]
    actors = []
    for number, place in enumerate(cells.tolist()):
        corner = cell * (place % columns, place // columns)
        middle = corner + cell / 2 + rng.uniform(-0.5, 0.5, 2) * room
        times = np.arange(0, seconds + 1, 1.0)
        sway = np.cumsum(rng.uniform(-0.05, 0.05, (len(times), 2)), axis=0).clip(-0.1, 0.1) * face_px
        ats = zip(times.tolist(), (middle + sway).tolist(), strict=True)
        actors.append(Actor(number + seed, tuple(Waypoint(t, x, y, face_px) for t, (x, y) in ats)))
    return Scene(f"{faces} standing, {face_px:.0f} px", size_px, seconds, tuple(actors), seed=seed)


def _grid(cells: int, size_px: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of the grid with the least narrow cells."""
    width, height = size_px

    def narrowest(columns: int) -> float:
        rows = -(-max(cells, 1) // columns)
        return min(width / columns, height / rows / 1.25)  # heads are higher than wide

    columns = max(range(1, max(cells, 1) + 1), key=narrowest)
    return columns, -(-max(cells, 1) // columns)


_SIZE: Final = (1280, 720)
_CROSSING_S: Final = 5.0


def apart(seed: int = 0) -> Scene:
    """Two pairs pass each other on different heights; nobody hides anybody."""
    return _crossing("crossing, apart", seed, (-2.6, 2.6))


def partly_hidden(seed: int = 0) -> Scene:
    """Two pairs cross; the nearer one hides a part of the other's face, but never more than half."""
    return _crossing("crossing, at most half hidden", seed, (-1.15, 1.55))


def mostly_hidden(seed: int = 0) -> Scene:
    """Two pairs cross; of the face behind a part stays visible, but less than half."""
    return _crossing("crossing, more than half hidden", seed, (-0.85, 1.15))


def fully_hidden(seed: int = 0) -> Scene:
    """Two pairs cross on one height: the face behind is gone for some frames."""
    return _crossing("crossing, fully hidden", seed, (0.0, 0.0))


def _crossing(name: str, seed: int, nearer_down: tuple[float, float]) -> Scene:
    """Two pairs, each on its half of the picture: A walks right, B left and nearer, then both walk back.

    `nearer_down`: how much lower B walks than A, in face widths; one number a pair.
    """
    rng = np.random.default_rng([seed, 5])
    width, height = _SIZE
    actors = []
    for pair, down in enumerate(nearer_down):
        face_px = rng.uniform(60, 90)
        near_px = face_px * rng.uniform(1.0, 1.1)
        x0, x1 = pair * width / 2 + 100, (pair + 1) * width / 2 - 100
        y = height / 2 + rng.uniform(-80, 80) - down * face_px / 2
        turn_s = _CROSSING_S * rng.uniform(0.8, 1)
        for number, (first, last, at_y, px) in enumerate(
            ((x0, x1, y, face_px), (x1, x0, y + down * face_px, near_px))
        ):
            way = (
                Waypoint(0, first, at_y, px),
                Waypoint(turn_s, last, at_y + rng.uniform(-5, 5), px),
                Waypoint(2 * _CROSSING_S, first, at_y, px),
            )
            actors.append(Actor(int(2 * pair + number + seed), way))
    return Scene(name, _SIZE, 2 * _CROSSING_S, tuple(actors), seed=seed)


def behind_pillar(seed: int = 0) -> Scene:
    """Three people walk behind a pillar, which hides each for about half a second."""
    rng = np.random.default_rng([seed, 6])
    actors = []
    for number in range(3):
        face_px = rng.uniform(60, 90)
        ends = [Waypoint(0, 200, 140 + 220 * number, face_px), Waypoint(8, 1080, 140 + 220 * number, face_px)]
        if number % 2:
            ends = [ends[0]._replace(x_px=1080), ends[1]._replace(x_px=200)]
        actors.append(Actor(number + seed, tuple(ends)))
    x = int(rng.integers(500, 700))
    return Scene("behind a pillar", _SIZE, 8, tuple(actors), ((x, 0, x + 120, _SIZE[1]),), seed)


def leaving_and_returning(seed: int = 0) -> Scene:
    """Two people step out of the picture's side and are back within a second; a third one stays."""
    rng = np.random.default_rng([seed, 7])
    width, height = _SIZE
    actors = [
        Actor(seed, (Waypoint(0, width / 2, height / 2, 80), Waypoint(9, width / 2 + 30, height / 2, 80)))
    ]
    for number, (inside, outside) in enumerate(((260, -70), (width - 260, width + 70))):
        px, y, out_s = rng.uniform(65, 90), rng.uniform(200, 520), rng.uniform(3, 5)
        way = (
            (0, inside),
            (out_s - 1.5, inside),
            (out_s, outside),
            (out_s + 0.2, outside),
            (out_s + 1.7, inside),
        )
        ways = [Waypoint(t, x, y, px) for t, x in (*way, (9, inside))]
        actors.append(Actor(number + 1 + seed, tuple(ways)))
    return Scene("leaving and returning", _SIZE, 9, tuple(actors), seed=seed)


def newcomers(seed: int = 0) -> Scene:
    """One walks through, then another on the same way, and so on; two stand and others take their places."""
    rng = np.random.default_rng([seed, 8])
    width, _ = _SIZE
    actors = []
    for number in range(4):
        px, start_s = rng.uniform(60, 90), 3.0 * number
        way = (Waypoint(start_s, -80, 200, px), Waypoint(start_s + 4.5, width + 80, 220, px))
        actors.append(Actor(number + seed, way))
    for place, x in enumerate((width / 3, 2 * width / 3)):
        gone_s = rng.uniform(4, 5)
        for number, (first_s, last_s) in enumerate(((0.0, gone_s), (gone_s + 2.0, 12.0))):
            way = (Waypoint(first_s, x, 520, 80), Waypoint(last_s, x + 20, 520, 80))
            actors.append(Actor(4 + 2 * place + number + seed, way))
    return Scene("newcomers", _SIZE, 12, tuple(actors), seed=seed)


KINDS: Final[Mapping[str, Callable[[int], Scene]]] = {
    make(0).name: make
    for make in (
        apart,
        partly_hidden,
        mostly_hidden,
        fully_hidden,
        behind_pillar,
        leaving_and_returning,
        newcomers,
    )
}
"""Scenes for judging ids, by name; each takes a seed."""
