"""Handing tracks over: what is written when, what is taken up, and a Redis that is away."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from models.faces.engine import Roi
from models.faces.tracking import Track
from streams import metrics
from streams.errors import RedisUnavailable
from streams.messages.frame_message import Frame
from streams.store import track_note
from streams.store.camera_track_store import CameraTracks
from workers.stages import track_hand_over as module
from workers.stages import write_behind
from workers.stages.track_hand_over import FORGET_S, IDLE_S, HandOver

AT_US = 1_764_000_000_000_000
RUN = AT_US - 60_000_000


def a_track(subject_id: str = "yard:a", seen_us: int = AT_US) -> Track:
    box = np.array([70, 50, 130, 110], np.float32)
    return Track(subject_id, Roi(100.0, 80.0, 90.0, 0.1), box, seen_us, (12.0, -3.0, 0.01))


class FakeStore:
    """A store that can be away, and counts what it is asked."""

    def __init__(self) -> None:
        self.away = False
        self.records: dict[str, CameraTracks] = {}
        self.reads: list[str] = []
        self.writes: list[dict[str, CameraTracks]] = []
        self.pings = 0

    def _check(self) -> None:
        if self.away:
            raise RedisUnavailable("away")

    async def read(self, camera_id: str) -> CameraTracks | None:
        self.reads.append(camera_id)
        self._check()
        return self.records.get(camera_id)

    async def write(self, cameras: Mapping[str, CameraTracks]) -> None:
        self._check()
        self.writes.append(dict(cameras))
        self.records.update(cameras)

    async def ping(self) -> None:
        self.pings += 1
        self._check()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the worker's clock on."""
    now_s = [1000.0]
    monkeypatch.setattr("workers.stages.track_hand_over.time.monotonic", lambda: now_s[0])

    def forward(seconds: float) -> None:
        now_s[0] += seconds

    return forward


def made(store: Any) -> HandOver:
    return HandOver(store)


async def take_up(hand_over: HandOver, camera_id: str, run: int, partition: int = 0) -> tuple[Track, ...]:
    return await hand_over.take_up(frame(camera_id, run), partition)


def saw(
    hand_over: HandOver,
    camera_id: str,
    run: int,
    seq: int,
    captured_at_us: int,
    tracks: Sequence[Track],
    *,
    partition: int = 0,
    source: Literal["live", "file"] = "file",
) -> None:
    hand_over.saw(frame(camera_id, run, source), partition, seq, captured_at_us, tracks)


def frame(camera_id: str, run: int, source: Literal["live", "file"] = "file") -> Frame:
    return Frame(camera_id, 0, AT_US, (320, 240), source, "", b"", run)


async def test_the_next_worker_gets_what_the_last_one_knew(store: FakeStore) -> None:
    first, second = made(store), made(store)
    tracks = (a_track("yard:a"), a_track("yard:b", AT_US - 5))
    assert await take_up(first, "yard", RUN) == ()
    saw(first, "yard", RUN, 7, AT_US, tracks)
    await first.write()

    taken = await take_up(second, "yard", RUN)
    for was, now in zip(tracks, taken, strict=True):
        assert np.array_equal(was.box_xyxy_px, now.box_xyxy_px)
        assert now.box_xyxy_px.dtype == np.float32
        assert now.roi == was.roi
        assert now._replace(box_xyxy_px=was.box_xyxy_px) == was
    assert await take_up(second, "hall", RUN) == ()
    assert await take_up(second, "yard", RUN) == ()  # once is enough
    assert store.reads == ["yard", "yard", "hall"]


async def test_only_what_is_new_is_written(store: FakeStore) -> None:
    hand_over = made(store)
    saw(hand_over, "yard", RUN, 7, AT_US, [a_track()])
    saw(hand_over, "hall", RUN, 7, AT_US, [])
    await hand_over.write()
    await hand_over.write()
    assert [list(cameras) for cameras in store.writes] == [["yard"]]  # nobody is nothing to say
    saw(hand_over, "yard", RUN, 8, AT_US + 1, [])
    await hand_over.write()
    assert store.records["yard"] == CameraTracks(AT_US + 1, (), RUN, 8)  # but that nobody is left, is
    saw(hand_over, "yard", RUN, 9, AT_US + 2, [])
    await hand_over.write()
    assert len(store.writes) == 2


