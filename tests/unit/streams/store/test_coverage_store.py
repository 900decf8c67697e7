"""Where faces were seen, counted in a real Redis."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.emotion_event import EmotionEvent
from streams.messages.landmarks_message import FaceBox, PictureSize, Pose, Quality
from streams.settings import Settings
from streams.store import coverage_store
from streams.store.coverage_store import (
    COLUMNS,
    ROWS,
    Counts,
    CoverageStore,
    Seen,
    cell_of,
    coverage_key,
    today,
)

Make = Callable[..., EmotionEvent]
PICTURE = PictureSize(1280, 720, 1920)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)


@pytest.fixture
def client(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture
async def store(client: redis.Redis, redis_url: str) -> AsyncIterator[CoverageStore]:
    assert client.dbsize() == 0
    async with coverage_store.connect(Settings(redis_url=redis_url, coverage_days=3)) as store:
        yield store


@given(st.builds(FaceBox, numbers, numbers, numbers, numbers))
def test_every_face_has_a_cell(face: FaceBox) -> None:
    column, row = cell_of(face)

    assert 0 <= column < COLUMNS
    assert 0 <= row < ROWS


@given(x=shares, y=shares, w=st.floats(0, 0.5), h=st.floats(0, 0.5))
def test_the_cell_is_that_of_the_face_s_centre(x: float, y: float, w: float, h: float) -> None:
    column, row = cell_of(FaceBox(x - w / 2, y - h / 2, w, h))

    assert column / COLUMNS - 1e-9 <= x <= (column + 1) / COLUMNS + 1e-9
    assert row / ROWS - 1e-9 <= y <= (row + 1) / ROWS + 1e-9


@given(x=shares, y=shares)
def test_a_mirrored_face_is_in_the_mirrored_cell(x: float, y: float) -> None:
    column, row = cell_of(FaceBox(x, y, 0, 0))
    mirrored = cell_of(FaceBox(1 - x, 1 - y, 0, 0))

    # On the line between two cells either may have it.
    assert abs(COLUMNS - 1 - column - mirrored[0]) <= (abs(x * COLUMNS - round(x * COLUMNS)) < 1e-9)
    assert abs(ROWS - 1 - row - mirrored[1]) <= (abs(y * ROWS - round(y * ROWS)) < 1e-9)


@pytest.mark.parametrize(
    ("changes", "outcome", "detail"),
    [
        ({}, "named", ""),
        ({"emotion": None, "abstained": "low-confidence"}, "low-confidence", ""),
        (
            {"emotion": None, "abstained": "small-face", "quality": Quality(11.9, 0.1, 1.0)},
            "small-face",
            "11",
        ),
        (
            {"emotion": None, "abstained": "small-face", "quality": Quality(640.0, 0.1, 1.0)},
            "small-face",
            "99",
        ),
        ({"emotion": None, "abstained": "small-face", "quality": None}, "small-face", ""),
        ({"emotion": None, "abstained": "blurred"}, "blurred", ""),
        ({"emotion": None, "abstained": "extreme-pose", "pose": Pose(-40, 5, 0)}, "extreme-pose", "left"),
        ({"emotion": None, "abstained": "extreme-pose", "pose": Pose(40, 5, 0)}, "extreme-pose", "right"),
        ({"emotion": None, "abstained": "extreme-pose", "pose": Pose(5, 30, 0)}, "extreme-pose", "up"),
        ({"emotion": None, "abstained": "extreme-pose", "pose": Pose(5, -30, 0)}, "extreme-pose", "down"),
    ],
)
def test_as_what_a_face_counts(make_event: Make, changes: dict[str, Any], outcome: str, detail: str) -> None:
    assert coverage_store.seen(make_event(**changes)) == Seen(7, 2, outcome, detail)


@pytest.mark.parametrize(
    ("face", "edge"),
    [
        (FaceBox(0.0, 0.4, 0.1, 0.2), "left"),
        (FaceBox(0.9, 0.4, 0.1, 0.2), "right"),
        (FaceBox(0.4, 0.0, 0.1, 0.2), "top"),
        (FaceBox(0.4, 0.8, 0.1, 0.2), "bottom"),
        (FaceBox(0.0, 0.0, 0.1, 0.2), "left"),
        (FaceBox(0.4, 0.4, 0.1, 0.2), ""),
    ],
)
def test_a_face_is_cut_off_by_the_edge_that_its_box_reaches(
    make_event: Make, face: FaceBox, edge: str
) -> None:
    event = make_event(face=face, emotion=None, abstained="partial-face")

    assert coverage_store.seen(event).detail == edge


async def test_counts_add_up_over_workers_and_days(store: CoverageStore, client: redis.Redis) -> None:
    left, right = Seen(0, 4, "small-face", "11"), Seen(15, 8, "named")
    client.hset(coverage_key("door", today() - timedelta(days=1)), mapping={left.field: 5, right.field: 1})

    assert (
        await store.add({"door": Counts({left: 2, right: 3}, PICTURE), "yard": Counts({left: 1}, None)}) == []
    )
    assert await store.add({"door": Counts({left: 1}, None)}) == []

    assert await store.read("door", 1) == Counts({left: 3, right: 3}, PICTURE)
    assert await store.read("door", 2) == Counts({left: 8, right: 4}, PICTURE)
    assert await store.read("attic", 9) == Counts({}, None)
    assert await store.cameras() == ["door", "yard"]
    assert 3 * 86400 - 60 < client.ttl(coverage_key("door", today())) <= 3 * 86400


async def test_nothing_to_add_asks_nothing(store: CoverageStore, client: redis.Redis) -> None:
    assert await store.add({}) == []
    assert client.dbsize() == 0


async def test_a_key_of_another_program_is_refused_and_the_others_are_counted(
    store: CoverageStore, client: redis.Redis
) -> None:
    what = Seen(1, 1, "named")
    client.set(coverage_key("odd", today()), "x")

    refusals = await store.add({"odd": Counts({what: 1}, PICTURE), "door": Counts({what: 1}, None)})

    assert {refusal.reason for refusal in refusals} == {"foreign-redis-key"}
    assert await store.read("door", 1) == Counts({what: 1}, None)
    assert await store.read("odd", 1) == Counts({}, None)


async def test_fields_that_are_not_ours_are_left_out(store: CoverageStore, client: redis.Redis) -> None:
    key, good = coverage_key("door", today()), Seen(2, 3, "blurred")
    foreign = {"16,0,named,": 1, "0,9,named,": 1, "a": 1, "0,0,NAMED,": 1, b"\xff": 1, "0,0,named,\x1b": 1}
    client.hset(
        key, mapping={good.field: 4, "0,0,named,": "-1", "1,0,named,": "9e9", "picture": "big", **foreign}
    )

    assert await store.read("door", 1) == Counts({good: 4}, None)


@pytest.mark.parametrize("camera_id", ["a", "a-b", "a.b", "A_9"])
async def test_the_pattern_finds_a_camera_s_own_keys(client: redis.Redis, camera_id: str) -> None:
    mine = {coverage_key(camera_id, today() - timedelta(days=ago)).encode() for ago in range(3)}
    for key in (*mine, coverage_key(f"{camera_id}x", today()), f"mien:{{{camera_id}}}:scene"):
        client.set(key, "x")

    assert set(client.keys(coverage_store.key_pattern(camera_id))) == mine
