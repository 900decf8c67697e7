"""`mien forget`: erases a subject or a camera from Redis, and says what Kafka still has, and for how long.

Kafka cannot take single records out of a topic that deletes by age, and Mien's all do. So what is there runs
out by itself; or, with ``--records``, everything is deleted that the same partitions hold now, of others too.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.partitioner import DefaultPartitioner
from rich.table import Table

from streams import broker, topic_state
from streams.errors import BadMessage, ServiceUnavailable, SettingsInvalid
from streams.messages.frame_message import check_camera_id
from streams.messages.landmarks_message import check_subject_id
from streams.settings import Settings
from streams.store import forgetting
from streams.topics import Topic
from workers.terminal import Terminal

_UP_TO_NOW = -1
"""Kafka's word for the end of a partition."""
_partition_of = DefaultPartitioner()


class Who(NamedTuple):
    """Whom to forget: one subject of a camera, or all of the camera's."""

    camera_id: str
    subject_id: str | None

    def __str__(self) -> str:
        return f"subject {self.subject_id}" if self.subject_id else f"camera {self.camera_id}"


class Remains(msgspec.Struct, frozen=True):
    """What one topic may still have."""

    topic: str
    holds: str
    partitions: list[int]
    """Where it lies, among the records of others."""
    deleted: bool
    """Whether all records that these partitions had were deleted."""
    gone_by: str | None
    """When the last of it is off Kafka's disks at the latest, RFC 3339; null: never, by Kafka's settings."""


class Forgotten(msgspec.Struct, frozen=True):
    """What was done."""

    subjects: list[str]
    """Whom Redis had anything of; nothing is left of them there."""
    tracks: bool
    """Whether Redis had the places of the camera's faces."""
    not_kept_again_s: int
    """For so long nothing of these subjects is written to Redis again."""
    remains: list[Remains]
    coverage: bool = False
    """Whether Redis had counts of where the camera could read faces. They are of nobody: only where the whole
    camera is to be forgotten they are erased."""


def who(subject_id: str | None, camera_id: str | None) -> Who:
    """Whom the options name.

    Raises:
        SettingsInvalid: if no subject or camera can be called so.
    """
    try:
        if subject_id is None:
            return Who(check_camera_id(camera_id or ""), None)
        camera, _, _ = check_subject_id(subject_id).rpartition(":")
        return Who(check_camera_id(camera), subject_id)
    except BadMessage as exc:
        hint = " (a subject is called CAMERA:NAME, as `mien subjects --json` shows it)" if subject_id else ""
        raise SettingsInvalid(f"{exc}{hint}") from exc


async def run(settings: Settings, chosen: Who, *, records: bool) -> Forgotten:
    """Forgets. Kafka is asked first what it keeps, so that nothing is half done if it does not answer.

    Raises:
        ServiceUnavailable: if Kafka or Redis does not answer, or does not allow it.
    """
    await broker.wait_until_ready(settings, 0, *settings.topics)
    kept_s = await _kept_at_most_s(settings)
    async with forgetting.connect(settings) as store:
        subjects = [chosen.subject_id] if chosen.subject_id else await store.subjects_of(chosen.camera_id)
        not_kept_again_s = min(kept_s[settings.topics.emotions.name], forgetting.MAX_TTL_S)
        known = await store.forget(subjects, not_kept_again_s)
        tracks = await store.forget_tracks(chosen.camera_id)
        coverage = not chosen.subject_id and await store.forget_coverage(chosen.camera_id)
    places = await _places(settings, chosen)
    if records:
        await _delete(settings, [TopicPartition(t.name, p) for t, at in places.items() for p in at])
    remains = [
        Remains(topic.name, topic.holds, at, records, _gone_by(kept_s[topic.name]))
        for topic, at in places.items()
    ]
    return Forgotten(known, tracks, round(not_kept_again_s), remains, coverage)


def show(done: Forgotten, chosen: Who, terminal: Terminal) -> None:
    """Prints what was done, and what remains."""
    terminal.print(f"{chosen}: erased from Redis ({len(done.subjects)} subjects).", highlight=False)
    hours = done.not_kept_again_s / 3600
    terminal.print(f"Nothing of them is kept there again for {hours:.1f} hours.", highlight=False)
    rows = Table("topic", "holds", "partitions", "of it", "off the disks by")
    for row in done.remains:
        rows.add_row(
            row.topic,
            row.holds,
            ", ".join(map(str, row.partitions)),
            "deleted" if row.deleted else "runs out",
            row.gone_by or "never: Kafka keeps it for ever",
        )
    terminal.print(rows)


async def _kept_at_most_s(settings: Settings) -> dict[str, float]:
    """How long each topic keeps a record, as Kafka has it; as it should be where Kafka does not tell."""
    configs = {topic.name: topic.config() for topic in settings.topics}
    try:
        found = await topic_state.look(settings, settings.topics)
        configs |= {name: actual.config for name, actual in found.items()}
    except ServiceUnavailable as exc:
        if not isinstance(exc.__cause__, IncompatibleBrokerVersion):  # the embedded broker's
            raise
    return {name: topic_state.kept_at_most_ms(config) / 1000 for name, config in configs.items()}


async def _places(settings: Settings, chosen: Who) -> dict[Topic, list[int]]:
    """The partitions that hold something of them: by camera, or by subject, or any."""
    topics = settings.topics
    async with broker.admin(settings) as admin:
        described = await admin.describe_topics([topic.name for topic in topics])
    counts = {row["topic"]: len(row["partitions"]) for row in described}

    def of(topic: Topic, key: str | None) -> list[int]:
        everything = list(range(counts[topic.name]))
        return everything if key is None else [_partition_of(key.encode(), everything, everything)]

    return {
        topics.frames: of(topics.frames, chosen.camera_id),
        topics.landmarks: of(topics.landmarks, chosen.camera_id),
        topics.emotions: of(topics.emotions, chosen.subject_id),
        topics.cameras: of(topics.cameras, chosen.camera_id),
        topics.dead_letters: of(topics.dead_letters, None),
    }


async def _delete(settings: Settings, places: Iterable[TopicPartition]) -> None:
    async with broker.admin(settings) as admin:
        await admin.delete_records({place: RecordsToDelete(_UP_TO_NOW) for place in places})


def _gone_by(kept_s: float) -> str | None:
    if kept_s == float("inf"):
        return None
    return datetime.fromtimestamp(time.time() + kept_s, UTC).isoformat(timespec="seconds")
