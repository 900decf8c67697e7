"""The topics, in the order the data takes. Everything about a topic is said here and nowhere else."""

from typing import Final, NamedTuple, Self

COMPACTED_AFTER_MS: Final = 3600 * 1000
"""For so long every message of a topic of the present is kept, so that a stage that catches up sees what it
would have seen in time."""


class Topic(NamedTuple):
    """One topic as it should be."""

    name: str
    partitions: int
    retention_ms: int
    max_message_bytes: int
    holds: str
    """What its messages are, in words."""
    replication: int = 1
    """Copies of each partition."""
    of_the_present: bool = False
    """The newest message of a key is what is so now: older ones need not be kept as long, and Kafka's own
    clock stamps them, since whose clock is wrong is among what they tell."""

    @property
    def min_insync_replicas(self) -> int:
        """How many copies must have a message before ``acks=all`` says that Kafka has it.

        Two where there are three: no single broker's loss then loses a message, and one broker can be away.
        With two copies it stays one: else nothing could be written while one of the brokers is away.
        """
        return 2 if self.replication >= 3 else 1

    def config(self) -> dict[str, str]:
        """Topic-level configuration, as Kafka's CreateTopics takes it.

        Segments roll often enough that retention is real: Kafka deletes whole closed segments only,
        and the default segment (7 days or 1 GiB) would keep pictures far longer than promised.
        """
        config = {
            "retention.ms": str(self.retention_ms),
            "segment.ms": str(max(self.retention_ms // 4, 10_000)),
            "file.delete.delay.ms": "1000",  # not another minute on the disk after that
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(self.min_insync_replicas),
            "cleanup.policy": "delete",
        }
        if self.of_the_present:
            config |= {
                "cleanup.policy": "compact,delete",
                "min.compaction.lag.ms": str(min(COMPACTED_AFTER_MS, self.retention_ms)),
                "message.timestamp.type": "LogAppendTime",
            }
        return config


class Topics(NamedTuple):
    """All topics."""

    frames: Topic
    landmarks: Topic
    emotions: Topic
    alerts: Topic
    cameras: Topic
    verdicts: Topic
    dead_letters: Topic

    @classmethod
    def of(
        cls,
        prefix: str,
        *,
        partitions: int,
        frames_retention_ms: int,
        events_retention_ms: int,
        verdicts_retention_ms: int,
        dead_letters_retention_ms: int,
        max_frame_bytes: int,
        replication: int = 1,
    ) -> Self:
        """The topics under a prefix; ``partitions`` of each but the dead letters, which have one."""
        # Kafka counts the batch with its headers, so a frame of the largest size needs some room.
        frame_bytes = max_frame_bytes + 64 * 1024
        event_bytes = 1024 * 1024

        def topic(name: str, retention_ms: int, max_message_bytes: int, holds: str, count: int) -> Topic:
            return Topic(f"{prefix}.{name}", count, retention_ms, max_message_bytes, holds, replication)

        kept_ms, n = events_retention_ms, partitions
        refused_bytes = frame_bytes + 64 * 1024  # a refused frame has more headers
        return cls(
            topic("frames", frames_retention_ms, frame_bytes, "JPEG pictures, by camera", n),
            topic("landmarks", kept_ms, event_bytes, "faces as 128 points", n),
            topic("emotions", kept_ms, event_bytes, "explained emotion events", n),
            topic("alerts", kept_ms, event_bytes, "alerts on subjects", n),
            topic("cameras", kept_ms, event_bytes, "what is true of each camera", n)._replace(
                of_the_present=True
            ),
            topic("verdicts", verdicts_retention_ms, event_bytes, "what people say of alerts", n),
            topic("dead-letters", dead_letters_retention_ms, refused_bytes, "refused messages", 1),
        )
