"""`mien state` with a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from streams import metrics
from streams.errors import RedisUnavailable
from streams.local.child_process import free_ports
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import coverage_store, subject_state
from streams.store.coverage_store import Seen
from streams.store.subject_state import SubjectStore, state_key
from workers.coverage.coverage_tally import CoverageTally
from workers.stages import state
from workers.stages.handler import Message
from workers.stages.state import StateWorker

Make = Callable[..., EmotionEvent]


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[SubjectStore]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    async with subject_state.connect(Settings(redis_url=redis_url)) as store:
        yield store


def message(value: EmotionEvent | bytes) -> Message:
    packed = emotion_event.encode(value)[1] if isinstance(value, EmotionEvent) else value
    return Message(b"lobby-1:7k3f", packed, [], "mien.emotions", 0, 0)


def outcomes(camera: str) -> tuple[float, float]:
    return tuple(
        metrics.state_events_total.labels(camera, outcome)._value.get() for outcome in ("applied", "fenced")
    )


async def test_events_reach_redis_and_a_replay_is_fenced(
    store: SubjectStore, outlet: Any, make_event: Make
) -> None:
    worker = StateWorker(store, outlet)
    batch = [message(make_event(camera_id="replayed", frame_seq=seq)) for seq in (1, 2, 3)]
    await worker.handle(batch)
    await worker.handle(batch[1:])

    (subject,) = await store.subjects()
    assert (subject.frame_seq, subject.events, subject.last_emotion) == (3, 3, "happiness")
    assert outcomes("replayed") == (3, 2)


async def test_a_face_counts_once_in_the_coverage_however_often_its_event_comes(
    store: SubjectStore, outlet: Any, make_event: Make, redis_url: str
) -> None:
    async with coverage_store.connect(Settings(redis_url=redis_url)) as coverage:
        tally = CoverageTally(coverage)
        worker = StateWorker(store, outlet, tally)
        batch = [message(make_event(camera_id="seen", frame_seq=seq)) for seq in (1, 2, 3)]
        small = make_event(camera_id="seen", frame_seq=4, emotion=None, abstained="small-face")
        for again in range(3):
            async with tally.writing():
                await worker.handle([*batch[again:], message(small), message(b"junk")])

        counts = await coverage.read("seen", 1)

    assert counts.faces == {Seen(7, 2, "named"): 3, Seen(7, 2, "small-face", "64"): 1}


async def test_what_is_lost_under_a_running_worker_is_noticed(
    store: SubjectStore, outlet: Any, make_event: Make, redis_url: str
) -> None:
    worker = StateWorker(store, outlet)
    await worker.handle([message(make_event(frame_seq=1))])
    await worker.handle([message(make_event(frame_seq=2))])
    assert not store.watch.lost
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    await worker.handle([message(make_event(frame_seq=3))])

    assert store.watch.lost


@pytest.mark.parametrize("bad", [b"", b"junk", b"{}", b'{"event_id": 1}'])
async def test_a_bad_event_is_refused_and_the_others_are_applied(
    store: SubjectStore, outlet: Any, make_event: Make, bad: bytes
) -> None:
    await StateWorker(store, outlet).handle(
        [message(make_event(frame_seq=1)), message(bad), message(make_event(frame_seq=2))]
    )

    assert outlet.reasons == ["bad-message"]
    assert outlet.refused[0][0].value == bad
    assert (await store.subjects())[0].events == 2


async def test_an_event_whose_key_another_program_has_is_refused_and_the_others_are_applied(
    store: SubjectStore, redis_url: str, outlet: Any, make_event: Make
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(state_key("odd:x"), "x")
    batch = [
        message(make_event(camera_id="odd", subject_id=f"odd:{name}", frame_seq=1))
        for name in ("a", "x", "b")
    ]
    await StateWorker(store, outlet).handle([message(b"junk"), *batch])

    assert [(m.value, error.reason) for m, error in outlet.refused] == [
        (b"junk", "bad-message"),
        (batch[1].value, "foreign-redis-key"),
    ]
    assert outcomes("odd") == (2, 0)


async def test_while_redis_is_away_the_batch_fails_whole_and_nothing_is_refused_yet(
    outlet: Any, make_event: Make
) -> None:
    """The batch comes again and again until Redis is back: each time a dead letter would be many."""
    (port,) = free_ports(1)
    async with subject_state.connect(Settings(redis_url=f"redis://127.0.0.1:{port}")) as store:
        with pytest.raises(RedisUnavailable):
            await StateWorker(store, outlet).handle([message(b"junk"), message(make_event())])

    assert outlet.refused == []


@asynccontextmanager
async def counting(worker: StateWorker) -> AsyncIterator[Callable[[str], Any]]:
    """Runs the gauge's task; yields a function that lets it count once and reads the gauge."""
    turn: asyncio.Queue[None] = asyncio.Queue()

    async def wait(_s: float) -> None:
        await turn.get()

    async def read(camera: str) -> float:
        turn.put_nowait(None)
        for _ in range(3):
            await REAL_SLEEP(0)
        return metrics.active_subjects.labels(camera)._value.get()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state.asyncio, "sleep", wait)
        task = asyncio.ensure_future(worker.keep_counting_active())
        try:
            yield read
        finally:
            task.cancel()


REAL_SLEEP = asyncio.sleep


async def test_active_subjects_rise_and_fall_by_camera(
    store: SubjectStore, outlet: Any, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(state.time, "monotonic", lambda: now_s)
    worker = StateWorker(store, outlet)

    async def see(camera: str, *names: str) -> None:
        await worker.handle(
            [message(make_event(camera_id=camera, subject_id=f"{camera}:{name}")) for name in names]
        )

    async with counting(worker) as read:
        await see("east", "a", "b")
        await see("west", "a")
        assert (await read("east"), await read("west")) == (2, 1)

        now_s += state.ACTIVE_S - 1
        await see("east", "a")
        assert (await read("east"), await read("west")) == (2, 1)

        now_s += 2  # b and west's a were seen last 6 s ago
        assert (await read("east"), await read("west")) == (1, 0)

        now_s += state.ACTIVE_S
        assert (await read("east"), await read("west")) == (0, 0)
        assert worker._seen_at_s == {}  # nobody is kept for ever


async def test_active_subjects_of_further_cameras_are_added_up(
    store: SubjectStore, outlet: Any, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "CAMERAS_MAX", 1)
    monkeypatch.setattr(metrics, "_cameras", {"north"})
    worker = StateWorker(store, outlet)
    for camera in ("north", "made-up-1", "made-up-2"):
        await worker.handle([message(make_event(camera_id=camera, subject_id=f"{camera}:a"))])

    async with counting(worker) as read:
        assert (await read("north"), await read("other")) == (1, 2)
