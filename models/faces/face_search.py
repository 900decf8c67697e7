"""Where to look for newcomers: overlapping tiles, in turn, and only where the picture changed.

The full-range detector sees its input at 192x192 px. Measured on generated scenes: nearly
every face from 1/9 of the input's side is found, 0.92-0.97 of them at 1/10, 0.75-0.97 at 1/12. So a far
face needs a tile of at most nine times its width. Tiles come in sizes, each at most double the one before,
up to the whole picture; each size answers for the faces between its own smallest and the next size's, and
its tiles overlap by the largest of these. So each face lies whole in a tile that is small enough.

Security cameras stand still. A tile that looks as it did when it was last searched, known faces left out,
gets the same answer again, so it is searched only now and then. All tiles that changed are searched once in
a sweep, the longest unsearched first.

Everything here is pure: `plan` gives the next state and changes nothing.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.arrays import Picture
from models.faces.engine import Tile

FACES_ACROSS = 9.0
"""A tile is at most so many times as wide as the smallest face it answers for."""
FACE_HEIGHT = 1.25
"""A face's box over its width."""
CELL_PX = 16
"""Changes are looked for in cells of this size: a face of 40 px covers at least four."""
SAMPLE_PX = 4
"""Each cell is the mean of every fourth pixel, down and across."""
UNCHANGED_SWEEPS = 10
"""A tile that did not change is searched once in so many sweeps: the detector may have missed a face."""
HEAD = 2.6
"""What a known face moves is looked away from: its box, so many times as large."""


_DARK = 16.0
"""Grey levels below which a cell does not tell how bright the light is."""


class SearchPace(NamedTuple):
    """How much a camera is searched. Times are µs."""

    min_face_px: float = 40.0
    whole_every_us: int = 500_000
    """The whole picture, for large faces."""
    sweep_us: int = 1_000_000
    """All tiles."""
    tiles_max: int = 8
    """Searched in one frame, at most."""
    change: float = 8.0
    """Grey levels by which a cell must differ: more than noise does. 0 takes every cell as changed."""


class Search(NamedTuple):
    """What is known of a camera's picture: about 80 KB at 1920x1080. Arrays are never written to."""

    size_px: tuple[int, int]
    """Width, height."""
    tiles: tuple[Tile, ...]
    """The whole picture first."""
    looked_us: tuple[int, ...]
    """When each was searched last."""
    planned_us: int
    credit: float
    """Tiles that may be searched now."""
    grey: NDArray[np.float32]
    """``[H / 16, W / 16]``: each cell as it was when it changed last."""
    changed_us: NDArray[np.int64]
    """``[H / 16, W / 16]``."""

    def set_back(self, back_us: int) -> "Search":
        """The same, as if all had been so much earlier: for a clock that was set back."""
        return self._replace(
            looked_us=tuple(at_us - back_us for at_us in self.looked_us),
            planned_us=self.planned_us - back_us,
            changed_us=self.changed_us - back_us,
        )


NEVER_US = -(10**15)


def tiles(width_px: int, height_px: int, min_face_px: float) -> tuple[Tile, ...]:
    """The whole picture, then smaller and smaller tiles, down to those that show a face of `min_face_px`.

    A face's box of at least this width lies whole in a tile that is at most `FACES_ACROSS` times as wide, or
    in the whole picture.
    """
    whole_side = max(width_px, height_px)
    least = min(FACES_ACROSS * min_face_px, whole_side)
    levels = math.ceil(math.log2(whole_side / least) - 1e-9)
    sides = [whole_side * (least / whole_side) ** (level / max(levels, 1)) for level in range(levels + 1)]
    found: list[Tile] = [(0, 0, width_px, height_px)]
    for larger, side in pairwise(sides):
        largest_face_px = larger / FACES_ACROSS
        xs = _spans(width_px, side, largest_face_px)
        ys = _spans(height_px, side, FACE_HEIGHT * largest_face_px)
        found += [(x0, y0, x1, y1) for y0, y1 in ys for x0, x1 in xs]
    return tuple(found)


def _spans(length_px: int, side_px: float, overlap_px: float) -> list[tuple[int, int]]:
    """Evenly spread spans of a line, each pair of neighbours with at least this overlap."""
    side = min(math.floor(side_px), length_px)
    step = max(1.0, side - math.ceil(overlap_px) - 1)
    count = math.ceil((length_px - side) / step) + 1
    starts = np.linspace(0, length_px - side, count).round().astype(int).tolist()
    return [(start, start + side) for start in starts]


