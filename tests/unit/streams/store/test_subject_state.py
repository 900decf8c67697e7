"""The rolling state of subjects in a real Redis, against a plain Python reference."""

import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from redis.crc import key_slot

from models.emotion import evidence
from streams.errors import AccessDenied, RedisUnavailable, SettingsInvalid
from streams.local import embedded_servers
from streams.local.child_process import free_ports
from streams.messages.emotion_event import EMOTIONS, EmotionEvent, time_of
from streams.messages.landmarks_message import Pose
from streams.settings import Settings
from streams.store import subject_state
from streams.store.subject_state import Subject, SubjectStore, state_key, window_key

Make = Callable[..., EmotionEvent]
T0_US = 1_764_000_000_000_000
RULE = evidence.EvidenceRule(
    Settings().smoothing_s, Settings().usual_s, Settings().turn_discount, Settings().sustained_odds
)
_numbers = count()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[SubjectStore]:
    """On an empty Redis, with the default settings."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    async with subject_state.connect(Settings(redis_url=redis_url)) as store:
        yield store


@pytest.fixture
def raw(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def at(make_event: Make) -> Callable[..., EmotionEvent]:
    """An event of frame ``seq``, ``seq`` seconds after T0 unless ``s`` says otherwise."""

    def at(seq: int, *, s: float | None = None, **changes: Any) -> EmotionEvent:
        us = T0_US + round((seq if s is None else s) * 1e6)
        return make_event(frame_seq=seq, captured_at=time_of(us), **changes)

    return at


def against(own: bool, event: EmotionEvent) -> EmotionEvent:
    """The event, with the subject's own neutral face or the population's as its baseline."""
    return replace(event, explanation=replace(event.explanation, baseline="subject" if own else "population"))


async def only(store: SubjectStore) -> Subject:
    (subject,) = await store.subjects()
    return subject


async def test_the_first_event_is_the_state(store: SubjectStore, at: Make) -> None:
    assert await store.apply([at(7, s=0, p={"happiness": 0.9, "neutral": 0.1})]) == [True]

    subject = await only(store)
    assert subject.subject_id == "lobby-1:7k3f"
    assert subject.camera_id == "lobby-1"
    assert subject.frame_seq == 7
    assert subject.first_seen_us == subject.last_seen_us == subject.since_us == T0_US
    assert (subject.events, subject.abstained) == (1, 0)
    assert (subject.dominant, subject.last_emotion) == ("neutral", "happiness")  # one frame is no evidence
    assert max(subject.probabilities, key=subject.probabilities.__getitem__) == "neutral"
    assert sum(subject.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert subject.window == {"happiness": 1}
    assert subject.last_confidence == 0.9
    assert subject.last_explanation == at(7).explanation


async def test_nothing_applied_is_nothing_done(store: SubjectStore) -> None:
    assert await store.apply([]) == []
    assert await store.subjects() == []


@pytest.mark.parametrize("seq", [5, 4, 0])
async def test_a_replayed_or_older_frame_changes_nothing(
    store: SubjectStore, raw: Any, at: Make, seq: int
) -> None:
    await store.apply([at(5)])
    before = (raw.hgetall(state_key("lobby-1:7k3f")), raw.zrange(window_key("lobby-1:7k3f"), 0, -1))

    assert await store.apply([at(seq, s=99, p={"anger": 1.0})]) == [False]
    assert (raw.hgetall(state_key("lobby-1:7k3f")), raw.zrange(window_key("lobby-1:7k3f"), 0, -1)) == before


async def test_duplicates_within_a_batch_count_once(store: SubjectStore, at: Make) -> None:
    assert await store.apply([at(1), at(1), at(2), at(1), at(2), at(3)]) == [
        True,
        False,
        True,
        False,
        False,
        True,
    ]
    assert (await only(store)).events == 3


async def test_a_whole_replay_gives_the_same_state(store: SubjectStore, at: Make) -> None:
    events = [at(seq, p={EMOTIONS[seq % 3]: 0.8, "fear": 0.2}) for seq in range(1, 20)]
    await store.apply(events)
    once = await only(store)

    assert await store.apply(events) == [False] * len(events)
    assert await only(store) == once


async def test_frame_numbers_of_a_clock_in_ms_keep_their_order(store: SubjectStore, at: Make) -> None:
    seq = 1_764_000_000_123

    assert await store.apply([at(seq, s=0), at(seq, s=1), at(seq + 1, s=1), at(seq, s=2)]) == [
        True,
        False,
        True,
        False,
    ]


RUN_US = T0_US - 60_000_000


async def test_the_same_file_sent_again_is_another_run_and_not_a_replay(
    store: SubjectStore, raw: Any, at: Make
) -> None:
    """Half a second later, with the same numbers; and each run's replays are fenced still."""
    first = [at(seq, s=seq / 10, run=RUN_US) for seq in range(3)]
    second = [at(seq, s=seq / 10 + 0.5, run=RUN_US + 500_000) for seq in range(3)]
    assert await store.apply([*first, *second]) == [True] * 6
    before = raw.hgetall(state_key("lobby-1:7k3f"))

    assert await store.apply([*second, *first]) == [False] * 6
    assert raw.hgetall(state_key("lobby-1:7k3f")) == before
    assert (await only(store)).window == {"happiness": 6}
    assert (before[b"run"], before[b"frame_seq"]) == (b"%d" % (RUN_US + 500_000), b"2")


