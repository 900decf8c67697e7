"""`mien acls`: which user may do what in Kafka and Redis, as the commands that allow it and nothing else.

Each stage has a user of its own. So whoever gets hold of one cannot reach what the others work on: classify
never sees a picture, and a camera cannot read what others sent.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from streams.settings import Settings

Resource = Literal["topic", "group"]
Pattern = Literal["literal", "prefixed"]


_MAKE_TOPICS = ("Create", "Describe", "DescribeConfigs", "Alter", "AlterConfigs")
_OF_THE_SCRIPTS = (
    *("exists", "hmget", "zcard", "hsetnx", "hset", "hincrby", "expire", "zadd", "zremrangebyscore"),
    *("type", "hget", "rename", "del"),
)
"""What subject_state.lua and shadow_state.lua call; Redis asks for these rights too."""
_TO_KEEP_WHOLE = ("multi", "exec", "incrby", "get", "set", "script|exists")
"""A batch is one transaction, and ends with a count by which a loss is noticed."""


_TO_FORGET = (
    *("forgotten", "neutral", "state", "window"),
    *("tracks", "alerts", "alert-votes", "scene", "coverage:*"),
)


class KafkaRight(NamedTuple):
    """What a user may do with one topic or group, or with all whose names begin so."""

    user: str
    resource: Resource
    name: str
    pattern: Pattern
    operations: tuple[str, ...]
    """By their names in Kafka's protocol, as aiokafka and ``kafka-acls.sh`` know them."""


class RedisRight(NamedTuple):
    """Which commands a user may use, and on which keys."""

    user: str
    keys: tuple[str, ...]
    commands: tuple[str, ...]


class Rights(NamedTuple):
    kafka: list[KafkaRight]
    redis: list[RedisRight]


def rights(settings: Settings) -> Rights:
    """All that the processes need, and no more. Users are named as consumer groups are: ``mien-classify``."""
    return Rights(_kafka_rights(settings), _redis_rights(settings))


def _kafka_rights(settings: Settings) -> list[KafkaRight]:
    topics, group = settings.topics, settings.group
    frames, landmarks, emotions, alerts, cameras, verdicts, dead_letters = (topic.name for topic in topics)
    reads = {"landmarks": frames, "classify": landmarks, "state": emotions, "alerts": emotions}
    writes = {
        "camera": [frames if settings.frames == "publish" else landmarks, cameras],
        "landmarks": [landmarks, dead_letters],
        "classify": [emotions, dead_letters],
        "state": [dead_letters],
        "alerts": [alerts, dead_letters],
        "probe": [frames],
        "live": [verdicts],
    }
    ours = f"{settings.topic_prefix}."
    reader = "landmarks" if settings.frames == "publish" else "classify"
    found = [
        # A lossless camera waits for the workers: it looks how far they are.
        KafkaRight(group("camera"), "group", group(reader), "literal", ("Describe",)),
        KafkaRight(group("forget"), "topic", ours, "prefixed", ("Describe", "DescribeConfigs", "Delete")),
        KafkaRight(group("topics"), "topic", ours, "prefixed", _MAKE_TOPICS),
    ]
    # By no group: each worker reads all of it.
    found.append(KafkaRight(group("alerts"), "topic", cameras, "literal", ("Read",)))
    for stage, names in writes.items():
        # To see that a topic is there, and how it is set; not what is in it.
        found.append(KafkaRight(group(stage), "topic", ours, "prefixed", ("Describe", "DescribeConfigs")))
        found += [KafkaRight(group(stage), "topic", name, "literal", ("Write",)) for name in names]
    for stage, name in reads.items():
        found.append(KafkaRight(group(stage), "topic", name, "literal", ("Read",)))
        found.append(KafkaRight(group(stage), "group", group(stage), "literal", ("Read",)))
    # Asks how much waits in each group, and sees no message.
    found += [
        KafkaRight(group("keda"), "topic", ours, "prefixed", ("Describe",)),
        KafkaRight(group("keda"), "group", group(""), "prefixed", ("Describe",)),
    ]
    # It reads without a group: from now on, and nothing is committed.
    found += [
        KafkaRight(group("probe"), "topic", name, "literal", ("Read",)) for name in (landmarks, emotions)
    ]
    shown = [landmarks, emotions, alerts, cameras, verdicts, *([frames] if settings.live_frames else [])]
    found += [KafkaRight(group("live"), "topic", name, "literal", ("Read",)) for name in shown]  # likewise
    return sorted(found)


