"""`mien landmarks --processes`: they share the partitions of real Kafka, end together, and lose nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from harness import Chain, assert_nothing_lost, children, eventually, living

FRAMES = 40
PARTITIONS = 4


def assigned(chain: Chain) -> list[set[int]]:
    """The partitions of each member of the landmarks group."""
    group = chain.settings.group("landmarks")
    described = chain.admin.describe_consumer_groups([group])[group].result(30)
    return [{tp.partition for tp in member.assignment.topic_partitions} for member in described.members]


def test_two_processes_share_the_work_and_end_together(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    chain = make_chain(partitions=PARTITIONS)
    stages = chain.start_stages("classify", "state")
    both = chain.start("landmarks", "--processes", "2")
    eventually(lambda: sorted(map(len, assigned(chain))) == [2, 2], lambda: f"two with a share; {both.err}")
    pids = children(both.popen.pid)
    assert len(pids) == 2

    options = ["--source", str(pictures(FRAMES)), "--lossless", "--as-fast-as-possible"]
    cameras = [chain.start("camera", "--id", f"hall-{number}", *options) for number in range(4)]
    for camera in cameras:
        assert camera.wait() == 0, camera.err
    assert_nothing_lost(chain)

    assert both.end() == 0, both.err
    assert not living(pids)
    for stage in stages:
        assert stage.end() == 0, stage.err


def test_one_that_dies_ends_the_other_and_tells(make_chain: Callable[..., Chain]) -> None:
    chain = make_chain(partitions=PARTITIONS)
    both = chain.start("landmarks", "--processes", "2")
    eventually(lambda: sorted(map(len, assigned(chain))) == [2, 2], lambda: f"two with a share; {both.err}")
    pids = children(both.popen.pid)
    os.kill(min(pids), signal.SIGKILL)

    assert both.wait() == 128 + signal.SIGKILL
    assert not living(pids)