async def test_two_runs_in_turn_lose_nothing(store: SubjectStore, at: Make) -> None:
    """Whatever their numbers and clocks are: two producers with one id, or one that knows no runs."""
    events = [
        at(seq, s=seconds - seq / 10, run=run)
        for n in range(5)
        for run, seq, seconds in ((RUN_US, 1000 + n, 0), (RUN_US + 9, n, 99), (0, 7 * n, 5))
    ]
    assert await store.apply(events) == [True] * 15
    assert await store.apply(events) == [False] * 15
    assert (await only(store)).events == 15


async def test_a_clock_that_was_set_back_is_no_replay(store: SubjectStore, at: Make) -> None:
    assert await store.apply([at(1, s=9, run=RUN_US), at(2, s=8.5, run=RUN_US)]) == [True, True]


async def test_a_state_of_a_release_without_runs_goes_on(store: SubjectStore, raw: Any, at: Make) -> None:
    await store.apply([at(5)])
    raw.hdel(state_key("lobby-1:7k3f"), "fence", "run")

    assert await store.apply([at(5), at(4), at(6), at(6), at(0, run=RUN_US), at(0, run=RUN_US), at(6)]) == [
        False,
        False,
        True,
        False,
        True,
        False,
        False,
    ]


async def test_of_many_runs_the_oldest_are_over_for_good(store: SubjectStore, raw: Any, at: Make) -> None:
    runs = [RUN_US + n for n in range(7)]
    assert await store.apply([at(1, run=run) for run in runs]) == [True] * 7

    again = [at(1, run=run) for run in runs]
    assert await store.apply([*again, *again]) == [False] * 14
    assert await store.apply([at(2, run=run) for run in runs]) == [False] * 3 + [True] * 4
    kept = " ".join(f"2@{run}" for run in runs[3:])
    assert raw.hget(state_key("lobby-1:7k3f"), "fence") == f"{kept} !{runs[2]}".encode()


async def test_subjects_do_not_fence_each_other(store: SubjectStore, at: Make) -> None:
    assert await store.apply([at(9), at(3, subject_id="lobby-1:aaaa")]) == [True, True]
    assert {subject.frame_seq for subject in await store.subjects()} == {3, 9}


