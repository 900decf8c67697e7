"""Which cells are put together, how the region is called, and when it is worth a sentence."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.store.coverage_store import COLUMNS, ROWS, Seen
from workers.coverage.problem_regions import (
    CELL_FACES_MIN,
    READ,
    REGION_UNREAD_MIN,
    UNREAD_SHARE_MIN,
    Place,
    name_of,
    patches,
    problem_regions,
)

places = st.tuples(st.integers(0, COLUMNS - 1), st.integers(0, ROWS - 1))
outcomes = st.sampled_from(["named", "low-confidence", "small-face", "extreme-pose", "blurred"])
counts = st.dictionaries(
    st.builds(lambda place, outcome: Seen(*place, outcome), places, outcomes),
    st.integers(1, 500),
    max_size=60,
)


def small(places: "list[Place] | product[Place]", count: int = 100) -> dict[Seen, int]:
    return {Seen(column, row, "small-face", "11"): count for column, row in places}


def touch(a: Place, b: Place) -> bool:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= 1


@given(st.sets(places, max_size=40))
def test_patches_divide_the_cells_and_do_not_touch_each_other(cells: set[Place]) -> None:
    found = patches(cells)

    assert sorted(cell for patch in found for cell in patch) == sorted(cells)
    for number, patch in enumerate(found):
        others = [cell for other in found[:number] for cell in other]
        assert not any(touch(cell, other) for cell in patch for other in others)
        for cell in patch if len(patch) > 1 else ():
            assert any(touch(cell, other) for other in patch if other != cell)


@given(counts)
def test_what_is_said_of_a_region_is_so(faces: dict[Seen, int]) -> None:
    for region in problem_regions(faces):
        here = {seen: count for seen, count in faces.items() if (seen.column, seen.row) in region.cells}
        assert region.faces == sum(here.values())
        assert region.unread == sum(count for seen, count in here.items() if seen.outcome == region.reason)
        assert region.unread == sum(region.details.values()) >= REGION_UNREAD_MIN
        assert region.unread >= UNREAD_SHARE_MIN * region.faces
        assert region.reason not in READ


@given(counts)
def test_what_could_be_read_everywhere_is_no_problem(faces: dict[Seen, int]) -> None:
    assert problem_regions({seen: count for seen, count in faces.items() if seen.outcome in READ}) == []


@given(st.dictionaries(places, st.integers(1, 1000), min_size=1))
def test_every_region_has_a_name(weights: dict[Place, int]) -> None:
    assert name_of(weights)


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (product(range(3), range(3, 6)), "on the left"),
        (product(range(13, 16), range(3, 6)), "on the right"),
        (product(range(7, 9), range(4, 5)), "in the middle"),
        (product(range(2), range(2)), "in the top left"),
        (product(range(14, 16), range(7, 9)), "in the bottom right"),
        (product(range(7, 9), range(8, 9)), "at the bottom"),
        (product(range(COLUMNS), range(2)), "along the top"),
        (product(range(2), range(ROWS)), "along the left side"),
        (product(range(COLUMNS), range(ROWS)), "all over the picture"),
    ],
)
def test_a_region_is_called_after_where_it_lies(cells: "product[Place]", name: str) -> None:
    (region,) = problem_regions(small(cells))

    assert region.where == name


def test_the_name_follows_the_faces_and_not_the_cells() -> None:
    assert name_of({(0, 4): 1, (6, 4): 1000}) == "in the middle"
    assert name_of({(0, 4): 1000, (6, 4): 1}) == "on the left"


@pytest.mark.parametrize(
    ("faces", "regions"),
    [
        ({Seen(1, 4, "small-face", "11"): REGION_UNREAD_MIN}, 1),
        ({Seen(1, 4, "small-face", "11"): REGION_UNREAD_MIN - 1}, 0),
        ({Seen(1, 4, "small-face", "11"): 100, Seen(1, 4, "named"): 300}, 1),
        ({Seen(1, 4, "small-face", "11"): 100, Seen(1, 4, "named"): 301}, 0),
        (small([(c, r) for c in (0, 2, 4, 6) for r in (0, 2, 4, 6, 8)], CELL_FACES_MIN - 1), 0),
        ({Seen(1, 4, "small-face", "11"): 50, Seen(14, 4, "small-face", "9"): 50}, 2),
        ({Seen(1, 2, "small-face", "11"): 50, Seen(1, 4, "small-face", "9"): 50}, 2),
        ({Seen(0, 3, "blurred"): 50, Seen(2, 5, "blurred"): 50}, 1),
        ({Seen(1, 4, "small-face", "11"): 50, Seen(1, 4, "blurred"): 50}, 2),
    ],
    ids=[
        *("enough", "too-few", "a-quarter", "less-than-a-quarter", "sparse-cells"),
        *("two-sides", "two-thirds-of-the-height", "two-patches-of-one-name", "two-reasons"),
    ],
)
def test_when_a_region_is_worth_a_sentence(faces: dict[Seen, int], regions: int) -> None:
    assert len(problem_regions(faces)) == regions


def test_the_worst_comes_first() -> None:
    faces = {Seen(1, 4, "blurred"): 50, Seen(14, 4, "small-face", "9"): 500}

    assert [region.reason for region in problem_regions(faces)] == ["small-face", "blurred"]
