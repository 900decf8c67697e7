"""The topics, in the order the data takes. Everything about a topic is said here and nowhere else."""

from typing import NamedTuple, Self


class Topic(NamedTuple):
    """One topic as it should be."""

    name: str
    partitions: int
    retention_ms: int
    max_message_bytes: int
    holds: str
    """What its messages are, in words."""

    def config(self) -> dict[str, str]:
        """Topic-level configuration, as Kafka's CreateTopics takes it.

        Segments roll often enough that retention is real: Kafka deletes whole closed segments only,
        and the default segment (7 days or 1 GiB) would keep pictures far longer than promised.
        """
        return {
            "retention.ms": str(self.retention_ms),
            "segment.ms": str(max(self.retention_ms // 4, 10_000)),
            "file.delete.delay.ms": "1000",  # not another minute on the disk after that
            "max.message.bytes": str(self.max_message_bytes),
            "cleanup.policy": "delete",
        }


class Topics(NamedTuple):
    """All topics."""

    frames: Topic
    landmarks: Topic
    emotions: Topic
    alerts: Topic
    dead_letters: Topic

    @classmethod
    def of(
        cls,
        prefix: str,
        *,
        partitions: int,
        frames_retention_ms: int,
        events_retention_ms: int,
        dead_letters_retention_ms: int,
        max_frame_bytes: int,
    ) -> Self:
        """The topics under a prefix; ``partitions`` of each but the dead letters, which have one."""
        # Kafka counts the batch with its headers, so a frame of the largest size needs some room.
        frame_bytes = max_frame_bytes + 64 * 1024
        event_bytes = 1024 * 1024
        return cls(
            Topic(
                f"{prefix}.frames", partitions, frames_retention_ms, frame_bytes, "JPEG pictures, by camera"
            ),
            Topic(f"{prefix}.landmarks", partitions, events_retention_ms, event_bytes, "faces as 128 points"),
            Topic(
                f"{prefix}.emotions", partitions, events_retention_ms, event_bytes, "explained emotion events"
            ),
            Topic(f"{prefix}.alerts", partitions, events_retention_ms, event_bytes, "alerts on subjects"),
            Topic(
                f"{prefix}.dead-letters",
                1,
                dead_letters_retention_ms,
                frame_bytes + 64 * 1024,
                "refused messages",
            ),
        )