def _redis_rights(settings: Settings) -> list[RedisRight]:
    group = settings.group
    tracks, scene = "~mien:{*}:tracks", "~mien:{*}:scene"
    # With MIEN_FRAMES=none the cameras do what the landmarks stage does.
    landmarks = [RedisRight(group("landmarks"), (tracks,), ("ping", "get", "set"))]
    publishes = settings.frames == "publish"
    return [
        *(landmarks if publishes else ()),
        RedisRight(group("camera"), (scene,) if publishes else (tracks, scene), ("ping", "get", "set")),
        RedisRight(
            group("classify"),
            ("~mien:{*}:neutral", "%R~mien:{*}:forgotten"),
            ("ping", "getex", "set", "exists"),
        ),
        RedisRight(
            group("forget"),
            tuple(f"~mien:{{*}}:{kind}" for kind in _TO_FORGET),
            ("scan", "set", "del", "multi", "exec"),
        ),
        RedisRight(
            group("state"),
            # With the shadows that a rebuild makes beside them, and what is known of the state as a whole.
            # The mark of who was forgotten is read alone, but Redis takes all keys of a script for written.
            (
                "~mien:{*}:state*",
                "~mien:{*}:window*",
                "~mien:{*}:forgotten",
                "~mien:{state}:*",
                "~mien:{*}:coverage:*",
            ),
            ("ping", "evalsha", "script|load", *_TO_KEEP_WHOLE, *_OF_THE_SCRIPTS),
        ),
        RedisRight(
            group("alerts"),
            (
                "~mien:{*}:alerts",
                "~mien:{*}:alert-votes",
                "~mien:{*}:alert-claim:*",
                "~mien:{*}:active",
                "~mien:{*}:watch",
                "~mien:{*}:progress",
                "~mien:{*}:forgotten",
            ),
            (
                "ping",
                "evalsha",
                "script|load",
                "hget",
                "hset",
                "hdel",
                "hmget",
                "hgetall",
                "exists",
                "expire",
                "del",
                "set",
                "get",
                "zadd",
                "zrangebyscore",
                "zremrangebyscore",
                "zcard",
            ),
        ),
        RedisRight(group("probe"), ("%R~mien:{*}:state",), ("ping", "hget")),
        RedisRight(
            group("live"),
            tuple(f"%R~mien:{{*}}:{kind}" for kind in ("state", "window", "neutral", "coverage:*")),
            ("ping", "scan", "hgetall", "zrange", "get"),
        ),
        RedisRight(
            group("subjects"),
            ("%R~mien:{*}:state", "%R~mien:{*}:window"),
            ("ping", "scan", "hgetall", "zrange"),
        ),
        RedisRight(group("coverage"), ("%R~mien:{*}:coverage:*",), ("ping", "scan", "hgetall")),
    ]


def shell_commands(found: Sequence[KafkaRight]) -> list[str]:
    """One ``kafka-acls.sh`` for each right."""
    return [
        "kafka-acls.sh --bootstrap-server $KAFKA --command-config admin.properties --add "
        f"--allow-principal User:{right.user} {' '.join(f'--operation {o}' for o in right.operations)} "
        f"--{right.resource} {right.name} --resource-pattern-type {right.pattern}"
        for right in found
    ]


def redis_commands(found: Sequence[RedisRight], password: str = "PASSWORD") -> list[str]:  # noqa: S107  # nosec B107
    """One ``ACL SETUSER`` for each user; it may choose the database that MIEN_REDIS_URL names."""
    return [
        f"ACL SETUSER {right.user} reset on >{password} {' '.join(right.keys)} "
        + " ".join(f"+{command}" for command in ("select", *right.commands))
        for right in found
    ]


def text(found: Rights) -> str:
    """Both, as one page to read and to run line by line."""
    return "\n".join(
        [
            "# Kafka: KAFKA is a server, admin.properties signs in as somebody who may alter the cluster.",
            *shell_commands(found.kafka),
            "# Redis, in redis-cli: put a password of its own in place of each PASSWORD.",
            *redis_commands(found.redis),
        ]
    )
