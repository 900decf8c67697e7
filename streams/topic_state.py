"""Topics as Kafka has them beside what they should be, and what makes the one the other.

A topic that exists is taken as it is, whoever made it: with a broker's defaults it keeps pictures for a week.
So `mien topics` shows what differs, and stages look at their topics when they start.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, for_code

from streams import broker, logs
from streams.errors import AccessDenied, ServiceUnavailable, SettingsInvalid, TopicMissing, TopicsDiffer
from streams.settings import Settings
from streams.topics import Topic

_SET_ON_THE_TOPIC: Final = 1
"""Kafka's ``config_source`` of what was set on the topic itself, rather than on the broker or nowhere."""
_SEEN_WITHIN_S: Final = 10.0
"""What was created or changed a moment ago is not known to every broker at once."""
_LOOK_EVERY_S: Final = 0.2

log = logs.get("mien.topics")


class ActualTopic(NamedTuple):
    """A topic as Kafka has it."""

    partitions: int
    replication: int
    """The least copies that any of its partitions has."""
    config: dict[str, str]
    """Every setting in force, wherever it comes from."""
    overrides: dict[str, str]
    """Those that were set on the topic itself."""


class Difference(msgspec.Struct, frozen=True):
    """One thing of a topic that is not as it should be."""

    topic: str
    what: str
    """``partitions``, ``replication``, or the name of a topic's setting in Kafka."""
    actual: str
    wanted: str
    remedy: str
    """What to do about it, in words; empty where `mien topics --apply` does it."""

    def __str__(self) -> str:
        return f"{self.topic} has {self.what} {self.actual}, wanted {self.wanted}"


def differences(topic: Topic, actual: ActualTopic) -> list[Difference]:
    """What of a topic is not as it should be."""
    found = []
    if actual.partitions != topic.partitions:
        fewer = (
            f"Kafka cannot take partitions away. Set MIEN_TOPIC_PARTITIONS={actual.partitions} (the dead "
            f"letters do not follow it), or delete {topic.name}, with all that it holds, and run `mien "
            "topics` again."
        )
        remedy = fewer if actual.partitions > topic.partitions else ""
        found.append((("partitions", str(actual.partitions), str(topic.partitions)), remedy))
    if actual.replication != topic.replication:
        remedy = (
            "Copies are moved by Kafka's own kafka-reassign-partitions.sh alone; or set "
            f"MIEN_TOPIC_REPLICATION={actual.replication}."
        )
        found.append((("replication", str(actual.replication), str(topic.replication)), remedy))
    for name, wanted in _wanted_config(topic, actual).items():
        is_ = actual.config.get(name, "unknown")
        if is_ != wanted:
            found.append(((name, is_, wanted), ""))
    return [Difference(topic.name, *values, remedy) for values, remedy in found]


def _wanted_config(topic: Topic, actual: ActualTopic) -> dict[str, str]:
    """For as many copies as there are: were more to have each message, nothing could be written."""
    return topic._replace(replication=actual.replication).config()


def kept_at_most_ms(config: Mapping[str, str]) -> float:
    """How long a message may stay on the disk of a topic with this configuration.

    Kafka deletes a whole segment, after all of it has become old enough, and the file a little later.
    """
    retention_ms = int(config["retention.ms"])
    if retention_ms < 0 or "delete" not in config["cleanup.policy"]:
        return float("inf")
    return retention_ms + int(config["segment.ms"]) + int(config["file.delete.delay.ms"])


async def look(settings: Settings, topics: Sequence[Topic]) -> dict[str, ActualTopic]:
    """The topics as Kafka has them, by name; those that it does not have are left out.

    Raises:
        AccessDenied: if this user may not describe topics and their configuration.
        BrokerUnavailable: if Kafka does not answer.
    """
    async with broker.admin(settings) as admin:
        return await _look(admin, topics)


async def apply(settings: Settings) -> None:
    """Corrects what can be corrected of the topics that exist: their settings, and too few partitions.

    What others set on a topic besides stays as it is.

    Raises:
        SettingsInvalid: if Kafka refuses a value.
        AccessDenied: if this user may not alter topics.
        BrokerUnavailable: if Kafka does not answer.
    """
    async with broker.admin(settings) as admin:
        found = await _look(admin, settings.topics)
        for topic in settings.topics:
            if (actual := found.get(topic.name)) is None:
                continue
            try:
                await _correct(admin, topic, actual)
            except KafkaError as exc:
                error = broker.unavailable(settings, exc)
                if exc.retriable or isinstance(error, AccessDenied):
                    raise error from exc
                raise SettingsInvalid(f"Kafka refuses to change the topic {topic.name}: {exc}") from exc


