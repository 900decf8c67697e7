"""Several workers share a stage: all of them work, one comes and goes, and every frame has its event."""

from collections.abc import Callable
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions
from harness import Chain, assert_nothing_lost, eventually

from workers.local.chain import one_camera_a_partition

PARTITIONS = 4
"""The third of three workers gets one only if the shares are even."""
FRAMES = 120
FPS = 5


def members(chain: Chain, stage: str) -> dict[str, set[int]]:
    """Member of the group → partitions that Kafka has assigned to it."""
    group = chain.settings.group(stage)
    described = chain.admin.describe_consumer_groups([group])[group].result(30)
    return {m.member_id: {tp.partition for tp in m.assignment.topic_partitions} for m in described.members}


def committed(chain: Chain, stage: str, topic: str) -> int:
    """How many messages of the topic the group has acknowledged."""
    group = chain.settings.group(stage)
    result = chain.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    return sum(
        tp.offset for tp in result.topic_partitions if tp.topic == f"{chain.prefix}.{topic}" and tp.offset > 0
    )


def test_workers_share_the_partitions_while_one_joins_and_leaves(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    chain = make_chain(partitions=PARTITIONS)
    started = chain.start_stages("landmarks", "landmarks", "classify", "classify", "state")
    pairs = {"landmarks": started[:2], "classify": started[2:4]}
    for stage in pairs:
        eventually(lambda stage=stage: shared(members(chain, stage), 2), f"two {stage} workers with a share")

    ids = one_camera_a_partition(PARTITIONS, "hall")
    options = ["--source", str(pictures(FRAMES)), "--lossless", "--fps", str(FPS)]
    cameras = [chain.start("camera", "--id", camera, *options) for camera in ids]
    counter = {"landmarks": ("mien_frames_total", "camera"), "classify": ("mien_emotions_total", "camera")}
    for stage, pair in pairs.items():
        for process in pair:
            eventually(
                lambda p=process, s=stage: len(p.totals(*counter[s])) == PARTITIONS // 2,
                f"each {stage} worker works for half of the cameras",
            )

    thirds = chain.start_stages("landmarks", "classify")
    for process, stage in zip(thirds, pairs, strict=True):
        eventually(
            lambda stage=stage: shared(members(chain, stage), 3), f"three {stage} workers with a share"
        )
        eventually(
            lambda p=process, s=stage: p.totals(*counter[s]).total() > 0, f"work for the third {stage} worker"
        )
    assert all(camera.running for camera in cameras)  # so frames did flow all the time
    for process, stage in zip(thirds, pairs, strict=True):
        assert process.end() == 0, process.err
        eventually(lambda stage=stage: shared(members(chain, stage), 2), f"two {stage} workers again")

    for camera in cameras:
        assert camera.wait() == 0, camera.err
    frames = chain.frames()
    assert frames == {camera: set(range(FRAMES)) for camera in ids}
    assert_nothing_lost(chain)
    eventually(
        lambda: committed(chain, "landmarks", "frames") == FRAMES * len(ids), "all frames acknowledged"
    )
    for process in [*pairs["landmarks"], *pairs["classify"]]:
        assert process.end() == 0, process.err


def shared(assignment: dict[str, set[int]], workers: int) -> bool:
    """Whether so many members hold all partitions, each at least one and none twice."""
    shares = list(assignment.values())
    return (
        len(shares) == workers
        and all(shares)
        and sum(map(len, shares)) == len(set().union(*shares)) == PARTITIONS
    )
