"""Where in a picture many faces could not be read, and why: cells that touch, put together and named."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import Final, NamedTuple

from streams.store.coverage_store import COLUMNS, NAMED, ROWS, Seen

READ: Final = frozenset({NAMED, "low-confidence"})
"""Outcomes of faces that the camera showed well enough: the model's doubt is no fault of the picture."""
CELL_FACES_MIN: Final = 10
"""In a cell with fewer faces nothing is said of it: a second of one person."""
UNREAD_SHARE_MIN: Final = 0.25
"""A cell is a problem if of its faces so many could not be read for one reason …"""
REGION_UNREAD_MIN: Final = 30
"""… and cells that touch are worth a sentence if together they have so many of these."""
_WIDE: Final = 2 / 3
"""A region that spans more than this of the picture is named as wide, or tall."""

Place = tuple[int, int]
"""Column and row of a cell."""

_PLACES: Final = (
    ("in the top left", "at the top", "in the top right"),
    ("on the left", "in the middle", "on the right"),
    ("in the bottom left", "at the bottom", "in the bottom right"),
)
_ROWS_ACROSS: Final = ("along the top", "across the middle", "along the bottom")
_COLUMNS_DOWN: Final = ("along the left side", "down the middle", "along the right side")
_EVERYWHERE: Final = "all over the picture"


class Region(NamedTuple):
    """A part of the picture where faces could not be read for one reason."""

    reason: str
    where: str
    """Such as "on the left"."""
    faces: int
    """Seen in its cells, whatever came of them."""
    unread: int
    """Of them, those that this reason kept from being read."""
    details: Mapping[str, int]
    """How many of these by what is wrong: see ``coverage_store.Seen``."""
    cells: tuple[Place, ...]


def problem_regions(faces: Mapping[Seen, int]) -> list[Region]:
    """The regions that deserve a sentence, most unread faces first."""
    totals: Counter[Place] = Counter()
    unread: dict[str, Counter[Place]] = {}
    for seen, count in faces.items():
        place = seen.column, seen.row
        totals[place] += count
        if seen.outcome not in READ:
            unread.setdefault(seen.outcome, Counter())[place] += count
    regions = []
    for reason, counts in unread.items():
        bad = {
            place
            for place, count in counts.items()
            if totals[place] >= CELL_FACES_MIN and count >= UNREAD_SHARE_MIN * totals[place]
        }
        by_name: dict[str, list[Place]] = {}
        for patch in patches(bad):
            by_name.setdefault(name_of({place: counts[place] for place in patch}), []).extend(patch)
        for where, places in by_name.items():
            n_unread = sum(counts[place] for place in places)
            if n_unread >= REGION_UNREAD_MIN:
                details = _details(faces, reason, set(places))
                n_faces = sum(totals[place] for place in places)
                regions.append(Region(reason, where, n_faces, n_unread, details, tuple(sorted(places))))
    return sorted(regions, key=lambda region: (-region.unread, region.reason, region.where))


def patches(places: Collection[Place]) -> list[list[Place]]:
    """Divides cells into those that touch each other, at a side or a corner."""
    left, found = set(places), []
    while left:
        patch = [left.pop()]
        for column, row in patch:  # grows while it is gone through
            near = {(column + x, row + y) for x, y in product((-1, 0, 1), repeat=2)} & left
            left -= near
            patch += sorted(near)
        found.append(sorted(patch))
    return sorted(found)


def name_of(weights: Mapping[Place, int]) -> str:
    """Where cells lie, in words: by their extent, and where most of the faces are."""
    across = _extent((column for column, _ in weights), COLUMNS) > _WIDE
    down = _extent((row for _, row in weights), ROWS) > _WIDE
    total = sum(weights.values())
    x = sum((column + 0.5) * weight for (column, _), weight in weights.items()) / total / COLUMNS
    y = sum((row + 0.5) * weight for (_, row), weight in weights.items()) / total / ROWS
    if across and down:
        return _EVERYWHERE
    if across:
        return _ROWS_ACROSS[_third(y)]
    if down:
        return _COLUMNS_DOWN[_third(x)]
    return _PLACES[_third(y)][_third(x)]


def _extent(numbers: Iterable[int], of: int) -> float:
    """How much of the picture's width or height lies between the first and the last of these cells."""
    ordered = sorted(numbers)
    return (ordered[-1] - ordered[0] + 1) / of


def _third(share: float) -> int:
    return min(2, int(share * 3))


def _details(faces: Mapping[Seen, int], reason: str, places: Collection[Place]) -> Counter[str]:
    details: Counter[str] = Counter()
    for seen, count in faces.items():
        if seen.outcome == reason and (seen.column, seen.row) in places:
            details[seen.detail] += count
    return details
