"""What a chaos run breaks: real brokers, a Redis with its replica, proxies before all of them, and the crew.

cameras, workers → proxies → brokers, Redis
watcher → brokers' internal listener      (so that it sees what the cut ones do not)
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from models.faces.pictures import encode_jpeg
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams import broker
from streams.local.child_process import free_ports
from streams.local.kafka_cluster import KafkaCluster
from streams.local.kafka_jars import fetch_jars
from streams.settings import Settings
from workers.chaos import camera_clock, small_disk
from workers.chaos.camera_clock import CameraClock
from workers.chaos.crew import Crew
from workers.chaos.redis_pair import RedisPair
from workers.chaos.small_disk import SmallDisk
from workers.chaos.tcp_proxy import Network, TcpProxy
from workers.local.chain import one_camera_a_partition

SESSION_TIMEOUT_S = 6
"""The least that Kafka allows: a round is over sooner."""
FRAMES_RETENTION_MS = 3_600_000
"""A run asks what faults lose, not what retention does."""
PICTURES, SIZE_PX, PICTURE_FPS, JPEG_QUALITY = 60, (320, 240), 10, 85
SMALL_DISK_NODE = 0
MEMORY_FOR_THREE_MIB = 5_000


class Cluster:
    """Use `running`."""

    def __init__(
        self,
        settings: Settings,
        kafka: KafkaCluster,
        brokers: list[TcpProxy],
        redis: RedisPair,
        crew: Crew,
        disk: SmallDisk | None,
        clocks: list[CameraClock],
    ) -> None:
        self.settings = settings
        self.kafka = kafka
        self.brokers = brokers
        self.redis = redis
        self.crew = crew
        self.disk = disk
        """That of the broker `SMALL_DISK_NODE`; None where it cannot be had."""
        self.clocks = clocks

    @classmethod
    @contextmanager
    def running(
        cls,
        folder: Path,
        *,
        brokers: int,
        cameras: int,
        fps: float,
        workers: int = 2,
        code: Path | None = None,
    ) -> Iterator["Cluster"]:
        """Everything runs, every camera sends.

        Raises:
            ServiceUnavailable: if Kafka, Redis or a stage cannot be started.
        """
        fetch_jars()
        with ExitStack() as stack:
            network = stack.enter_context(Network.running())
            disk = None
            if small_disk.can_mount():
                disk = stack.enter_context(SmallDisk.mounted(folder / f"kafka-{SMALL_DISK_NODE + 1}"))
            ports = free_ports(brokers)
            proxies = [network.proxy(port) for port in ports]
            kafka = stack.enter_context(
                KafkaCluster(folder, client_ports=ports, advertised_ports=[p.port for p in proxies])
            )
            redis = stack.enter_context(RedisPair.running(folder, network))
            variables: dict[str, Any] = {
                "kafka_bootstrap_servers": ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies),
                "redis_url": redis.url,
                "topic_partitions": max(4, cameras),
                "topic_replication": brokers,
                "frames_retention_ms": FRAMES_RETENTION_MS,
                "kafka_session_timeout_s": SESSION_TIMEOUT_S,
                "subject_ttl_s": 86_400,
                "metrics_host": "127.0.0.1",
            }
            settings = Settings(**variables)
            asyncio.run(broker.create_topics(settings))
            crew = Crew(variables, folder, workers=workers, code=code)
            stack.callback(crew.kill)
            crew.start_stages()
            pictures = _pictures(folder / "pictures")
            ids = one_camera_a_partition(settings.topic_partitions, "chaos")[:cameras]
            clocks = [CameraClock(folder / f"{camera_id}.clock") for camera_id in ids]
            for camera_id, clock in zip(ids, clocks, strict=True):
                crew.add_camera(camera_id, pictures, fps, **clock.environment)
            yield cls(settings, kafka, proxies, redis, crew, disk, clocks)


def impossible_here() -> dict[str, str]:
    """Faults that this machine cannot have, with the reason."""
    reasons = {}
    if not small_disk.can_mount():
        reasons["fill-disk"] = "we may not mount a small disk (root may)"
    if not camera_clock.can_step():
        reasons["step-clock"] = "Debian's package libfaketime is not installed"
    return reasons


def brokers_that_fit() -> int:
    """Three where there is room for them, else one."""
    available_mib = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return 3 if available_mib >= MEMORY_FOR_THREE_MIB else 1


def _pictures(folder: Path) -> Path:
    """JPEG files of a face that moves, there and back again, so that it never jumps when they repeat."""
    folder.mkdir()
    animation = Animation(find_script("calm"), PICTURE_FPS, SIZE_PX, 7)
    jpegs = [encode_jpeg(animation.frame(index), JPEG_QUALITY) for index in range(PICTURES)]
    for index, jpeg in enumerate([*jpegs, *jpegs[-2:0:-1]]):
        (folder / f"{index}.jpg").write_bytes(jpeg)
    return folder
