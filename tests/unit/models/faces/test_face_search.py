"""Where to look: tiles that miss no face, and none searched in vain."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.arrays import Picture
from models.faces import face_search
from models.faces.engine import Tile
from models.faces.face_search import (
    CELL_PX,
    FACE_HEIGHT,
    FACES_ACROSS,
    UNCHANGED_SWEEPS,
    Search,
    SearchPace,
    plan,
    tile_around,
    tiles,
)

FRAME_US = 100_000
START_US = 1_800_000_000_000_000
SIZES_PX = [(640, 480), (1280, 720), (1920, 1080), (720, 1280)]


def side(tile: Tile) -> int:
    return max(tile[2] - tile[0], tile[3] - tile[1])


@settings(max_examples=300)
@given(
    st.integers(64, 4096),
    st.integers(64, 2304),
    st.floats(16, 100),
    st.floats(1, 8),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_each_face_lies_whole_in_a_tile_that_is_small_enough_for_it(
    width: int, height: int, min_face_px: float, times: float, x: float, y: float
) -> None:
    face_px = min_face_px * times
    assume(face_px <= width and FACE_HEIGHT * face_px <= height)
    x0, y0 = x * (width - face_px), y * (height - FACE_HEIGHT * face_px)
    box = (x0, y0, x0 + face_px, y0 + FACE_HEIGHT * face_px)
    good = [
        tile
        for tile in tiles(width, height, min_face_px)
        if tile[0] <= box[0] and tile[1] <= box[1] and tile[2] >= box[2] and tile[3] >= box[3]
        if side(tile) <= FACES_ACROSS * face_px * (1 + 1e-9)
        or (tile == (0, 0, width, height) and face_px * FACES_ACROSS >= max(width, height))
    ]
    assert good


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_the_largest_face_of_each_size_of_tile_fits_in_everywhere(size_px: tuple[int, int]) -> None:
    """The hardest case: just too small for the next larger tiles, at any height and any place across."""
    all_tiles = tiles(*size_px, 40)
    for larger in sorted({side(tile) for tile in all_tiles})[1:]:
        face_px = larger / FACES_ACROSS - 0.2
        fitting = np.array([t for t in all_tiles if side(t) <= FACES_ACROSS * face_px])
        for axis, length, extent in ((0, size_px[0], face_px), (1, size_px[1], FACE_HEIGHT * face_px)):
            for start in np.arange(0, length - extent, 3.0):
                assert ((fitting[:, axis] <= start) & (fitting[:, axis + 2] >= start + extent)).any()


@given(st.integers(16, 4096), st.integers(16, 2304), st.floats(16, 300))
def test_tiles_lie_inside_the_picture_and_the_whole_of_it_is_the_first(
    width: int, height: int, min_face_px: float
) -> None:
    found = tiles(width, height, min_face_px)
    assert found[0] == (0, 0, width, height)
    assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in found)


@pytest.mark.parametrize(("size_px", "most"), [((640, 480), 5), ((1280, 720), 22), ((1920, 1080), 39)])
def test_so_many_tiles_are_enough_for_40_px(size_px: tuple[int, int], most: int) -> None:
    assert len(tiles(*size_px, 40)) <= most


def test_a_picture_in_which_the_smallest_face_is_large_is_one_tile() -> None:
    assert tiles(320, 240, 40) == ((0, 0, 320, 240),)


def noise(size_px: tuple[int, int], seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (size_px[1], size_px[0], 3), dtype=np.uint8)


def sweep(
    pictures: Sequence[Picture],
    *,
    before: Search | None = None,
    known: Sequence[NDArray[np.float32]] = (),
    pace: SearchPace | None = None,
    frame_us: int = FRAME_US,
    start_us: int = START_US,
    at_most: int = 100,
) -> tuple[Search, list[list[Tile]]]:
    state, looks = before, []
    for i, picture in enumerate(pictures):
        state, due = plan(state, picture, start_us + i * frame_us, known, pace or SearchPace(), at_most)
        looks.append(due)
    assert state is not None
    return state, looks


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_everything_is_searched_once_in_the_first_second_and_then_rests(size_px: tuple[int, int]) -> None:
    picture = noise(size_px)
    state, looks = sweep([picture] * 10)
    assert sorted(tile for due in looks for tile in due) == sorted(tiles(*size_px, 40))
    assert len(looks[0]) <= 1 + SearchPace().tiles_max
    assert max(map(len, looks[1:])) <= 2 + len(tiles(*size_px, 40)) / 10
    _, later = sweep([picture] * 50, before=state, start_us=START_US + 10 * FRAME_US)
    assert not any(later)


def test_what_did_not_change_is_still_searched_now_and_then() -> None:
    picture = noise((640, 480))
    _, looks = sweep([picture] * (10 * UNCHANGED_SWEEPS + 10))
    counts = {tile: sum(tile in due for due in looks) for tile in tiles(640, 480, 40)}
    assert set(counts.values()) == {2}


def changed(picture: Picture, x: int, y: int, size_px: int = 40, by: int = 60) -> Picture:
    other = picture.copy()
    other[y : y + size_px, x : x + size_px] ^= np.uint8(by)
    return other


def rested(picture: Picture, known: Sequence[NDArray[np.float32]] = ()) -> tuple[Search, int]:
    """After everything was searched, and the time of the next frame."""
    state, _ = sweep([picture] * 20, known=known)
    return state, START_US + 20 * FRAME_US


def test_only_tiles_that_changed_are_searched() -> None:
    grey = np.full((720, 1280, 3), 100, np.uint8)
    state, now_us = rested(grey)
    _, looks = sweep([changed(grey, 1100, 500)] * 20, before=state, start_us=now_us)
    looked = [tile for due in looks for tile in due]
    touching = [t for t in tiles(1280, 720, 40) if t[0] < 1140 and t[2] > 1100 and t[1] < 540 and t[3] > 500]
    cell = CELL_PX
    assert set(touching) <= set(looked)
    assert all(
        t[0] < 1140 + cell and t[2] > 1100 - cell and t[1] < 540 + cell and t[3] > 500 - cell for t in looked
    )
    assert len(looked) == len(set(looked)) < len(tiles(1280, 720, 40)) / 2


@pytest.mark.parametrize(("by", "searched"), [(7, False), (9, True)])
def test_how_much_change_counts(by: int, searched: bool) -> None:
    grey = np.full((480, 640, 3), 64, np.uint8)
    state, now_us = rested(grey)
    brighter = grey.copy()
    brighter[100:200, 100:200] += np.uint8(by)
    _, looks = sweep([brighter] * 10, before=state, start_us=now_us)
    assert any(looks) is searched


def test_slow_changes_add_up() -> None:
    grey = np.full((480, 640, 3), 64, np.uint8)
    state, now_us = rested(grey)
    pictures = [grey.copy() for _ in range(15)]
    for i, picture in enumerate(pictures):
        picture[100:200, 100:200] += np.uint8(i)
    _, looks = sweep(pictures, before=state, start_us=now_us)
    assert any(looks)


@pytest.mark.parametrize("light", [0.5, 0.9, 1.1, 1.5])
def test_light_that_changes_everywhere_is_no_change_but_a_face_in_it_is(light: float) -> None:
    picture = noise((640, 480)) // 2 + np.uint8(40)
    state, now_us = rested(picture)
    lit = (picture * light).clip(0, 255).astype(np.uint8)
    _, looks = sweep([picture, lit] * 5, before=state, start_us=now_us)
    assert not any(looks)
    newcomer = lit.copy()
    newcomer[100:160, 300:350] = 220
    _, looks = sweep([newcomer] * 10, before=state, start_us=now_us)
    looked = {tile for due in looks for tile in due}
    assert looked
    assert all(x0 < 366 and x1 > 284 and y0 < 176 and y1 > 84 for x0, y0, x1, y1 in looked)


def test_a_dark_room_tells_no_light() -> None:
    state, now_us = rested(np.zeros((480, 640, 3), np.uint8))
    lit = np.full((480, 640, 3), 90, np.uint8)
    _, looks = sweep([lit] * 10, before=state, start_us=now_us)
    assert {tile for due in looks for tile in due} == set(tiles(640, 480, 40))


def test_the_sensors_noise_is_no_change() -> None:
    rng = np.random.default_rng(5)
    frames = [rng.normal(100, 4, (480, 640, 3)).clip(0, 255).astype(np.uint8) for _ in range(60)]
    state, _ = sweep(frames[:15])
    _, looks = sweep(frames[15:], before=state, start_us=START_US + 15 * FRAME_US)
    assert not any(looks)


def test_what_a_known_face_moves_is_not_searched_but_beside_it_is() -> None:
    grey = np.full((480, 640, 3), 100, np.uint8)
    known = [np.array([200, 200, 280, 300], np.float32)]
    state, now_us = rested(grey, known)
    _, looks = sweep([changed(grey, 210, 220)] * 10, before=state, known=known, start_us=now_us)
    assert not any(looks)
    _, looks = sweep([changed(grey, 420, 220)] * 10, before=state, known=known, start_us=now_us)
    assert any(looks)
    _, looks = sweep([changed(grey, 210, 220)] * 10, before=state, known=[], start_us=now_us)
    assert any(looks)  # the face has gone


def test_zero_change_means_always() -> None:
    grey = np.full((480, 640, 3), 100, np.uint8)
    _, looks = sweep([grey] * 40, pace=SearchPace(change=0))
    counts = {tile: sum(tile in due for due in looks) for tile in tiles(640, 480, 40)}
    assert min(counts.values()) >= 4


def test_a_slow_camera_searches_several_tiles_a_frame_up_to_the_limit() -> None:
    picture = noise((1280, 720))
    _, looks = sweep([picture] * 4, frame_us=1_000_000, pace=SearchPace(tiles_max=6))
    assert [len(due) for due in looks] == [7, 6, 6, 3]  # the first with the whole picture


def test_at_most_as_many_as_there_is_room_for() -> None:
    picture = noise((1280, 720))
    _, looks = sweep([picture] * 10, at_most=1)
    assert [len(due) for due in looks] == [1] * 10
    assert looks[0] == [(0, 0, 1280, 720)]
    state, looks = sweep([picture] * 3, at_most=0)
    assert not any(looks)
    assert set(state.looked_us) == {face_search.NEVER_US}


def test_the_whole_picture_waits_for_its_interval() -> None:
    _, looks = sweep([noise((320, 240), i) for i in range(11)], pace=SearchPace(whole_every_us=300_000))
    assert [i for i, due in enumerate(looks) if due] == [0, 3, 6, 9]


def test_another_size_of_picture_starts_over() -> None:
    state, now_us = rested(noise((640, 480)))
    after, due = plan(state, noise((1280, 720)), now_us, [], SearchPace(), 100)
    assert after.size_px == (1280, 720)
    assert due[0] == (0, 0, 1280, 720)


def test_planning_changes_nothing_and_is_repeatable() -> None:
    state, now_us = rested(noise((640, 480)))
    grey, changed_us = state.grey.copy(), state.changed_us.copy()
    first = plan(state, noise((640, 480), 1), now_us, [], SearchPace(), 100)[1]
    second = plan(state, noise((640, 480), 1), now_us, [], SearchPace(), 100)[1]
    assert first == second != []
    assert np.array_equal(state.grey, grey)
    assert np.array_equal(state.changed_us, changed_us)


@pytest.mark.parametrize(
    ("box", "side_px", "expected"),
    [
        ((100, 100, 120, 120), 100, (60, 60, 160, 160)),
        ((0, 0, 10, 10), 100, (0, 0, 55, 55)),
        ((630, 470, 650, 490), 100, (590, 430, 640, 480)),
        ((900, 100, 910, 110), 100, None),
    ],
)
def test_tile_around(box: tuple[int, ...], side_px: float, expected: Tile | None) -> None:
    assert tile_around(np.array(box, np.float32), side_px, (640, 480)) == expected
