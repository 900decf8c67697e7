"""The state stage while Redis is full, or while another program has a subject's key."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Chain, eventually, kept, unique_prefix

from streams.local import embedded_servers
from streams.local.kafka_server import KafkaServer
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent

Make = Callable[..., EmotionEvent]


@pytest.fixture
def chain(tmp_path: Path, kafka: KafkaServer) -> Iterator[Chain]:
    """With a Redis of its own."""
    with embedded_servers.redis_server() as url:
        chain = Chain(tmp_path, kafka=kafka.bootstrap, redis_url=url, prefix=unique_prefix())
        chain.create_topics()
        yield chain
        chain.close()


def test_a_foreign_key_costs_its_events_alone_and_a_full_redis_costs_none(
    chain: Chain, make_event: Make
) -> None:
    def send(subject: str, seq: int) -> None:
        event = make_event(camera_id="door", subject_id=f"door:{subject}", frame_seq=seq)
        chain.send("emotions", event.subject_id.encode(), emotion_event.encode(event)[1])

    chain.redis.set("mien:{door:odd}:state", "x")
    (state,) = chain.start_stages("state")
    for subject in ("odd", "a", "odd", "b"):
        send(subject, 1)
    eventually(lambda: len(chain.dead_letters()) >= 2, "the dead letters")
    assert {dict(m.headers())["dead-letter-reason"] for m in chain.dead_letters()} == {b"foreign-redis-key"}
    eventually(lambda: [kept(chain, f"door:{s}") for s in ("a", "b")] == [(1, 1)] * 2, "the others' state")
    assert state.is_ready()

    chain.redis.config_set("maxmemory", 1)
    for seq in range(2, 102):
        send("a", seq)
    eventually(lambda: not state.is_ready(), "not ready")
    eventually(lambda: "tries again" in state.err, "a word in the log")
    assert kept(chain, "door:a") == (1, 1)
    chain.redis.config_set("maxmemory", 0)

    eventually(lambda: kept(chain, "door:a") == (101, 101), "all of it, in order")
    eventually(state.is_ready, "ready")
    assert len(chain.dead_letters()) == 2
    assert state.totals("mien_state_events_total", "outcome") == {"applied": 102}