shares = st.lists(st.floats(0, 1).map(lambda x: round(x, 6)), min_size=8, max_size=8)
gaps_s = st.sampled_from([0.0, 0.001, 0.033, 0.1, 0.25, 1.0, 7.5, 300.0])
poses = st.tuples(st.floats(-40, 40), st.floats(-40, 40))
frames = st.tuples(gaps_s, shares, poses, st.booleans(), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(frames, min_size=1, max_size=12))
async def test_the_script_gathers_evidence_as_the_reference_does(
    store: SubjectStore, at: Make, steps: list[tuple[float, list[float], tuple[float, float], bool, bool]]
) -> None:
    who = f"lobby-1:{next(_numbers)}"
    gap_s, shares, poses, own, counts = zip(*steps, strict=True)
    times_s = np.cumsum(gap_s).round(6)
    events = [
        against(
            own[i],
            at(
                i,
                s=times_s[i],
                subject_id=who,
                p=dict(zip(EMOTIONS, shares[i], strict=True)),
                pose=Pose(*poses[i], 0.0),
                **({} if counts[i] else {"emotion": None, "abstained": "blurred"}),
            ),
        )
        for i in range(len(steps))
    ]
    await store.apply(events)

    (subject,) = [subject for subject in await store.subjects() if subject.subject_id == who]
    if not any(counts):
        assert subject.probabilities == {}
        return
    expected = evidence.follow(
        RULE, *(np.array([one]) for one in (shares, poses)), times_s, np.array([own]), np.array([counts])
    )[0, -1]
    assert list(subject.probabilities.values()) == pytest.approx(expected, abs=1e-6)


async def test_what_is_set_reaches_the_script(redis_url: str, at: Make) -> None:
    chosen = {"smoothing_s": 0.7, "usual_s": 2.0, "turn_discount": 1.5, "sustained_odds": 0.3}
    answers = [{"neutral": 0.6, "fear": 0.4}, {"neutral": 0.2, "fear": 0.8}, {"neutral": 0.1, "fear": 0.9}]
    poses = [(0.0, 0.0), (15.0, -5.0), (20.0, 5.0)]
    who = f"lobby-1:{next(_numbers)}"
    async with subject_state.connect(Settings(redis_url=redis_url, **chosen)) as store:
        await store.apply(
            [
                against(i > 0, at(i, s=i / 5, subject_id=who, p=p, pose=Pose(*pose, 0.0)))
                for i, (p, pose) in enumerate(zip(answers, poses, strict=True))
            ]
        )
        (subject,) = [subject for subject in await store.subjects() if subject.subject_id == who]
    expected = evidence.follow(
        evidence.EvidenceRule(**chosen),
        np.array([[[p.get(emotion, 0.0) for emotion in EMOTIONS] for p in answers]]),
        np.array([poses]),
        np.array([0, 0.2, 0.4]),
        np.array([[False, True, True]]),
        np.ones((1, 3), np.bool_),
    )[0, -1]
    assert list(subject.probabilities.values()) == pytest.approx(expected, abs=1e-6)


async def test_a_state_of_an_older_version_begins_anew(store: SubjectStore, raw: Any, at: Make) -> None:
    await store.apply([at(1, s=0), at(2, s=0.1)])
    raw.hdel(state_key("lobby-1:7k3f"), "evidence")
    raw.hset(state_key("lobby-1:7k3f"), "smoothed", "0.1,0.9,0,0,0,0,0,0")
    await store.apply([at(3, s=0.2)])
    after = await only(store)
    await store.apply([at(1, subject_id="lobby-1:new")])
    new = (await store.subjects())[-1]

    assert (after.events, new.events) == (3, 1)
    assert after.probabilities == new.probabilities


async def test_dominant_changes_when_the_smoothed_one_does_and_since_tells_when(
    store: SubjectStore, at: Make
) -> None:
    told = []
    names = ["neutral"] * 10 + ["anger"] + ["neutral"] * 9 + ["anger"] * 15 + ["neutral"] * 15
    for seq, emotion in enumerate(names):
        await store.apply([at(seq, s=seq / 10, p={"neutral": 0.02, "anger": 0.01, emotion: 0.95})])
        subject = await only(store)
        assert subject.since_us is not None
        assert subject.last_emotion == emotion
        told.append((subject.dominant, (subject.since_us - T0_US) / 1e6))

    assert set(told[:20]) == {("neutral", 0.0)}  # one odd frame changes nothing
    angry_s = told[34][1]
    assert told[34][0] == "anger"
    assert 2.2 <= angry_s <= 2.8
    assert told[-1][0] == "neutral"
    assert 3.5 <= told[-1][1] <= 3.9


