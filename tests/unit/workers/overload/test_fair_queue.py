"""Each partition's items in their order, the partitions in turn, the unwanted in nobody's way."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.overload.fair_queue import FairQueue, Taken


def queue_of(*partitions: list[int]) -> FairQueue[int, int]:
    queue: FairQueue[int, int] = FairQueue()
    queue.add(dict(enumerate(partitions)))
    return queue


def batches(queue: FairQueue[int, int], at_most: int) -> list[list[int]]:
    taken = []
    while queue:
        taken.append(queue.take(at_most, lambda _: True).wanted)
    return taken


@pytest.mark.parametrize(
    ("partitions", "at_most", "expected"),
    [
        ([], 2, []),
        ([[]], 2, []),
        ([[1, 2, 3]], 2, [[1, 2], [3]]),
        ([[1, 2, 3], [10], [20, 21]], 3, [[1, 10, 20], [2, 21, 3]]),
        ([[1], [10]], 9, [[1, 10]]),
        ([[1, 2], [10, 11], [20, 21]], 2, [[1, 10], [20, 2], [11, 21]]),
    ],
    ids=str,
)
def test_a_batch_has_one_of_each_partition_in_turn(
    partitions: list[list[int]], at_most: int, expected: list[list[int]]
) -> None:
    assert batches(queue_of(*partitions), at_most) == expected


def test_what_comes_later_stands_behind_its_own_partition_alone() -> None:
    queue = queue_of([1, 2, 3, 4])
    queue.take(2, lambda _: True)
    queue.add({1: [10], 0: [5]})

    assert batches(queue, 9) == [[3, 10, 4, 5]]


def test_a_turn_ends_with_a_wanted_one() -> None:
    queue = queue_of([1, 3, 5, 6, 8], [10])

    assert queue.take(2, lambda item: item % 2 == 0) == Taken([1, 3, 5, 6, 10], [6, 10])
    assert queue.take(2, lambda item: item % 2 == 0) == Taken([8], [8])


def test_nothing_waits_of_the_others() -> None:
    queue = queue_of([1], [])

    assert queue.without([0, 1, 2]) == [1, 2]
    queue.clear()
    assert not queue
    assert queue.without([0]) == [0]


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=5), st.integers(1, 7))
def test_all_is_taken_once_in_its_partitions_order(partitions: list[list[bool]], at_most: int) -> None:
    queue: FairQueue[int, tuple[int, int, bool]] = FairQueue()
    items = {p: [(p, place, wanted) for place, wanted in enumerate(of)] for p, of in enumerate(partitions)}
    queue.add(items)
    seen: dict[int, list[tuple[int, int, bool]]] = defaultdict(list)
    while queue:
        before = len(queue)
        taken = queue.take(at_most, lambda item: item[2])
        assert len(queue) == before - len(taken.all) < before
        assert len(taken.wanted) <= at_most
        assert taken.wanted == [item for item in taken.all if item[2]]
        for item in taken.all:
            seen[item[0]].append(item)

    assert seen == {p: of for p, of in items.items() if of}
