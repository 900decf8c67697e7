"""The stage's worker with a real Redis: what is sent, when, and once, though workers die and overlap."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from made_up_sightings import CALM, FEAR, START_US, See

from streams.errors import BrokerUnavailable, RedisUnavailable
from streams.health import Health
from streams.local.child_process import free_ports
from streams.messages import alert as alert_message
from streams.messages import emotion_event
from streams.messages.alert import Alert
from streams.settings import Settings
from streams.store import alert_store, forgetting
from streams.store.alert_store import AlertStore, Stored
from workers.alerts import alert_worker
from workers.alerts.alert_engine import Sighting
from workers.alerts.alert_worker import AlertWorker
from workers.alerts.rule_book import RuleBook
from workers.alerts.truth_timeline import TruthTimeline
from workers.stages.handler import Message, Share
from workers.stages.retrying import CONNECTIONS, RetryingProcessor
from workers.upkeep import acls

RULES = """
rules:
  - {name: fear, emotions: [fear], probability: 0.6, for: 1s, clear_for: 2s}
  - {name: crowd, emotions: [fear], probability: 0.6, for: 1s, clear_for: 2s, subjects_at_least: 2}
"""
PARTITION = 3


@pytest.fixture
def book(tmp_path: Path) -> RuleBook:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES)
    return RuleBook(path)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[AlertStore]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    async with alert_store.connect(Settings(redis_url=redis_url)) as store:
        yield store


@pytest.fixture
def make(store: AlertStore, outlet: Any, book: RuleBook) -> Callable[[], AlertWorker]:
    """A worker; several of them share Redis and what was sent."""
    return lambda: AlertWorker(Settings.model_construct(), store, outlet, book, TruthTimeline())


def messages(sightings: Sequence[Sighting]) -> list[Message]:
    return [
        Message(b"", emotion_event.encode(one.event)[1], [], "mien.emotions", PARTITION, i)
        for i, one in enumerate(sightings)
    ]


def sent(outlet: Any) -> list[Alert]:
    assert all(one.topic.name == "mien.alerts" for one in outlet.sent)
    return [alert_message.decode(one.value) for one in outlet.sent]


def told(outlet: Any) -> list[tuple[str, str]]:
    return [(alert.rule, alert.state) for alert in sent(outlet)]


def share(done_until_s: float | None = None, *partitions: int) -> Share:
    return Share(frozenset(partitions or range(8)), done_until_s)


async def test_an_alert_is_sent_once_though_its_events_come_again_to_another_worker(
    make: Callable[[], AlertWorker], outlet: Any, see: See
) -> None:
    batch = messages(see([CALM] * 10 + [FEAR] * 20 + [CALM] * 40))
    await make().handle(batch[:25])
    await make().handle(batch)
    await make().handle(batch)

    assert told(outlet) == [("fear", "firing"), ("fear", "resolved")]


async def test_a_worker_that_cannot_send_has_written_nothing(
    make: Callable[[], AlertWorker], outlet: Any, see: See
) -> None:
    batch = messages(see([FEAR] * 30))
    outlet.undelivered.append(BrokerUnavailable("away"))
    worker = make()
    with pytest.raises(BrokerUnavailable):
        await worker.handle(batch)
    await worker.handle(batch)

    first, second = sent(outlet)  # the first one did not reach Kafka
    assert first == second


async def test_a_batch_that_redis_interrupts_sends_nothing_twice(
    make: Callable[[], AlertWorker], store: AlertStore, outlet: Any, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: object) -> list[bool]:
        raise RedisUnavailable("away")

    worker, batch = make(), messages(see([FEAR] * 30))
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", away)
        with pytest.raises(RedisUnavailable):
            await worker.handle(batch)
    await worker.handle(batch)

    assert told(outlet) == [("fear", "firing")]


async def test_while_redis_is_away_nothing_is_refused_and_nothing_sent(
    outlet: Any, book: RuleBook, see: See
) -> None:
    (port,) = free_ports(1)
    async with alert_store.connect(Settings(redis_url=f"redis://127.0.0.1:{port}")) as store:
        worker = AlertWorker(Settings.model_construct(), store, outlet, book, TruthTimeline())
        with pytest.raises(RedisUnavailable):
            await worker.handle([Message(b"", b"junk", [], "t", 0, 0), *messages(see([FEAR] * 30))])

    assert (outlet.refused, outlet.sent) == ([], [])


async def test_a_bad_event_is_refused_and_the_others_count(
    make: Callable[[], AlertWorker], outlet: Any, see: See
) -> None:
    batch = messages(see([FEAR] * 30))
    batch.insert(10, Message(b"", b"junk", [], "t", 0, 0))
    await make().handle(batch)

    assert outlet.reasons == ["bad-message"]
    assert told(outlet) == [("fear", "firing")]


async def test_what_another_worker_has_written_meanwhile_is_not_taken_back(
    make: Callable[[], AlertWorker], store: AlertStore, outlet: Any, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that lost its partition in the middle of a batch reads again, and finds replays."""
    batch = messages(see([FEAR] * 30 + [CALM] * 40))
    slow, quick = make(), make()
    read, reads = store.read, 0

    async def overtaken(names: Sequence[str]) -> Any:
        nonlocal reads
        found = await read(names)
        reads += 1
        if reads == 1:
            await quick.handle(batch)
        return found

    monkeypatch.setattr(store, "read", overtaken)
    monkeypatch.setattr(alert_worker, "CONTENDED_PAUSE_S", 0.01)
    await slow.handle(batch[:30])

    assert told(outlet) == [("fear", "firing"), ("fear", "resolved")]
    state = (await read(["lobby-1:a"]))["lobby-1:a"]
    assert state.version == 1