async def test_an_abstained_event_is_seen_but_not_believed(store: SubjectStore, at: Make) -> None:
    await store.apply([at(1, p={"neutral": 1.0})])
    before = await only(store)
    await store.apply([at(2, p={"anger": 1.0}, emotion=None, abstained="blurred")])
    after = await only(store)

    assert (after.events, after.abstained, after.frame_seq) == (2, 1, 2)
    assert after.last_seen_us == before.last_seen_us + 1_000_000
    assert after.last_emotion is None
    assert (after.dominant, after.since_us) == (before.dominant, before.since_us)
    assert after.probabilities == before.probabilities
    assert after.window == before.window


async def test_a_subject_that_only_abstained_has_no_emotion_yet(store: SubjectStore, at: Make) -> None:
    await store.apply([at(1, emotion=None, abstained="small-face")])
    subject = await only(store)

    assert (subject.dominant, subject.since_us, subject.last_emotion) == (None, None, None)
    assert (subject.probabilities, subject.window) == ({}, {})


async def test_the_window_holds_the_last_60_s(store: SubjectStore, at: Make) -> None:
    await store.apply([at(seq, p={"anger": 1.0}) for seq in (0, 1, 2)])
    await store.apply([at(30, p={"fear": 1.0}), at(60, p={"fear": 1.0})])
    assert (await only(store)).window == {"anger": 2, "fear": 2}  # the one of 60 s ago has just gone

    await store.apply([at(200, emotion=None, abstained="blurred")])
    assert (await only(store)).window == {}


async def test_equal_emotions_at_one_time_are_all_counted(store: SubjectStore, at: Make) -> None:
    await store.apply([at(seq, s=1) for seq in (1, 2, 3)])

    assert (await only(store)).window == {"happiness": 3}


async def test_every_key_is_ours_expires_and_lies_in_its_subjects_slot(
    store: SubjectStore, raw: Any, at: Make
) -> None:
    ids = ["lobby-1:7k3f", "lobby-1:aaaa", "yard:7k3f"]
    await store.apply([at(1, subject_id=who) for who in ids])
    await store.apply([at(2, subject_id=ids[0], emotion=None, abstained="blurred")])

    keys = raw.keys("*")
    of_subjects = [key for key in keys if not key.startswith(b"mien:{state}:worker:")]
    assert len(keys) == len(of_subjects) + 1
    assert sorted(of_subjects) == sorted(
        f"mien:{{{who}}}:{kind}".encode() for who in ids for kind in ("state", "window")
    )
    assert all(0 < raw.ttl(key) <= Settings().subject_ttl_s for key in keys)
    assert all(raw.ttl(key) > Settings().subject_ttl_s - 60 for key in keys)
    for who in ids:
        assert key_slot(state_key(who).encode()) == key_slot(window_key(who).encode())


async def test_each_event_renews_the_time_to_live(store: SubjectStore, raw: Any, at: Make) -> None:
    await store.apply([at(1)])
    for key in raw.keys("*"):
        raw.expire(key, 5)
    await store.apply([at(2)])

    assert all(raw.ttl(key) > 5 for key in raw.keys("*"))


async def test_a_replay_keeps_nobody_alive(store: SubjectStore, raw: Any, at: Make) -> None:
    await store.apply([at(1)])
    raw.expire(state_key("lobby-1:7k3f"), 5)
    await store.apply([at(1)])

    assert raw.ttl(state_key("lobby-1:7k3f")) <= 5


async def test_subjects_of_one_camera_and_in_order(store: SubjectStore, at: Make) -> None:
    for camera, name, s in [
        ("b", "late", 9),
        ("b", "early", 1),
        ("a", "x", 5),
        ("b.2", "y", 0),
        ("bb", "z", 0),
    ]:
        await store.apply([at(1, s=s, camera_id=camera, subject_id=f"{camera}:{name}")])

    assert [subject.subject_id for subject in await store.subjects("b")] == ["b:early", "b:late"]
    assert [s.subject_id for s in await store.subjects()] == ["a:x", "b:early", "b:late", "b.2:y", "bb:z"]
    assert await store.subjects("nowhere") == []


