"""Topics: their names, and that a frame of the largest size gets through and is really deleted in time."""

from streams.settings import Settings
from streams.topics import Topics


def topics(**changes: int | str) -> Topics:
    return Settings(**changes).topics


def test_names_are_the_contract() -> None:
    assert [topic.name for topic in topics()] == [
        "mien.frames",
        "mien.landmarks",
        "mien.emotions",
        "mien.alerts",
        "mien.cameras",
        "mien.verdicts",
        "mien.dead-letters",
    ]


def test_the_prefix_is_a_setting() -> None:
    assert {topic.name.partition(".")[0] for topic in topics(topic_prefix="site-a")} == {"site-a"}


def test_partitions_share_the_work_and_dead_letters_need_one() -> None:
    assert [topic.partitions for topic in topics(topic_partitions=5)] == [5, 5, 5, 5, 5, 5, 1]


def test_pictures_are_kept_for_a_minute_and_refused_ones_by_their_own_limit() -> None:
    ours = topics(
        frames_retention_ms=90_000,
        events_retention_ms=5_000,
        verdicts_retention_ms=6_000,
        dead_letters_retention_ms=7_000,
    )

    assert [topic.config()["retention.ms"] for topic in ours] == ["90000", *["5000"] * 4, "6000", "7000"]
    assert topics().frames.config()["retention.ms"] == "60000"


def test_segments_close_well_before_the_retention_ends() -> None:
    """Kafka deletes closed segments only, and closes them after 7 days unless told otherwise."""
    for topic in topics():
        config = topic.config()
        assert int(config["segment.ms"]) * 2 <= int(config["retention.ms"])
        assert "delete" in config["cleanup.policy"].split(",")
        assert int(config["file.delete.delay.ms"]) <= 10_000  # Kafka leaves deleted files for a minute


def test_of_what_is_true_of_cameras_the_newest_is_kept_an_hour_of_all_and_kafka_stamps_it() -> None:
    ours = topics(events_retention_ms=24 * 3600 * 1000)

    config = ours.cameras.config()
    assert config["cleanup.policy"] == "compact,delete"
    assert config["min.compaction.lag.ms"] == str(3600 * 1000)
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert [topic.name for topic in ours if topic.of_the_present] == ["mien.cameras"]
    assert topics(events_retention_ms=5_000).cameras.config()["min.compaction.lag.ms"] == "5000"


def test_the_largest_frame_fits_with_its_headers_and_its_dead_letter_too() -> None:
    ours = topics(max_frame_bytes=1_000_000)

    assert int(ours.frames.config()["max.message.bytes"]) >= 1_000_000 + 10_000
    assert ours.dead_letters.max_message_bytes >= ours.frames.max_message_bytes + 10_000


def test_with_three_copies_two_must_have_a_message_and_one_may_be_away() -> None:
    """What ``acks=all`` is worth: of a single copy in sync it says that Kafka has the message."""
    by_replication = {n: topics(topic_replication=n).frames for n in (1, 2, 3, 5)}

    assert {n: int(t.config()["min.insync.replicas"]) for n, t in by_replication.items()} == {
        1: 1, 2: 1, 3: 2, 5: 2,
    }  # fmt: skip
