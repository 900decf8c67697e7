"""What of a topic is not as it should be, what to do about it, and when pictures are kept for too long."""

from typing import Any

import pytest
from aiokafka.errors import IncompatibleBrokerVersion, TopicAuthorizationFailedError

from streams import broker, topic_state
from streams.errors import BrokerUnavailable, TopicsDiffer
from streams.local import embedded_servers
from streams.settings import Settings
from streams.topic_state import ActualTopic, differences, kept_at_most_ms
from streams.topics import Topic

SETTINGS = Settings(topic_partitions=4)
FRAMES = SETTINGS.topics.frames
BROKERS_DEFAULTS = {  # of Kafka 4
    "retention.ms": "604800000",
    "segment.ms": "604800000",
    "file.delete.delay.ms": "60000",
    "max.message.bytes": "1048588",
    "min.insync.replicas": "1",
    "cleanup.policy": "delete",
}


def as_wanted(topic: Topic = FRAMES, **config: str) -> ActualTopic:
    changed = {name.replace("_", "."): value for name, value in config.items()}
    return ActualTopic(topic.partitions, topic.replication, topic.config() | changed, {})


def test_a_topic_that_is_as_it_should_be_has_no_difference() -> None:
    assert [differences(topic, as_wanted(topic)) for topic in SETTINGS.topics] == [[]] * len(SETTINGS.topics)


def test_a_topic_with_the_brokers_defaults_is_told_with_all_that_differs() -> None:
    found = differences(FRAMES, ActualTopic(1, 1, BROKERS_DEFAULTS, {}))

    assert {(d.what, d.actual, d.wanted) for d in found} == {
        ("partitions", "1", "4"),
        ("retention.ms", "604800000", "60000"),
        ("segment.ms", "604800000", "15000"),
        ("file.delete.delay.ms", "60000", "1000"),
        ("max.message.bytes", "1048588", str(FRAMES.max_message_bytes)),
    }
    assert {d.remedy for d in found} == {""}  # --apply does it all


def test_partitions_cannot_be_taken_away_and_what_to_do_is_said() -> None:
    (found,) = differences(FRAMES, as_wanted()._replace(partitions=9))

    assert str(found) == "mien.frames has partitions 9, wanted 4"
    assert "MIEN_TOPIC_PARTITIONS=9" in found.remedy


def test_copies_are_not_ours_to_move_and_never_fewer_than_must_have_a_message() -> None:
    wanted = Settings(topic_replication=3).topics.frames
    (found,) = differences(wanted, as_wanted(wanted._replace(replication=1)))

    assert (found.what, found.actual, found.wanted) == ("replication", "1", "3")
    assert "MIEN_TOPIC_REPLICATION=1" in found.remedy
    # With min.insync.replicas=2 on one copy, nothing could be written.
    assert wanted.min_insync_replicas == 2


@pytest.mark.parametrize(
    ("config", "kept_ms"),
    [
        ({}, 60_000 + 15_000 + 1_000),
        ({"retention_ms": "-1"}, float("inf")),
        ({"cleanup_policy": "compact"}, float("inf")),
        ({"cleanup_policy": "compact,delete"}, 76_000),
        ({"segment_ms": "604800000"}, 60_000 + 604_800_000 + 1_000),
    ],
)
def test_how_long_a_message_stays_on_the_disk(config: dict[str, str], kept_ms: float) -> None:
    assert kept_at_most_ms(as_wanted(**config).config) == kept_ms


@pytest.fixture
def kafka_has(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets Kafka have these topics, or fail so."""

    def has(found: dict[str, ActualTopic] | Exception) -> None:
        async def look(*_: object) -> dict[str, ActualTopic]:
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(topic_state, "look", look)

    return has


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(topic_state.log, "warning", lambda text, **about: said.append({"text": text} | about))
    return said


@pytest.mark.parametrize(
    "config", [{"retention_ms": "604800000"}, {"segment_ms": "604800000"}, {"cleanup_policy": "compact"}]
)
async def test_pictures_that_would_stay_for_longer_than_promised_are_refused(
    kafka_has: Any, warnings: list[dict[str, Any]], config: dict[str, str]
) -> None:
    kafka_has({FRAMES.name: as_wanted(**config)})

    with pytest.raises(TopicsDiffer, match=r"mien\.frames keeps pictures for .*MIEN_ALLOW_LONGER") as told:
        await topic_state.check_at_start(SETTINGS, FRAMES)
    assert "not for 76 s at most" in str(told.value)
    assert [w["topic"] for w in warnings] == ["mien.frames"]


async def test_they_are_kept_if_that_is_allowed(kafka_has: Any, warnings: list[dict[str, Any]]) -> None:
    kafka_has({FRAMES.name: as_wanted(retention_ms="604800000")})
    allowed = Settings(topic_partitions=4, allow_longer_frames_retention=True)
    await topic_state.check_at_start(allowed, FRAMES)

    assert [w["differences"] for w in warnings] == [["retention.ms 604800000, wanted 60000"]]


@pytest.mark.parametrize("config", [{"retention_ms": "1000"}, {"max_message_bytes": "1048588"}, {}])
async def test_other_differences_are_only_told(
    kafka_has: Any, warnings: list[dict[str, Any]], config: dict[str, str]
) -> None:
    kafka_has({FRAMES.name: as_wanted(**config)})
    await topic_state.check_at_start(SETTINGS, FRAMES)

    assert len(warnings) == len(config)


async def test_another_topic_may_keep_what_it_holds(kafka_has: Any, warnings: list[dict[str, Any]]) -> None:
    emotions = SETTINGS.topics.emotions
    kafka_has({emotions.name: as_wanted(emotions, retention_ms="-1")})
    await topic_state.check_at_start(SETTINGS, emotions)

    assert [w["differences"] for w in warnings] == [["retention.ms -1, wanted 86400000"]]


async def test_a_user_who_may_not_ask_is_told_and_goes_on(
    kafka_has: Any, warnings: list[dict[str, Any]]
) -> None:
    kafka_has(broker.unavailable(SETTINGS, TopicAuthorizationFailedError("DESCRIBE_CONFIGS")))
    await topic_state.check_at_start(SETTINGS, FRAMES)

    ((told),) = warnings
    assert told["text"].startswith("cannot tell")
    assert "DESCRIBE_CONFIGS" in told["error"]


async def test_the_embedded_broker_has_no_settings_and_that_needs_no_word(
    warnings: list[dict[str, Any]],
) -> None:
    with embedded_servers.broker(FRAMES) as address:
        settings = Settings(kafka_bootstrap_servers=address)
        await topic_state.check_at_start(settings, FRAMES)
        with pytest.raises(BrokerUnavailable) as told:
            await topic_state.look(settings, [FRAMES])

    assert isinstance(told.value.__cause__, IncompatibleBrokerVersion)
    assert warnings == []
