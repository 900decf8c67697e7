"""Everything that the dashboards show, on this machine: the chain, a lost camera, an alert, Prometheus.

    Redis → stages, alerts, probe, page → cameras, Prometheus → an alert → a verdict on it → a refused message
    → a lost camera

Prometheus scrapes each process twice, under two namespaces, as if two Miens shared it. The second has its own
names for cameras and rules, so that whoever mixes them is seen.
"""

import asyncio
import itertools
import json
import re
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from models.faces.pictures import encode_jpeg
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams import broker
from streams.errors import ServiceUnavailable
from streams.local import embedded_servers
from streams.settings import Settings
from workers.dashboards import local_prometheus
from workers.dashboards.local_prometheus import LocalPrometheus
from workers.local import metrics_scrape
from workers.local.chain import PAGE, STAGES, Chain

CLUSTER: Final = "trial"
NAMESPACE: Final = "mien"
OTHER_NAMESPACE: Final = "other"
OTHERS_MARK: Final = "other-"
"""What the names of the second Mien's cameras and rules begin with."""

SCRAPE_INTERVAL_S: Final = 1
LOST_CAMERA: Final = "gate"
DEADLINE_S: Final = 180.0
RULES_OF_PROMETHEUS: Final = Path(__file__).parents[2] / "k8s" / "monitoring" / "rules.yaml"

_PARTITIONS: Final = 4
_FPS: Final = 5.0
_SMALL_PX: Final = (320, 240)
_CAMERAS: Final = {"lobby-1": "demo:cycle", "lobby-2": "demo:smile"}
_RULES: Final = """
rules:
  - {name: joy, emotions: [happiness, surprise], probability: 0.3, for: 500ms, clear_for: 10m, severity: info}
  - {name: distress, emotions: [fear, sadness, anger], probability: 0.5, for: 1s, severity: warning}
"""


class Trial(NamedTuple):
    """What runs."""

    prometheus: LocalPrometheus
    chain: Chain
    started_s: float


@contextmanager
def running(
    kafka: str, *, topic_prefix: str = "mien", say: Callable[[str], None] = lambda _text: None
) -> Iterator[Trial]:
    """Starts all on the Kafka at that address, waits for the alert and the lost camera, and ends all.

    Raises:
        ServiceUnavailable: if a server or stage does not start, or the alert does not fire in time.
    """
    with (
        embedded_servers.redis_server() as redis_url,
        tempfile.TemporaryDirectory(prefix="mien-trial-") as name,
        _snapshots() as snapshots,
    ):
        folder = Path(name)
        (folder / "alerts.yaml").write_text(_RULES)
        servers: dict[str, Any] = {
            "kafka_bootstrap_servers": kafka,
            "redis_url": redis_url,
            "topic_prefix": topic_prefix,
            "topic_partitions": _PARTITIONS,
        }
        settings = Settings(**servers)
        asyncio.run(broker.create_topics(settings))
        chain = Chain(servers, folder)
        say("The stages get ready …")
        with chain.running_stages():
            chain.start("alerts", "alerts", alerts_path=str(folder / "alerts.yaml"))
            chain.wait_ready(["alerts"])
            chain.start("probe", "probe", probe_fps="5")
            page = chain.start_page(0)
            chain.wait_ready([PAGE])
            for camera_id, source in {**_CAMERAS, LOST_CAMERA: snapshots.url}.items():
                chain.start_camera(camera_id, source, "--fps", str(_FPS))
            rules = _each_second(RULES_OF_PROMETHEUS.read_text())
            with local_prometheus.running(
                _scrapes(chain.ports), rules, folder, interval_s=SCRAPE_INTERVAL_S
            ) as prometheus:
                trial = Trial(prometheus, chain, time.time())
                say("Waiting for an alert on a face …")
                _wait(trial, "an alert on a face", lambda: _total(chain, "alerts", "mien_alerts_active") > 0)
                _wait(trial, "pictures of all cameras", lambda: _gives_pictures(chain, LOST_CAMERA))
                _wait(trial, "a verdict on the alert", lambda: _confirm(page))
                _send_what_is_no_frame(kafka, settings.topics.frames.name)
                snapshots.stop()
                say("Waiting until the camera is lost …")
                _wait(trial, "the lost camera", lambda: not _gives_pictures(chain, LOST_CAMERA))
                yield trial


def _wait(trial: Trial, what: str, happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not happened():
        trial.chain.check()
        if time.monotonic() > deadline_s:
            raise ServiceUnavailable(f"There is not yet {what}, after {DEADLINE_S:.0f} s.")
        time.sleep(0.2)


def _total(chain: Chain, process: str, metric: str) -> float:
    return sum(
        sample.value for sample in metrics_scrape.samples(chain.ports[process]) if sample.name == metric
    )


def _gives_pictures(chain: Chain, camera_id: str) -> bool:
    return _total(chain, camera_id, "mien_camera_up") == 1


def _confirm(page: str) -> bool:
    """Confirms every alert that is known there, as somebody would; whether there was one."""
    with urllib.request.urlopen(f"{page}/api/v1/alerts") as answer:  # noqa: S310  # nosec B310
        found = [one["alert"]["alert_id"] for one in json.load(answer)["items"]]
    if found:
        said = json.dumps({"alert_ids": found, "verdict": "confirmed"}).encode()
        asked = urllib.request.Request(  # noqa: S310
            f"{page}/api/v1/verdicts", said, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(asked).close()  # noqa: S310  # nosec B310
    return bool(found)


def _send_what_is_no_frame(bootstrap: str, topic: str) -> None:
    """Twice, apart: a counter that is born with its first value has no rate yet."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(2):
        producer.produce(topic, b"no JPEG", b"nobody")
        producer.flush(10)
        time.sleep(3 * SCRAPE_INTERVAL_S)


def _scrapes(ports: Mapping[str, int]) -> list[dict[str, Any]]:
    return [_scrape(NAMESPACE, ports, []), _scrape(OTHER_NAMESPACE, ports, _other_names())]


def _scrape(namespace: str, ports: Mapping[str, int], renaming: list[dict[str, Any]]) -> dict[str, Any]:
    targets = [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {
                "job": "mien",
                "cluster": CLUSTER,
                "namespace": namespace,
                "component": name if name in (*STAGES, "alerts", "probe", PAGE) else "camera",
            },
        }
        for name, port in ports.items()
    ]
    return {"job_name": namespace, "static_configs": targets, "metric_relabel_configs": renaming}


def _other_names() -> list[dict[str, Any]]:
    return [
        {
            "source_labels": [label],
            "regex": "(.+)" if label == "rule" else "(lobby-.+|gate)",
            "target_label": label,
            "replacement": f"{OTHERS_MARK}$1",
        }
        for label in ("camera", "rule")
    ]


def _each_second(rules: str) -> str:
    """Rules that are evaluated at every scrape: a trial is shorter than their own intervals."""
    return re.sub(r"^(\s+interval:).*$", rf"\1 {SCRAPE_INTERVAL_S}s", rules, flags=re.MULTILINE)


class _Snapshots:
    """A camera that gives one JPEG a request, until it is stopped."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_port}/snapshot.jpg"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _snapshots() -> Iterator[_Snapshots]:
    # Faces so small that no emotion is named: abstentions are shown too.
    animation = Animation(find_script("far"), _FPS, _SMALL_PX, seed=7)
    pictures = itertools.cycle([encode_jpeg(animation.frame(index), 85) for index in range(50)])
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                picture = next(pictures)
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: its requests are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    snapshots = _Snapshots(server)
    try:
        yield snapshots
    finally:
        snapshots.stop()
