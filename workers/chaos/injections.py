"""How each fault is done: a context that breaks something when it begins and mends it at its end."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final

import redis

from streams.errors import KafkaServerUnavailable
from streams.local.kafka_server import KafkaServer
from workers.chaos.cluster import SMALL_DISK_NODE, Cluster
from workers.chaos.crew import Member
from workers.chaos.faults import Fault
from workers.chaos.group_rewind import rewind

SLOW_S = 0.3
CLOCK_STEP_S = 120.0
REWIND_EVENTS = 100
STORM_JOINS = 3
STORM_STAGES = ("landmarks", "classify")
JOIN_TIMEOUT_S = 30.0

Injection = Callable[[Cluster, Fault], AbstractContextManager[None]]


def inject(cluster: Cluster, fault: Fault) -> AbstractContextManager[None]:
    """The fault, until the context ends."""
    return _INJECTIONS[fault.name](cluster, fault)


def _one(members: Sequence[Member], fault: Fault) -> Member:
    return members[fault.which % len(members)]


def _members(cluster: Cluster, stage: str) -> Sequence[Member]:
    return cluster.crew.cameras if stage == "camera" else cluster.crew.stages[stage]


def _kill(stage: str) -> Injection:
    @contextmanager
    def killed(cluster: Cluster, fault: Fault) -> Iterator[None]:
        member = _one(_members(cluster, stage), fault)
        member.kill()
        yield
        member.start()

    return killed


def _stop(stage: str) -> Injection:
    @contextmanager
    def stopped(cluster: Cluster, fault: Fault) -> Iterator[None]:
        member = _one(_members(cluster, stage), fault)
        member.signal(signal.SIGSTOP)
        yield
        member.signal(signal.SIGCONT)

    return stopped


@contextmanager
def _rewound_state(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    workers = cluster.crew.stages["state"]
    for worker in workers:
        worker.signal(signal.SIGTERM)
    for worker in workers:
        worker.stop()
    yield
    rewind(
        cluster.kafka.internal_bootstrap,
        cluster.settings.group("state"),
        REWIND_EVENTS,
    )
    for worker in workers:
        worker.start()


@contextmanager
def _storm(cluster: Cluster, fault: Fault) -> Iterator[None]:
    for _ in range(STORM_JOINS):
        joined = [cluster.crew.join(stage) for stage in STORM_STAGES]
        try:
            deadline_s = time.monotonic() + JOIN_TIMEOUT_S
            while not all(worker.ready for worker in joined) and time.monotonic() < deadline_s:
                time.sleep(0.1)
            time.sleep(fault.hold_s)
        finally:
            for worker in joined:
                worker.stop()
    yield


def _broker(cluster: Cluster, fault: Fault) -> KafkaServer:
    return cluster.kafka.nodes[fault.which % len(cluster.kafka.nodes)]


@contextmanager
def _bounced_broker(cluster: Cluster, fault: Fault) -> Iterator[None]:
    _broker(cluster, fault).restart()
    yield


@contextmanager
def _killed_broker(cluster: Cluster, fault: Fault) -> Iterator[None]:
    node = _broker(cluster, fault)
    node.kill()
    yield
    node.start()


@contextmanager
def _full_disk(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    if cluster.disk is None:
        raise KafkaServerUnavailable("the disk of no broker can be filled here: leave out fill-disk")
    cluster.disk.fill()
    yield
    cluster.disk.make_room()
    node = cluster.kafka.nodes[SMALL_DISK_NODE]
    node.kill()  # a broker that cannot write gives up its disk, and looks at it again only at its start
    node.start()


@contextmanager
def _cut_kafka(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    for proxy in cluster.brokers:
        proxy.cut()
    yield
    for proxy in cluster.brokers:
        proxy.mend()


@contextmanager
def _slow_kafka(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    for proxy in cluster.brokers:
        proxy.delay_s = SLOW_S
    yield
    for proxy in cluster.brokers:
        proxy.delay_s = 0.0


@contextmanager
def _killed_redis(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    node = cluster.redis.primary
    node.kill()
    yield
    node.start()


@contextmanager
def _stopped_redis(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    node = cluster.redis.primary
    node.signal(signal.SIGSTOP)
    yield
    node.signal(signal.SIGCONT)


@contextmanager
def _cut_redis(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    cluster.redis.front.cut()
    yield
    cluster.redis.front.mend()


@contextmanager
def _failed_over_redis(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    cluster.redis.link.cut()  # what is written from here on, the replica never has
    yield
    cluster.redis.fail_over()
    cluster.redis.link.mend()


@contextmanager
def _flushed_redis(cluster: Cluster, _fault: Fault) -> Iterator[None]:
    with suppress(redis.TimeoutError):
        cluster.redis.primary.client.flushall()
    yield


@contextmanager
def _stepped_clock(cluster: Cluster, fault: Fault) -> Iterator[None]:
    clock = cluster.clocks[fault.which % len(cluster.clocks)]
    clock.step_to(fault.by * CLOCK_STEP_S)
    yield
    clock.step_to(0.0)


_INJECTIONS: Final[dict[str, Injection]] = {
    **{f"kill-{stage}": _kill(stage) for stage in ("landmarks", "classify", "state", "camera")},
    **{f"stop-{stage}": _stop(stage) for stage in ("landmarks", "classify", "state", "camera")},
    # A zombie is stopped for longer than its session: what makes it one is the plan's hold_s.
    **{f"zombie-{stage}": _stop(stage) for stage in ("landmarks", "classify", "state")},
    "rewind-state": _rewound_state,
    "storm": _storm,
    "bounce-broker": _bounced_broker,
    "kill-broker": _killed_broker,
    "fill-disk": _full_disk,
    "cut-kafka": _cut_kafka,
    "slow-kafka": _slow_kafka,
    "kill-redis": _killed_redis,
    "stop-redis": _stopped_redis,
    "cut-redis": _cut_redis,
    "fail-over-redis": _failed_over_redis,
    "flush-redis": _flushed_redis,
    "step-clock": _stepped_clock,
}