def tile_around(box_xyxy_px: NDArray[np.float32], side_px: float, size_px: tuple[int, int]) -> Tile | None:
    """A square about a box's middle, cut off at the picture's border; None if nothing of it is inside."""
    x, y = (box_xyxy_px[:2] + box_xyxy_px[2:]).tolist()
    left, top = (x - side_px) / 2, (y - side_px) / 2
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1, y1 = min(size_px[0], math.ceil(left + side_px)), min(size_px[1], math.ceil(top + side_px))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def plan(
    before: Search | None,
    picture_rgb: Picture,
    now_us: int,
    known_xyxy_px: Iterable[NDArray[np.float32]],
    pace: SearchPace,
    at_most: int,
    *,
    size_px: tuple[int, int] | None = None,
    shrink: int = 1,
) -> tuple[Search, list[Tile]]:
    """The tiles to search in this frame, `at_most` so many, and the state once they are searched.

    `known_xyxy_px` are the boxes of faces that are followed. Without a state before, or with one of another
    size of frame, everything counts as changed. Tiles and boxes are in px of the frame, which is `size_px`
    (width, height) large and may have been decoded smaller: `shrink` of its px are one of the picture, 1, 2
    or 4.
    """
    size_px = size_px or (picture_rgb.shape[1], picture_rgb.shape[0])
    if before is None or before.size_px != size_px or now_us < before.planned_us:
        before = _start(size_px, now_us, pace)
    quota = (len(before.tiles) - 1) * (now_us - before.planned_us) / pace.sweep_us
    credit = min(before.credit + quota, float(pace.tiles_max))
    whole_due = now_us - before.looked_us[0] >= pace.whole_every_us
    if at_most < 1 or (credit < 1 and not whole_due):
        return before._replace(planned_us=now_us, credit=credit), []

    grey, changed_us = _changes(before, picture_rgb, shrink, now_us, known_xyxy_px, pace.change)
    waiting = [i for i in range(len(before.tiles)) if _waits(before, i, changed_us, now_us, pace)]
    chosen = [0] if whole_due and 0 in waiting else []
    room = min(int(credit), at_most - len(chosen))
    small = sorted((i for i in waiting if i), key=lambda i: before.looked_us[i])[:room]
    looked_us = list(before.looked_us)
    for i in [*chosen, *small]:
        looked_us[i] = now_us
    after = before._replace(
        looked_us=tuple(looked_us),
        planned_us=now_us,
        credit=credit - len(small),
        grey=grey,
        changed_us=changed_us,
    )
    return after, [before.tiles[i] for i in [*chosen, *small]]


def _start(size_px: tuple[int, int], now_us: int, pace: SearchPace) -> Search:
    cells = (math.ceil(size_px[1] / CELL_PX), math.ceil(size_px[0] / CELL_PX))
    all_tiles = tiles(*size_px, pace.min_face_px)
    return Search(
        size_px=size_px,
        tiles=all_tiles,
        looked_us=(NEVER_US,) * len(all_tiles),
        planned_us=now_us,
        credit=float(pace.tiles_max),
        grey=np.full(cells, -np.inf, np.float32),
        changed_us=np.full(cells, NEVER_US, np.int64),
    )


def _waits(search: Search, index: int, changed_us: NDArray[np.int64], now_us: int, pace: SearchPace) -> bool:
    """Whether a tile changed after it was searched, or was not searched for long."""
    looked_us = search.looked_us[index]
    if now_us - looked_us >= UNCHANGED_SWEEPS * pace.sweep_us:
        return True
    return bool((changed_us[_cells(search.tiles[index])] > looked_us).any())


def _changes(
    search: Search,
    picture_rgb: Picture,
    shrink: int,
    now_us: int,
    known_xyxy_px: Iterable[NDArray[np.float32]],
    change: float,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The cells as they are now and when they changed; those of known heads stay as they were.

    Light that swings, or a camera that sets its exposure anew, changes all cells by one factor: what they
    are held against is brought to today's light first.
    """
    grey = _grey(picture_rgb, shrink)
    differs = np.abs(grey - _in_light_of(search.grey, grey)) >= change
    width, height = search.size_px
    for box in known_xyxy_px:
        x0, y0, x1, y1 = box.tolist()
        side = HEAD * max(x1 - x0, y1 - y0)
        head = tile_around(box, side, (width, height))
        if head is not None:
            differs[_cells(head)] = False
    return np.where(differs, grey, search.grey), np.where(differs, now_us, search.changed_us)


def _in_light_of(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cells of a former picture, as bright as half of them are now; those never seen stay as they are."""
    lit = before >= _DARK
    if not lit.any():
        return before
    factor = np.median(now[lit] / before[lit])
    return np.asarray(np.minimum(before * factor, 255), np.float32)


def _grey(picture_rgb: Picture, shrink: int) -> NDArray[np.float32]:
    """Each cell's mean of green, float32; cells at the right and lower border may be smaller."""
    step = SAMPLE_PX // shrink
    samples = picture_rgb[::step, ::step, 1]
    per_cell = CELL_PX // SAMPLE_PX
    down, across = (-(-n // per_cell) for n in samples.shape)
    missing = ((0, down * per_cell - samples.shape[0]), (0, across * per_cell - samples.shape[1]))
    whole = np.pad(samples, missing, mode="edge")
    return np.asarray(cv2.resize(whole, (across, down), interpolation=cv2.INTER_AREA), np.float32)


def _cells(tile: Tile) -> tuple[slice, slice]:
    x0, y0, x1, y1 = tile
    return slice(y0 // CELL_PX, -(-y1 // CELL_PX)), slice(x0 // CELL_PX, -(-x1 // CELL_PX))
