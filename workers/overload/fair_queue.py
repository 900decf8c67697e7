"""What was fetched and waits to be worked on, given out so that no partition waits for another's backlog."""

from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

Place = TypeVar("Place", bound=Hashable)
Item = TypeVar("Item")


class Taken(NamedTuple, Generic[Item]):
    """What left the queue together."""

    all: list[Item]
    """In each partition's order."""
    wanted: list[Item]
    """Those of them that are to be worked on."""


class FairQueue(Generic[Place, Item]):
    """The items of each partition in their order, and the partitions in turn."""

    def __init__(self) -> None:
        self._waiting: dict[Place, deque[Item]] = {}
        """Whose turn is next comes first; a partition of which nothing waits is not there."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, fetched: Mapping[Place, Sequence[Item]]) -> None:
        """Puts what was fetched behind what waits of the same partition."""
        for place, items in fetched.items():
            if items:
                self._waiting.setdefault(place, deque()).extend(items)

    def clear(self) -> None:
        """Drops all."""
        self._waiting.clear()

    def without(self, places: Collection[Place]) -> list[Place]:
        """Those of the partitions of which nothing waits."""
        return [place for place in places if place not in self._waiting]

    def take(self, at_most: int, wants: Callable[[Item], bool]) -> Taken[Item]:
        """At most so many that are wanted, one of each partition in turn, and the unwanted before them."""
        taken: Taken[Item] = Taken([], [])
        while self._waiting and len(taken.wanted) < at_most:
            place, items = next(iter(self._waiting.items()))
            del self._waiting[place]
            while items:
                item = items.popleft()
                taken.all.append(item)
                if wants(item):
                    taken.wanted.append(item)
                    break
            if items:
                self._waiting[place] = items  # the others' turn
        return taken
