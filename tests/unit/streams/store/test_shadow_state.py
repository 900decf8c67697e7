"""The state is a pure fold of its events, byte for byte: under replays, many workers, flushes, rebuilds."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.errors import RedisUnavailable
from streams.messages.emotion_event import EMOTIONS, EmotionEvent, time_of
from streams.messages.landmarks_message import Pose
from streams.settings import Settings
from streams.store import connection, subject_state
from streams.store.shadow_state import ShadowState
from streams.store.subject_state import SubjectStore, state_key, window_key

Make = Callable[..., EmotionEvent]
T0_US = 1_764_000_000_000_000
_numbers = count()


@pytest.fixture
def raw(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


class Stores(NamedTuple):
    state: SubjectStore
    settings: Settings
    client: Any

    def shadow(self) -> ShadowState:
        return ShadowState(self.client, self.settings)


@pytest.fixture
async def stores(redis_url: str, raw: Any) -> AsyncIterator[Stores]:
    assert raw.dbsize() == 0
    settings_ = Settings(redis_url=redis_url)
    async with (
        subject_state.connect(settings_) as store,
        connection.client(settings_, timeout_s=5) as client,
    ):
        yield Stores(store, settings_, client)


def kept(raw: Any, subject: str) -> tuple[Any, ...]:
    """All that Redis has of a subject's state, as bytes."""
    return raw.hgetall(state_key(subject)), raw.zrange(window_key(subject), 0, -1, withscores=True)


def folded(events: Sequence[EmotionEvent], subject: str) -> list[EmotionEvent]:
    """The subject's events without those that come again: what the state is the fold of."""
    last: dict[int, int] = {}
    once = []
    for event in events:
        if event.subject_id == subject and event.frame_seq > last.get(event.run, -1):
            last[event.run] = event.frame_seq
            once.append(event)
    return once


class Step(NamedTuple):
    """One event: how far it is ahead of the last one."""

    subject: str
    run: int
    forward: int
    gap_ms: int
    emotion: str
    counts: bool


steps = st.builds(
    Step,
    st.sampled_from("ab"),
    st.sampled_from([0, T0_US, T0_US + 7]),
    st.integers(-2, 3),
    st.integers(-400, 2000),
    st.sampled_from(EMOTIONS),
    st.booleans(),
)
reads = st.tuples(st.integers(0, 12), st.integers(1, 15))
"""A worker reads again from so far before what anybody has read, and so many."""
turns = st.lists(reads | st.just("flush") | st.integers(1, 10), max_size=18)
"""A number: a rebuild under way reads so many on."""


def log_of(make_event: Make, camera: str, of: Sequence[Step]) -> list[EmotionEvent]:
    """Kafka keeps a camera's order, so what comes late has come before: a frame that was worked on again."""
    events, seq, at_ms = [], dict[int, int](), 0
    came: dict[tuple[int, str], set[int]] = {}
    for step in of:
        at_ms += step.gap_ms
        seq[step.run] = max(0, seq.get(step.run, 0) + step.forward)
        before = came.setdefault((step.run, step.subject), set())
        if before and seq[step.run] < max(before):
            seq[step.run] = max((one for one in before if one <= seq[step.run]), default=min(before))
        before.add(seq[step.run])
        events.append(
            make_event(
                camera_id=camera,
                subject_id=f"{camera}:{step.subject}",
                run=step.run,
                frame_seq=seq[step.run],
                captured_at=time_of(T0_US + at_ms * 1000),
                p={"neutral": 0.1, step.emotion: 0.9},
                pose=Pose(at_ms % 17, 3.0, 0.0),
                **({} if step.counts else {"emotion": None, "abstained": "blurred"}),
            )
        )
    return events


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=40), turns)
async def test_whatever_happens_the_state_is_the_fold_of_the_log(
    stores: Stores, raw: Any, make_event: Make, of: list[Step], turns: list[Any]
) -> None:
    camera = f"c{next(_numbers)}"
    log = log_of(make_event, camera, of)
    subjects = {event.subject_id for event in log}
    read, shadow, shadow_read, until = 0, None, 0, 0

    async def put_in_place(shadow: ShadowState) -> bool:
        outcomes = await shadow.put_in_place(dict.fromkeys(subjects & shadow.subject_ids, 600))
        return "behind" not in outcomes.values()

    for turn in [*turns, (0, len(log)), len(log), len(log)]:
        if turn == "flush":
            for who in subjects:
                raw.delete(state_key(who), window_key(who))
            shadow, shadow_read, until = stores.shadow(), 0, read
        elif isinstance(turn, int):
            if shadow is None:
                continue
            waiting = shadow.subject_ids if shadow_read >= until else subjects
            batch = [event for event in log[shadow_read : shadow_read + turn] if event.subject_id in waiting]
            await shadow.apply(batch)
            shadow_read += turn
            if shadow_read >= until and await put_in_place(shadow):
                shadow = None
        else:
            start = max(0, read - turn[0])
            await stores.state.apply(log[start : start + turn[1]])
            read = max(read, min(start + turn[1], len(log)))
    assert shadow is None

    for who in subjects:
        alone = f"{camera}-once:{who[-1]}"
        for event in folded(log, who):
            await stores.state.apply([replace(event, subject_id=alone)])
        assert kept(raw, who) == kept(raw, alone)