@pytest.mark.parametrize("camera", ["*", "lobb?-1", "[a-z]", "a-c", "\\", "^a", "a]b"])
async def test_a_camera_id_is_no_pattern(store: SubjectStore, at: Make, camera: str) -> None:
    await store.apply([at(1, camera_id="lobby-1", subject_id="lobby-1:x")])
    await store.apply([at(1, camera_id="b", subject_id="b:x")])
    await store.apply([at(1, camera_id=camera, subject_id=f"{camera}:x")])

    assert [subject.subject_id for subject in await store.subjects(camera)] == [f"{camera}:x"]


async def test_others_keys_in_the_same_redis_are_left_alone(store: SubjectStore, raw: Any, at: Make) -> None:
    raw.set("session:42", "theirs")
    await store.apply([at(1)])

    assert len(await store.subjects()) == 1
    assert raw.get("session:42") == b"theirs"


async def test_more_subjects_than_one_scan_returns(store: SubjectStore, at: Make) -> None:
    await store.apply([at(1, subject_id=f"lobby-1:{n}") for n in range(700)])

    assert len({subject.subject_id for subject in await store.subjects("lobby-1")}) == 700


async def test_an_unreachable_redis_is_told_without_its_password(at: Make) -> None:
    (port,) = free_ports(1)
    url = f"redis://ann:hunter2@127.0.0.1:{port}/0"
    async with subject_state.connect(Settings(redis_url=url)) as store:
        for call in (store.ping(), store.apply([at(1)]), store.subjects()):
            with pytest.raises(RedisUnavailable, match=f"127.0.0.1:{port}.*MIEN_REDIS_URL") as told:
                await call
            assert "hunter2" not in str(told.value)


async def test_a_missing_socket_is_told_by_its_path() -> None:
    async with subject_state.connect(Settings(redis_url="unix:///no/redis.sock")) as store:
        with pytest.raises(RedisUnavailable, match=r"Redis at its socket .*/no/redis\.sock"):
            await store.ping()


@pytest.fixture(scope="module")
def locked_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A redis-server that wants the password hunter2."""
    (port,) = free_ports(1)
    folder: Path = tmp_path_factory.mktemp("redis")
    command = [
        embedded_servers.redis_server_binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
    ]
    command += ["--requirepass", "hunter2", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline_s = time.monotonic() + 10
        with redis.Redis(port=port, password="hunter2") as client:
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline_s
                    time.sleep(0.02)
        yield port
        process.terminate()


@pytest.mark.parametrize("credentials", ["", ":wrong-one@", "ann:wrong-one@"])
async def test_wrong_credentials_are_access_denied(locked_port: int, at: Make, credentials: str) -> None:
    url = f"redis://{credentials}127.0.0.1:{locked_port}/0"
    async with subject_state.connect(Settings(redis_url=url)) as store:
        for call in (store.ping(), store.apply([at(1)]), store.subjects()):
            with pytest.raises(AccessDenied, match=r"refused the credentials.*MIEN_REDIS_URL") as told:
                await call
            assert "wrong-one" not in str(told.value)


async def test_the_right_password_is_enough(locked_port: int, at: Make) -> None:
    async with subject_state.connect(
        Settings(redis_url=f"redis://:hunter2@127.0.0.1:{locked_port}/0")
    ) as store:
        assert await store.apply([at(1)]) == [True]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://ann:hunter2@localhost",
        "redis://ann:hun/ter2@localhost:6379",
        "redis://:hunter2@localhost:port/0",
        "redis://:hunter2@localhost/0?colour=blue",
        "redis://:hunter2@localhost/0?db=one",
        "redis://:hunter2@[::1",
    ],
)
async def test_a_url_that_is_none_is_a_wrong_setting_and_is_not_repeated(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_REDIS_URL") as told:
        async with subject_state.connect(Settings(redis_url=url)):
            pass
    assert "hun" not in str(told.value)