async def test_an_alert_is_over_when_the_cameras_other_faces_have_gone_on(
    make: Callable[[], AlertWorker], outlet: Any, see: See
) -> None:
    worker = make()
    await worker.handle(messages(see([FEAR] * 30)))
    await worker.handle(messages(see([CALM] * 45, subject="b")))
    await worker.tick(share())
    assert told(outlet) == [("fear", "firing")]

    await worker.handle(messages(see([CALM] * 10, subject="b", first=45)))
    await worker.tick(share(None, 2))  # not its partition
    assert told(outlet) == [("fear", "firing")]
    await worker.tick(share())
    await worker.tick(share())
    assert told(outlet) == [("fear", "firing"), ("fear", "resolved")]


async def test_nor_does_it_fire_for_ever_where_nothing_comes_any_more(
    make: Callable[[], AlertWorker], outlet: Any, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock, and by another worker; but not while messages still wait."""
    monkeypatch.setattr(alert_worker.time, "time", lambda: 1000.0)
    await make().handle(messages(see([FEAR] * 30)))
    for done_until_s, count in ((None, 1), (900.0, 1), (1003.5, 1), (1004.5, 2), (1005.0, 2)):
        await make().tick(share(done_until_s))
        assert len(sent(outlet)) == count

    fired, resolved = sent(outlet)
    assert resolved.alert_id == fired.alert_id
    assert resolved.at == emotion_event.time_of(START_US + 29 * 100_000 + 2_000_000)


async def test_faces_of_a_camera_are_counted_together_whoever_reads_them_and_when(
    make: Callable[[], AlertWorker], outlet: Any, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker is behind by all of it: nothing is counted until it has come as far."""
    now_s = 1000.0
    monkeypatch.setattr(alert_worker.time, "time", lambda: now_s)
    one, other = make(), make()
    await one.handle(messages(see([FEAR] * 60, subject="a")))
    for tick_s in (1001.0, 1005.0, 1010.0):
        await one.tick(share(tick_s, 0, 1, 2, 3))
        await other.tick(share(990.0, 4, 5, 6, 7))
    now_s = 1010.0
    await other.handle(messages(see([FEAR] * 60, subject="b")))
    for tick_s in (1011.0, 1013.0, 1020.0):
        await one.tick(share(tick_s, 0, 1, 2, 3))
        await other.tick(share(tick_s, 4, 5, 6, 7))

    crowd = [alert for alert in sent(outlet) if alert.rule == "crowd"]
    assert [(alert.state, alert.camera_id, alert.subject_id) for alert in crowd] == [
        ("firing", "lobby-1", None),
        ("resolved", "lobby-1", None),
    ]
    assert crowd[0].evidence.subjects == ["lobby-1:a", "lobby-1:b"]


async def test_what_fires_is_told_as_a_metric_also_by_a_new_worker(
    make: Callable[[], AlertWorker], see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_worker.time, "time", lambda: 1000.0)
    gauge = alert_worker.metrics.alerts_active.labels("fear", "warning", "hall-7")
    await make().handle(messages(see([FEAR] * 30, camera="hall-7")))
    worker = make()
    await worker.tick(share())
    assert gauge._value.get() == 1
    await worker.tick(share(1100.0))
    await worker.tick(share(1100.0))
    assert gauge._value.get() == 0


async def test_every_key_expires(make: Callable[[], AlertWorker], see: See, redis_url: str) -> None:
    worker = make()
    await worker.handle(messages([*see([FEAR] * 30), *see([FEAR] * 30, subject="b")]))
    await worker.tick(share(None))
    with redis.Redis.from_url(redis_url) as client:
        left = {key.decode(): client.ttl(key) for key in client.keys("mien:*alert*")}

    assert {key.rpartition(":")[2] for key in left} >= {"alerts", "alert-votes", "active", "watch"}
    assert all(ttl > 0 for ttl in left.values()), left


async def test_of_a_forgotten_subject_nothing_is_kept_and_nothing_told(
    make: Callable[[], AlertWorker], store: AlertStore, outlet: Any, see: See, redis_url: str
) -> None:
    worker = make()
    await worker.handle(messages(see([FEAR] * 5)))
    async with forgetting.connect(Settings(redis_url=redis_url)) as forgets:
        await forgets.forget(["lobby-1:a"], 60)
    assert (await store.read(["lobby-1:a"]))["lobby-1:a"] == Stored(0, b"", forgotten=True)

    await worker.handle(messages(see([FEAR] * 60)))
    assert (await store.read(["lobby-1:a"]))["lobby-1:a"].state == b""
    assert outlet.sent == []


async def test_a_key_that_is_not_ours_refuses_its_own_events_alone(
    make: Callable[[], AlertWorker], outlet: Any, see: See, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("mien:{lobby-1:a}:alerts", "foreign")
    batch = messages([*see([FEAR] * 2), *see([FEAR] * 30, subject="b")])
    processor = RetryingProcessor(
        Settings.model_construct(), "alerts", outlet, Health(CONNECTIONS), asyncio.Event()
    )
    await processor.process(make().handle, batch)

    assert outlet.reasons == ["foreign-redis-key"] * 2
    assert told(outlet) == [("fear", "firing")]


async def test_the_rights_of_mien_acls_are_enough(
    book: RuleBook, outlet: Any, see: See, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        (line,) = (
            line
            for line in acls.redis_commands(acls.rights(Settings.model_construct()).redis, "secret-1")
            if "-alerts " in line
        )
        client.execute_command(*line.split())
        own = Settings(redis_url=redis_url.replace("//", "//mien-alerts:secret-1@"))
        async with alert_store.connect(own) as store:
            await store.ping()
            worker = AlertWorker(own, store, outlet, book, TruthTimeline())
            await worker.handle(messages([*see([FEAR] * 40), *see([FEAR] * 40, subject="b")]))
            for done_until_s in (0.0, 1e11, 2e11):
                await worker.tick(share(done_until_s))
        client.execute_command("ACL", "DELUSER", "mien-alerts")

    assert sorted(told(outlet)) == [
        ("crowd", "firing"), ("crowd", "resolved"),
        ("fear", "firing"), ("fear", "firing"), ("fear", "resolved"), ("fear", "resolved"),
    ]  # fmt: skip
