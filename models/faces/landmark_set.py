"""Which of the 468 points the classifier sees."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np

from models.arrays import F32, I32
from models.faces.canonical import MIRROR, POINTS

SHIPPED: Final = Path(__file__).parents[1] / "artifacts" / "landmark_set.json"


@dataclass(frozen=True, eq=False)
class LandmarkSet:
    """A choice of points, by name and content.

    The indices are ascending and mirror-symmetric: a point never comes without its mirror twin.
    Raises ValueError for anything else.
    """

    name: str
    indices: I32  # [K], into the 468 points

    def __post_init__(self) -> None:
        indices = np.asarray(self.indices)
        if indices.ndim != 1 or not len(indices) or not np.issubdtype(indices.dtype, np.integer):
            raise ValueError(f"landmark set {self.name!r}: indices must be whole numbers, [K] with K ≥ 1")
        if indices.min() < 0 or indices.max() >= POINTS or (np.diff(indices) <= 0).any():
            raise ValueError(f"landmark set {self.name!r}: indices must ascend within 0 to {POINTS - 1}")
        alone = indices[~np.isin(MIRROR[indices], indices)]
        if len(alone):
            raise ValueError(
                f"landmark set {self.name!r}: point {alone[0]} is there without its twin {MIRROR[alone[0]]}"
            )
        indices = indices.astype(np.int32)
        indices.setflags(write=False)
        object.__setattr__(self, "indices", indices)

    @cached_property
    def id(self) -> str:
        """The name and the first 12 hex digits of the indices' sha256 (little-endian int32)."""
        return f"{self.name}-{hashlib.sha256(self.indices.astype('<i4').tobytes()).hexdigest()[:12]}"

    def __len__(self) -> int:
        return len(self.indices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LandmarkSet) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def mirror(self) -> I32:
        """int32 [K]: the place, within the set, of each point's mirror twin."""
        return np.searchsorted(self.indices, MIRROR[self.indices]).astype(np.int32)

    def take(self, points: F32) -> F32:
        """The set's points, float32 [N, K, 3], out of all, [N, 468, 3]. ValueError for another shape."""
        if np.ndim(points) != 3 or np.shape(points)[1:] != (POINTS, 3):
            raise ValueError(f"points must have shape [N, {POINTS}, 3], not {list(np.shape(points))}")
        return np.asarray(points, dtype=np.float32)[:, self.indices]

    def to_json(self) -> str:
        """``{"id": …, "indices": […]}``, as in ``landmark_set.json``."""
        return msgspec.json.encode({"id": self.id, "indices": self.indices.tolist()}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The set that `to_json` wrote. ValueError when it is none, or its id does not fit its indices."""
        try:
            stored = msgspec.json.decode(text, type=dict[str, Any])
            identity, indices = str(stored["id"]), np.array(stored["indices"])
        except (msgspec.MsgspecError, KeyError, ValueError) as exc:
            raise ValueError(f"this is no landmark set, a JSON object with id and indices: {exc!r}") from exc
        landmark_set = cls(identity.rpartition("-")[0], indices)
        if landmark_set.id != identity:
            raise ValueError(
                f"landmark set {identity!r} was changed: its indices make it {landmark_set.id!r}"
            )
        return landmark_set

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Read a set from its JSON file. Raises OSError, or ValueError for a file of another kind."""
        try:
            return cls.from_json(path.read_bytes())
        except ValueError as exc:
            raise ValueError(f"{path}: {exc}") from exc

    def save(self, path: Path) -> None:
        """Write the set as JSON. Raises OSError when the file cannot be written."""
        path.write_text(self.to_json() + "\n", encoding="utf-8")


ALL: Final = LandmarkSet("all468", np.arange(POINTS, dtype=np.int32))
"""Every point."""


def select(name: str, importance: F32, count: int) -> LandmarkSet:
    """The `count` most important points, `importance` being [468] and not negative.

    A pair of mirror twins counts with the mean of both and comes in or stays out as one; a point on the
    midline stands alone. When one place is left and a pair is next, the best midline point takes it, or, if
    all of them are in, the pair takes it together with the least important one's place.
    """
    if np.shape(importance) != (POINTS,):
        raise ValueError(f"importance must have shape [{POINTS}], not {list(np.shape(importance))}")
    if not 1 <= count <= POINTS:
        raise ValueError(f"a landmark set has 1 to {POINTS} points, not {count}")
    shared = (importance + importance[MIRROR]) / 2
    groups = [
        sorted({int(index), int(MIRROR[index])})
        for index in np.argsort(-shared, kind="stable")
        if index <= MIRROR[index]
    ]
    chosen: list[int] = []
    for group in groups:
        if len(group) <= count - len(chosen):
            chosen.extend(group)
    if len(chosen) < count:
        least = [point for point in chosen if MIRROR[point] == point][-1]
        chosen.remove(least)
        chosen.extend(next(group for group in groups if len(group) == 2 and group[0] not in chosen))
    return LandmarkSet(name, np.array(sorted(chosen), dtype=np.int32))
