"""What the state stage counts, and what becomes of it while Redis is away."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import redis

from streams import metrics
from streams.errors import InputRefused, RedisUnavailable
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.landmarks_message import FaceBox, PictureSize
from streams.settings import Settings
from streams.store import coverage_store
from streams.store.coverage_store import Counts, Seen
from workers.coverage import coverage_tally
from workers.coverage.coverage_tally import CoverageTally

Make = Callable[..., EmotionEvent]
LEFT, RIGHT = FaceBox(0.0, 0.5, 0.02, 0.02), FaceBox(0.97, 0.5, 0.02, 0.02)
PICTURE = PictureSize(1280, 720, 1920)


class FakeStore:
    """In place of ``CoverageStore``."""

    def __init__(self) -> None:
        self.added: list[dict[str, Counts]] = []
        self.away = False

    async def add(self, cameras: Mapping[str, Counts]) -> list[InputRefused]:
        if self.away:
            raise RedisUnavailable("away")
        self.added.append(dict(cameras))
        return []


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def tally(store: FakeStore) -> CoverageTally:
    return CoverageTally(store)  # type: ignore[arg-type]


async def test_faces_are_gathered_by_camera_and_cell_and_written_once(
    tally: CoverageTally, store: FakeStore, make_event: Make
) -> None:
    for seq in range(3):
        tally.count(make_event(camera_id="door", face=LEFT, frame_seq=seq))
    tally.count(make_event(camera_id="door", face=RIGHT, emotion=None, abstained="blurred"))
    tally.count(make_event(camera_id="yard", face=RIGHT, picture=None))
    await tally.write()
    await tally.write()

    assert store.added == [
        {
            "door": Counts({Seen(0, 4, "named"): 3, Seen(15, 4, "blurred"): 1}, PICTURE),
            "yard": Counts({Seen(15, 4, "named"): 1}, None),
        },
        {},
    ]


async def test_what_redis_did_not_confirm_is_not_added_again(
    tally: CoverageTally, store: FakeStore, make_event: Make
) -> None:
    store.away = True
    tally.count(make_event(camera_id="door"))
    await tally.write()
    store.away = False
    tally.count(make_event(camera_id="door", frame_seq=8))
    await tally.write()

    assert store.added == [{"door": Counts({Seen(7, 2, "named"): 1}, PICTURE)}]


async def test_that_faces_are_missing_is_told_once_and_how_many_when_it_is_over(
    tally: CoverageTally, store: FakeStore, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def warning(self, event: str, **values: Any) -> None:
            told.append((event, values))

        info = warning

    monkeypatch.setattr(coverage_tally, "log", Log())
    for away in (True, True, False, False):
        store.away = away
        tally.count(make_event(camera_id="door"))
        await tally.write()

    assert told == [
        ("faces will be missing in the coverage", {"error": "away"}),
        ("faces are counted in the coverage again", {"n_missing": 2}),
    ]


async def test_a_user_without_the_right_to_it_counts_nothing_and_stops_nothing(
    redis_url: str, make_event: Make
) -> None:
    with redis.Redis.from_url(redis_url) as admin:
        admin.acl_setuser(
            "older", enabled=True, passwords=["+x"], keys=["mien:{*}:state"], commands=["+@all"]
        )
    try:
        async with coverage_store.connect(
            Settings(redis_url=redis_url.replace("://", "://older:x@"))
        ) as mine:
            tally = CoverageTally(mine)
            tally.count(make_event(camera_id="denied"))
            await tally.write()
            assert tally._missing == 1
    finally:
        with redis.Redis.from_url(redis_url) as admin:
            admin.acl_deluser("older")


async def test_the_probe_still_faces_and_cameras_beyond_the_most_are_not_counted(
    tally: CoverageTally, store: FakeStore, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "CAMERAS_MAX", 0)
    tally.count(make_event(camera_id="one-too-many"))
    monkeypatch.undo()
    tally.count(make_event(camera_id=PROBE_CAMERA))
    tally.count(make_event(camera_id="poster", still=True))
    await tally.write()

    assert store.added == [{}]


async def test_the_end_writes_what_is_left(tally: CoverageTally, store: FakeStore, make_event: Make) -> None:
    async with tally.writing():
        tally.count(make_event(camera_id="door"))

    assert store.added == [{"door": Counts({Seen(7, 2, "named"): 1}, PICTURE)}]