async def test_a_shadow_that_has_seen_less_waits_and_then_is_put_in_place(
    stores: Stores, raw: Any, make_event: Make
) -> None:
    events = [make_event(run=T0_US, frame_seq=seq) for seq in range(6)]
    await stores.state.apply(events)
    whole = kept(raw, "lobby-1:7k3f")
    raw.flushdb()
    await stores.state.apply(events[4:])  # a worker that goes on
    shadow = stores.shadow()
    await shadow.apply(events[:4])
    who = {"lobby-1:7k3f": 77}
    partial = kept(raw, "lobby-1:7k3f")
    assert await shadow.put_in_place(who) == {"lobby-1:7k3f": "behind"}
    assert kept(raw, "lobby-1:7k3f") == partial
    await shadow.apply(events[4:])
    assert await shadow.put_in_place(who) == {"lobby-1:7k3f": "replaced"}
    assert kept(raw, "lobby-1:7k3f") == whole
    assert raw.ttl(state_key("lobby-1:7k3f")) <= 77
    assert raw.ttl(window_key("lobby-1:7k3f")) <= 77
    assert not [key for key in raw.keys("*") if b"." in key]
    assert shadow.subject_ids == set()


async def test_a_log_that_begins_later_takes_nothing_away(stores: Stores, raw: Any, make_event: Make) -> None:
    events = [make_event(frame_seq=seq) for seq in range(6)]
    await stores.state.apply(events)
    whole = kept(raw, "lobby-1:7k3f")
    shadow = stores.shadow()
    await shadow.apply(events[2:])
    assert await shadow.put_in_place({"lobby-1:7k3f": 600}) == {"lobby-1:7k3f": "less"}
    assert kept(raw, "lobby-1:7k3f") == whole
    await shadow.drop()
    assert not [key for key in raw.keys("*") if b"." in key]


async def test_what_another_program_has_put_there_is_replaced(
    stores: Stores, raw: Any, make_event: Make
) -> None:
    raw.set(state_key("lobby-1:7k3f"), "x")
    raw.set(window_key("lobby-1:7k3f"), "x")
    shadow = stores.shadow()
    await shadow.apply([make_event(frame_seq=1, emotion=None, abstained="blurred")])
    assert await shadow.put_in_place({"lobby-1:7k3f": 600}) == {"lobby-1:7k3f": "replaced"}
    assert raw.hget(state_key("lobby-1:7k3f"), "events") == b"1"
    assert not raw.exists(window_key("lobby-1:7k3f"))


async def test_two_rebuilds_at_once_do_no_harm(stores: Stores, raw: Any, make_event: Make) -> None:
    events = [make_event(frame_seq=seq) for seq in range(6)]
    one, other = stores.shadow(), stores.shadow()
    await one.apply(events)
    await other.apply(events[:3])
    assert await one.put_in_place({"lobby-1:7k3f": 600}) == {"lobby-1:7k3f": "replaced"}
    assert await other.put_in_place({"lobby-1:7k3f": 600}) == {"lobby-1:7k3f": "behind"}
    await other.apply(events[3:])
    assert await other.put_in_place({"lobby-1:7k3f": 600}) == {"lobby-1:7k3f": "replaced"}
    assert raw.hget(state_key("lobby-1:7k3f"), "events") == b"6"


async def test_shadows_are_nobodys_state_and_expire(stores: Stores, raw: Any, make_event: Make) -> None:
    await stores.shadow().apply([make_event()])
    assert await stores.state.subjects() == []
    assert len(raw.keys("*")) == 2
    assert all(0 < raw.ttl(key) <= 3600 for key in raw.keys("*"))


async def test_no_redis_is_told(make_event: Make) -> None:
    settings_ = Settings(redis_url="redis://127.0.0.1:1/0")
    async with connection.client(settings_, timeout_s=5) as client:
        shadow = ShadowState(client, settings_)
        assert await shadow.apply([]) == 0
        for call in (shadow.apply([make_event()]), shadow.put_in_place({"a:b": 1}), shadow.drop()):
            with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1"):
                await call