async def settled(settings: Settings, *, corrected: bool = False) -> dict[str, ActualTopic]:
    """As :func:`look`, for topics that were created or ``corrected`` a moment ago: waits until that shows.

    Raises:
        TopicMissing: if Kafka still does not show a topic.
    """
    topics = settings.topics
    for _ in range(int(_SEEN_WITHIN_S / _LOOK_EVERY_S)):
        found = await look(settings, topics)
        missing = [topic.name for topic in topics if topic.name not in found]
        left = [d for topic in topics if topic.name in found for d in differences(topic, found[topic.name])]
        if not missing and not (corrected and any(not difference.remedy for difference in left)):
            return found
        await asyncio.sleep(_LOOK_EVERY_S)
    if missing:
        raise TopicMissing(
            f"Kafka at {settings.kafka_bootstrap_servers} took the topics, but does not show "
            f"{', '.join(missing)} after {_SEEN_WITHIN_S:.0f} s. Look at its log."
        )
    return found


async def check_at_start(settings: Settings, *topics: Topic) -> None:
    """Logs what of these topics is not as it should be. Call it when Kafka has them.

    A Kafka that does not tell, because this user has no right to ask, is taken as it is, with a warning.

    Raises:
        TopicsDiffer: if pictures would be kept for longer than promised, and nobody allowed that.
    """
    try:
        found = await look(settings, topics)
    except ServiceUnavailable as exc:
        # The embedded broker of the demo has no settings of topics, and nothing stays in it.
        if not isinstance(exc.__cause__, IncompatibleBrokerVersion):
            log.warning("cannot tell whether the topics are as they should be", error=str(exc))
        return
    for topic in topics:
        if (actual := found.get(topic.name)) is None:
            continue
        if found_here := differences(topic, actual):
            log.warning(
                "topic is not as it should be: see `mien topics`",
                topic=topic.name,
                differences=[f"{d.what} {d.actual}, wanted {d.wanted}" for d in found_here],
            )
        if topic == settings.topics.frames and not settings.allow_longer_frames_retention:
            _refuse_long_kept_pictures(topic, actual)


def _refuse_long_kept_pictures(frames: Topic, actual: ActualTopic) -> None:
    is_ms, promised_ms = kept_at_most_ms(actual.config), kept_at_most_ms(frames.config())
    if is_ms <= promised_ms:
        return
    is_s = "for ever" if is_ms == float("inf") else f"for up to {is_ms / 1000:.0f} s"
    names = ("retention.ms", "segment.ms", "file.delete.delay.ms", "cleanup.policy")
    why = ", ".join(f"{name}={actual.config[name]}" for name in names)
    raise TopicsDiffer(
        f"The topic {frames.name} keeps pictures {is_s}, and not for {promised_ms / 1000:.0f} s at most as "
        f"promised ({why}). Correct it with `mien "
        "topics --apply`, set MIEN_FRAMES_RETENTION_MS to how long they may be kept, or "
        "MIEN_ALLOW_LONGER_FRAMES_RETENTION=true to work all the same."
    )


async def _look(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, ActualTopic]:
    # All topics, since a broker that is asked about a missing one by name may create it.
    described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    names = [topic.name for topic in topics if topic.name in described]
    configs = await _configs(admin, names)
    return {
        name: ActualTopic(
            len(described[name]),
            min(len(partition["replicas"]) for partition in described[name]),
            {key: value for key, (value, _) in configs[name].items()},
            {key: value for key, (value, source) in configs[name].items() if source == _SET_ON_THE_TOPIC},
        )
        for name in names
    }


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Each topic's settings: value and source."""
    if not names:
        return {}
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n) for n in names])
    found = {}
    for response in responses:
        for code, message, _, name, entries in response.resources:
            _raise_for(code, f"{name}: {message or 'its configuration cannot be read'}")
            found[name] = {key: (value, source) for key, value, _, source, *_ in entries if value is not None}
    return found


async def _correct(admin: AIOKafkaAdminClient, topic: Topic, actual: ActualTopic) -> None:
    wanted = _wanted_config(topic, actual)
    if any(actual.config.get(name) != value for name, value in wanted.items()):
        # Kafka replaces all settings of the topic by these, so the others must be among them.
        resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, actual.overrides | wanted)
        for response in await admin.alter_configs([resource]):
            for code, message, *_ in response.resources:
                _raise_for(code, f"{topic.name}: {message or 'its configuration cannot be changed'}")
    if actual.partitions < topic.partitions:
        await admin.create_partitions({topic.name: NewPartitions(topic.partitions)})


def _raise_for(code: int, message: str) -> None:
    if code:
        raise for_code(code)(message)
