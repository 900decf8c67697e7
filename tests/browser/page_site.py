"""A chain on embedded servers with its page, and what cameras and stages would write beside it."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from confluent_kafka import Producer
from harness import eventually
from playwright.sync_api import Page

from streams.local import child_process, embedded_servers
from streams.messages import alert, camera_truth
from streams.messages.alert import Alert, AlertEvidence
from streams.messages.camera_truth import CameraState, CameraTruth
from streams.settings import Settings
from streams.store import coverage_store
from workers.access.viewers import token_hash
from workers.local import metrics_scrape
from workers.local.chain import Chain, embedded_kafka

TOKENS = {name: f"mien_{name}-token" for name in ("anna", "ben", "root")}
ACCESS = f"""
groups:
  hall: [hall-*]
  door: [door-*]
people:
  - {{name: anna, role: reviewer, groups: [hall], token_sha256: {token_hash(TOKENS["anna"])}}}
  - {{name: ben, role: viewer, groups: [door], token_sha256: {token_hash(TOKENS["ben"])}}}
  - {{name: root, role: admin, token_sha256: {token_hash(TOKENS["root"])}}}
"""
RULES = """
rules:
  - name: smile
    emotions: [happiness]
    probability: 0.6
    for: 1s
    clear_for: 1s
    severity: info
"""
FPS = 5.0
CAMERAS = {"hall-1": "demo:smile"}
"""It smiles every six seconds."""

Open = Callable[..., Page]
"""Opens the page as somebody."""


class Redis:
    """A Redis that comes back where it was."""

    def __init__(self) -> None:
        (self.port,) = child_process.free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        server = str(embedded_servers.redis_server_binary())
        self._process = child_process.start(
            [server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Site:
    """The page, and all behind it."""

    def __init__(self, chain: Chain, redis: Redis, settings: Settings, folder: Path) -> None:
        self.chain = chain
        self.redis = redis
        (self.port,) = child_process.free_ports(1)
        self.address = f"http://localhost:{self.port}/"
        self._folder = folder
        self._topics = settings.topics
        self._producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 5})

    def start_page(self) -> None:
        (self._folder / "access.yaml").write_text(ACCESS)
        self.chain.start(
            "live", "live",
            live_port=str(self.port),
            live_access_file=str(self._folder / "access.yaml"),
            live_secret="a secret of all replicas",
            live_frames="true",
        )  # fmt: skip

    def stop_page(self) -> None:
        self.chain.stop("live")

    def wait_ready(self, name: str) -> None:
        eventually(
            lambda: metrics_scrape.get(self.chain.ports[name], "/readyz")[0] == 200,
            lambda: f"{name}: {self.chain.log_tail(name)}",
        )

    def truth(self, camera: str, state: CameraState, **measures: float) -> None:
        now = datetime.now(UTC)
        told = CameraTruth(camera, 0, now, state, now, measures)
        self._send(self._topics.cameras.name, *camera_truth.encode(told))

    def coverage(self, camera: str, faces: Mapping[str, int]) -> None:
        """So many faces of each kind, today: as the state stage counts them."""
        key = coverage_store.coverage_key(camera, coverage_store.today())
        with redis.Redis.from_url(self.redis.url) as client:
            client.hset(key, mapping=dict(faces))

    def alert(self, camera: str, rule: str) -> str:
        """An alert on several faces, which has no evidence of its own; its id."""
        started = datetime.fromtimestamp(time.time() - 5, UTC)
        identity = alert.alert_id(rule, camera, camera_truth.time_us(started))
        evidence = AlertEvidence([], 0.9, 0.8, "fear", "population", {}, [], "", "ok", [f"{camera}:x"])
        told = Alert(
            identity, rule, "critical", "firing", camera, None, started, datetime.now(UTC), "Fear, 3 faces.",
            3.0, 3.0, {}, evidence,
        )  # fmt: skip
        self._send(self._topics.alerts.name, *alert.encode(told))
        return identity

    def _send(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
        self._producer.produce(topic, value, key, headers=headers)
        assert self._producer.flush(30) == 0


@contextmanager
def running_site(folder: Path, cameras: Mapping[str, str] = CAMERAS) -> Iterator[Site]:
    """Stages, cameras with their sources, alerts on smiles, and the page."""
    (folder / "alerts.yaml").write_text(RULES)
    with ExitStack() as stack:
        redis = Redis()
        stack.callback(lambda: redis.stop())
        servers = stack.enter_context(embedded_kafka(Settings().topics)) | {"redis_url": redis.url}
        chain = Chain(servers, folder)
        stack.callback(chain.kill)
        site = Site(chain, redis, Settings(**servers), folder)
        for name in chain.stages:
            chain.start(name, name)
        chain.start("alerts", "alerts", alerts_path=str(folder / "alerts.yaml"))
        site.start_page()
        chain.wait_ready([*chain.stages, "alerts", "live"])
        for camera, source in cameras.items():
            chain.start_camera(camera, source, "--fps", str(FPS))
        yield site


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]