async def test_what_comes_while_it_writes_is_written_next(store: FakeStore) -> None:
    hand_over = made(store)
    saw(hand_over, "yard", RUN, 7, AT_US, [a_track()])
    write = store.write

    async def slow(cameras: Mapping[str, CameraTracks]) -> None:
        saw(hand_over, "yard", RUN, 8, AT_US + 1, [a_track("yard:b")])
        await write(cameras)

    store.write = slow  # type: ignore[method-assign]
    await hand_over.write()
    store.write = write  # type: ignore[method-assign]
    await hand_over.write()
    assert store.records["yard"].captured_at_us == AT_US + 1


async def test_a_camera_that_comes_back_is_asked_for_again(
    store: FakeStore, clock: Callable[[float], None]
) -> None:
    mine, other = made(store), made(store)
    await take_up(mine, "yard", RUN)
    saw(mine, "yard", RUN, 7, AT_US, [a_track("yard:a")])
    await mine.write()
    clock(IDLE_S + 0.1)
    assert await take_up(mine, "yard", RUN) == ()  # what is there is our own
    saw(other, "yard", RUN, 16, AT_US + 9, [a_track("yard:b")])
    await other.write()
    clock(IDLE_S - 0.1)
    assert await take_up(mine, "yard", RUN) == ()  # it was not away
    clock(IDLE_S + 0.1)
    assert [track.subject_id for track in await take_up(mine, "yard", RUN)] == ["yard:b"]


@pytest.mark.parametrize(
    ("run", "seq", "back_us", "taken"),
    [
        pytest.param(RUN, 8, 500_000, True, id="a later frame, whatever the clock says"),
        pytest.param(RUN, 7, -500_000, False, id="what is there is not later than ours"),
        pytest.param(RUN + 1, 9, -500_000, False, id="another run's are other people"),
    ],
)
async def test_the_number_of_the_frame_decides_what_is_taken_up_and_no_clock(
    store: FakeStore, clock: Callable[[float], None], run: int, seq: int, back_us: int, taken: bool
) -> None:
    mine, other = made(store), made(store)
    saw(mine, "yard", RUN, 7, AT_US, [a_track("yard:a")])
    saw(other, "yard", run, seq, AT_US - back_us, [a_track("yard:b")])
    await other.write()
    clock(IDLE_S + 0.1)
    assert [track.subject_id for track in await take_up(mine, "yard", RUN)] == ["yard:b"] * taken


async def test_what_a_release_without_runs_left_is_of_run_0(store: FakeStore) -> None:
    mine = made(store)
    saw(mine, "yard", RUN, 7, AT_US, [a_track()])
    await mine.write()
    store.records["yard"] = CameraTracks(AT_US, store.records["yard"].tracks)
    assert await take_up(made(store), "yard", RUN) == ()
    assert len(await take_up(made(store), "yard", 0)) == 1


async def test_without_redis_frames_go_on_and_wait_for_it_once(store: FakeStore) -> None:
    def failures(operation: str) -> float:
        return float(metrics.hand_over_failures_total.labels(operation)._value.get())

    hand_over = made(store)
    store.away = True
    before = failures("read"), failures("write")
    assert await take_up(hand_over, "yard", RUN) == await take_up(hand_over, "hall", RUN) == ()
    assert store.reads == ["yard"]
    await hand_over.write()
    saw(hand_over, "yard", RUN, 7, AT_US, [a_track()])
    await hand_over.write()
    assert (failures("read"), failures("write")) == (before[0] + 1, before[1] + 2)
    assert store.pings == 1

    store.away = False
    await hand_over.write()
    assert list(store.records) == ["yard"]
    await take_up(hand_over, "attic", RUN)
    assert store.reads == ["yard", "attic"]


