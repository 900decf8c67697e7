"""Who was forgotten is gone from a real Redis, and stays so."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import redis

from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from streams.store import forgetting, neutral_face_store, subject_state
from streams.store.camera_track_store import tracks_key
from streams.store.coverage_store import coverage_key, today
from streams.store.forgetting import MAX_TTL_S, Forgetting
from streams.store.neutral_face_store import NeutralFaceStore
from streams.store.shadow_state import ShadowState
from streams.store.subject_state import SubjectStore, forgotten_key

WHO, OTHER = "lobby:7k3f", "lobby:aaaa"
Make = Callable[..., EmotionEvent]


@pytest.fixture
def client(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def loaded(redis_url: str) -> Settings:
    return Settings(redis_url=redis_url)


@pytest.fixture
async def state(client: redis.Redis, loaded: Settings, make_event: Make) -> AsyncIterator[SubjectStore]:
    """Knows two subjects of one camera, and one of a camera whose name begins in the same way."""
    assert client.dbsize() == 0
    async with subject_state.connect(loaded) as store:
        for who in (WHO, OTHER, "lobby-2:x"):
            event = make_event(subject_id=who, camera_id=who.partition(":")[0], frame_seq=5)
            assert await store.apply([event]) == [True]
        yield store


@pytest.fixture
async def store(state: SubjectStore, loaded: Settings) -> AsyncIterator[Forgetting]:
    assert len(await state.subjects()) == 3
    async with forgetting.connect(loaded) as store:
        yield store


async def test_a_forgotten_subject_is_gone_and_later_events_of_it_change_nothing(
    store: Forgetting, state: SubjectStore, client: redis.Redis, make_event: Make
) -> None:
    assert await store.forget([WHO], 3600.4) == [WHO]

    assert [key for key in client.keys(f"mien:{{{WHO}}}:*") if not key.endswith(b":forgotten")] == []
    assert 3500 < client.ttl(forgotten_key(WHO)) <= 3600
    assert await state.apply([make_event(subject_id=WHO, frame_seq=seq) for seq in (1, 5, 99)]) == [False] * 3
    assert await state.apply([make_event(subject_id=OTHER, frame_seq=99)]) == [True]
    assert {subject.subject_id for subject in await state.subjects()} == {OTHER, "lobby-2:x"}


async def test_a_rebuild_does_not_make_it_again(
    store: Forgetting, state: SubjectStore, loaded: Settings, make_event: Make
) -> None:
    await store.forget([WHO], 3600)
    shadow = ShadowState(state._client, loaded)

    assert await shadow.apply([make_event(subject_id=WHO), make_event(subject_id=OTHER)]) == 1
    assert (await shadow.put_in_place({WHO: 60}))[WHO] == "less"
    assert WHO not in {subject.subject_id for subject in await state.subjects()}


async def test_its_resting_face_is_not_written_again(store: Forgetting, loaded: Settings) -> None:
    face = neutral_face_store.pack("three", np.ones((3, 3), np.float32), 1.0, 2, 3)
    async with NeutralFaceStore.connect(loaded) as faces:
        await faces.write({WHO: face, OTHER: face})
        await store.forget([WHO], 3600)
        assert set(await faces.read([WHO, OTHER])) == {OTHER}
        await faces.write({WHO: face, OTHER: face})

        assert set(await faces.read([WHO, OTHER])) == {OTHER}


async def test_the_subjects_of_a_camera_are_its_own(store: Forgetting, client: redis.Redis) -> None:
    client.set("mien:{lobby:zz}:neutral", b"x")

    assert await store.subjects_of("lobby") == sorted([WHO, OTHER, "lobby:zz"])
    assert await store.subjects_of("lobb?") == []


async def test_who_is_not_known_is_marked_all_the_same(store: Forgetting, client: redis.Redis) -> None:
    assert await store.forget(["lobby:none"], float("inf")) == []

    assert MAX_TTL_S - 60 < client.ttl(forgotten_key("lobby:none")) <= MAX_TTL_S


async def test_tracks_are_erased_once(store: Forgetting, client: redis.Redis) -> None:
    client.set(tracks_key("lobby"), b"x")

    assert [await store.forget_tracks("lobby"), await store.forget_tracks("lobby")] == [True, False]


async def test_the_coverage_of_a_camera_is_erased_of_all_days_and_no_other_camera_s(
    store: Forgetting, client: redis.Redis
) -> None:
    mine = [coverage_key("lobby", today() - timedelta(days=ago)) for ago in (0, 1, 300)]
    for key in (*mine, coverage_key("lobby-2", today())):
        client.hset(key, "0,0,named,", 1)

    assert [await store.forget_coverage("lobby"), await store.forget_coverage("lobby")] == [True, False]
    assert client.keys("*:coverage:*") == [coverage_key("lobby-2", today()).encode()]