async def test_it_is_told_once_that_redis_is_away_and_once_that_it_is_back(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Log:
        def warning(self, event: str, **_: object) -> None:
            said.append(event)

        info = warning

    monkeypatch.setattr(write_behind, "log", Log())
    hand_over = made(store)
    store.away = True
    for camera in ("a", "b", "c"):
        await take_up(hand_over, camera, RUN)
        await hand_over.write()
    store.away = False
    await hand_over.write()
    await hand_over.write()
    assert said == [
        "ids will not survive a rebalance until redis answers",
        "redis answers again: ids are handed over",
    ]


async def test_quiet_cameras_are_forgotten(store: FakeStore, clock: Callable[[float], None]) -> None:
    hand_over = made(store)
    await take_up(hand_over, "yard", RUN)
    clock(FORGET_S / 2)
    await take_up(hand_over, "hall", RUN)
    clock(FORGET_S / 2 + 1)
    hand_over.forget_quiet()
    assert list(hand_over._cameras) == ["hall"]


async def test_it_writes_by_itself(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_EVERY_S", 0.001)
    hand_over = made(store)
    saw(hand_over, "hall", RUN, 7, AT_US, [a_track()])
    async with asyncio.timeout(10), hand_over.writing():
        while not store.writes:
            await asyncio.sleep(0.001)
    assert list(store.records) == ["hall"]


async def test_when_partitions_go_all_is_written_and_asked_for_again(
    store: FakeStore, clock: Callable[[float], None]
) -> None:
    """The partition may come back at once, after another worker has followed the faces on."""
    hand_over = made(store)
    await take_up(hand_over, "yard", RUN)
    saw(hand_over, "yard", RUN, 7, AT_US, [a_track()])
    await hand_over.settle()
    assert store.records["yard"].captured_at_us == AT_US

    another = made(store)
    await take_up(another, "yard", RUN)
    saw(another, "yard", RUN, 8, AT_US + 1, [a_track(seen_us=AT_US + 1)])
    await another.settle()
    clock(IDLE_S / 10)
    (track,) = await take_up(hand_over, "yard", RUN)
    assert track.seen_us == AT_US + 1

    reads = len(store.reads)
    assert await take_up(hand_over, "yard", RUN) == ()
    assert len(store.reads) == reads


async def test_without_redis_the_note_that_was_committed_tells(store: FakeStore) -> None:
    """In the chaos run a worker slept past its session while Redis stood still: four frames had two ids."""
    mine, other = made(store), made(store)
    await take_up(mine, "yard", RUN)
    saw(mine, "yard", RUN, 7, AT_US, [a_track("yard:a")])
    note = mine.note_of(0)()
    saw(mine, "yard", RUN, 8, AT_US + 1, [a_track("yard:b")])  # not committed
    store.away = True

    other.take_notes([note])
    assert [track.subject_id for track in await take_up(other, "yard", RUN)] == ["yard:a"]
    assert await take_up(other, "yard", RUN) == ()


async def test_of_redis_and_the_note_the_later_frame_is_taken(store: FakeStore) -> None:
    for first, then in ((7, 8), (8, 7)):
        mine = made(store)
        await take_up(mine, "yard", RUN)
        saw(mine, "yard", RUN, first, AT_US, [a_track(f"yard:{first}")])
        note = mine.note_of(0)()
        store.records["yard"] = CameraTracks(AT_US, mine._cameras["yard"].record.tracks, RUN, then)  # type: ignore[union-attr]
        store.records["yard"] = _named(store.records["yard"], f"yard:{then}")
        other = made(store)
        other.take_notes([note])
        assert [track.subject_id for track in await take_up(other, "yard", RUN)] == ["yard:8"]


def _named(record: CameraTracks, subject_id: str) -> CameraTracks:
    tracks = tuple(msgspec.structs.replace(track, subject_id=subject_id) for track in record.tracks)
    return msgspec.structs.replace(record, tracks=tracks)


async def test_a_note_is_of_its_partitions_cameras_in_view_files_first(store: FakeStore) -> None:
    hand_over = made(store)
    saw(hand_over, "live", RUN, 7, AT_US, [a_track("live:a")], source="live")
    saw(hand_over, "file", RUN, 7, AT_US, [a_track("file:a")])
    saw(hand_over, "empty", RUN, 7, AT_US, [])
    saw(hand_over, "elsewhere", RUN, 7, AT_US, [a_track("elsewhere:a")], partition=1)
    note = hand_over.note_of(0)

    saw(hand_over, "file", RUN, 8, AT_US + 1, [])  # the note is of when it was asked for
    assert list(track_note.read(note())) == ["file", "live"]
    await hand_over.settle()  # what others do with our cameras from now on, we do not know
    assert track_note.read(hand_over.note_of(0)()) == {}


async def test_what_another_run_or_program_noted_changes_nothing(store: FakeStore) -> None:
    mine, other = made(store), made(store)
    saw(mine, "yard", RUN, 7, AT_US, [a_track()])
    other.take_notes([mine.note_of(0)(), "", "consumed by kcat", "\u0660" * 9])
    assert await take_up(other, "yard", RUN + 1) == ()


async def test_a_camera_that_was_forgotten_while_kafka_was_waited_for_is_noted_all_the_same(
    store: FakeStore, clock: Callable[[float], None]
) -> None:
    hand_over = made(store)
    await take_up(hand_over, "yard", RUN)
    clock(FORGET_S + 1)
    hand_over.forget_quiet()
    saw(hand_over, "yard", RUN, 7, AT_US, [a_track()])
    assert list(track_note.read(hand_over.note_of(0)())) == ["yard"]
