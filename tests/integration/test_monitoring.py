"""Real Prometheus and Alertmanager: what goes wrong, and what faces show, comes to a pager once, and ends."""

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from confluent_kafka import Producer
from harness import Chain, Process, command, eventually
from made_up_sightings import CALM, FEAR

from streams.local import child_process
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent, time_of
from workers.monitoring import rule_documents

ROOT = Path(__file__).parents[2]
ALERTMANAGER = yaml.safe_load((ROOT / "k8s" / "monitoring" / "alertmanager.yaml").read_text())
FPS = 10
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
RULES = """
rules:
  - {name: fear, emotions: [fear], probability: 0.6, for: 3s, clear_for: 3s, severity: critical}
"""

pytestmark = pytest.mark.alone


def hurried(rules: dict[str, Any], times: int) -> dict[str, Any]:
    """The same rules with every duration divided: what lasts a minute lasts five seconds at 12."""

    def shorter(text: str) -> str:
        return re.sub(r"\b(\d+)(ms|s|m|h|d)\b", lambda m: f"{int(m[1]) * UNITS_MS[m[2]] // times}ms", text)

    for group in rules["groups"]:
        if "interval" in group:
            group["interval"] = shorter(group["interval"])
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[[^\]]+\]", lambda m: shorter(m[0]), rule["expr"])
            if "for" in rule:
                rule["for"] = shorter(rule["for"])
    return rules


class Server:
    """A server of Debian's, until the ``with`` block ends."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        (self.port,) = child_process.free_ports(1)
        self.log = folder / f"{name}.log"
        self._arguments = [command(name), *arguments, f"--web.listen-address=127.0.0.1:{self.port}"]

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self._process = child_process.start(self._arguments, stdout=log, stderr=subprocess.STDOUT)
        eventually(lambda: self.get("/-/ready") is not None, lambda: f"ready:\n{self.log.read_text()}")
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def get(self, path: str, body: object = None) -> str | None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  (our own server)
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return None


class Monitoring:
    """Prometheus, Alertmanager and the pager; who is scraped is in a file that tests write."""

    def __init__(self, chain: Chain, servers: ExitStack, rules: dict[str, Any]) -> None:
        folder = chain.folder
        self.pager = chain.start("pager", "--json").wait_ready()
        self._targets = folder / "targets.json"
        self.scrape()
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(self._alertmanager()))
        self.alertmanager = servers.enter_context(
            Server(
                folder,
                "prometheus-alertmanager",
                f"--config.file={folder / 'alertmanager.yaml'}",
                f"--storage.path={folder / 'alertmanager'}",
                "--cluster.listen-address=",
            )
        )
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(self._prometheus()))
        self.prometheus = servers.enter_context(
            Server(
                folder,
                "prometheus",
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
            )
        )

    def _alertmanager(self) -> dict[str, Any]:
        """Ours, with the pager's address here, and hardly any waiting for others to tell of together."""
        config: dict[str, Any] = json.loads(json.dumps(ALERTMANAGER))
        for receiver in config["receivers"]:
            receiver["webhook_configs"][0]["url"] = f"http://127.0.0.1:{self.pager.port}/"
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "0s", "group_interval": "1s"}
        return config

    def _prometheus(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager.port}"]}]}]
            },
            "scrape_configs": [
                {
                    "job_name": "mien",
                    "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
                }
            ],
        }

    def scrape(self, *targets: tuple[str, str, Process]) -> None:
        """Namespace, component and process of each."""
        found = [
            {
                "targets": [f"127.0.0.1:{process.port}"],
                "labels": {"cluster": "test", "namespace": namespace, "component": component},
            }
            for namespace, component, process in targets
        ]
        partial = self._targets.with_suffix(".partial")
        partial.write_text(json.dumps(found))
        partial.replace(self._targets)

    def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        answer = self.prometheus.get(f"/api/v1/query?query={urllib.parse.quote(expr)}")
        result = json.loads(answer)["data"]["result"] if answer else []
        return [(one["metric"], float(one["value"][1])) for one in result]

    def told(self, alert: str) -> list[tuple[str, dict[str, str]]]:
        """Status and labels of each page about an alert, in the order in which they came."""
        pages = [json.loads(line) for line in self.pager.out.splitlines() if line.endswith("}")]
        return [(page["status"], page["labels"]) for page in pages if page["labels"]["alertname"] == alert]


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_killed_camera_comes_to_the_pager_in_time_and_ends_and_the_other_mien_has_no_part_in_it(
    make_chain: Callable[..., Chain], servers: ExitStack
) -> None:
    """Two Miens with one camera id, under two prefixes and in two namespaces of one Prometheus."""
    one, two = make_chain(), make_chain()
    watch = Monitoring(one, servers, hurried(rule_documents.document(), 12))

    def camera(chain: Chain) -> Process:
        return chain.start("camera", "--camera", "lobby", "--source", "demo:calm", "--fps", "5").wait_ready()

    killed, other = camera(one), camera(two)
    watch.scrape(("one", "camera", killed), ("two", "camera", other))
    eventually(
        lambda: len(watch.query("mien:camera_true == 1")) == 2, lambda: watch.prometheus.log.read_text()
    )

    killed.popen.kill()
    killed.popen.wait()
    at_s = time.monotonic()
    (page,) = eventually(lambda: watch.told("MienCameraDown"), lambda: watch.pager.err)
    took_s = time.monotonic() - at_s
    print(f"told after {took_s:.1f} s; the rule's minute is 5 s here")
    assert page == (
        "firing",
        {
            "alertname": "MienCameraDown",
            "severity": "warning",
            "cluster": "test",
            "namespace": "one",
            "camera": "lobby",
        },
    )
    assert took_s < 5 + 10  # a scrape, evaluations, sending; on a machine that others keep busy
    eventually(lambda: watch.told("MienStageDown"), "and that its process does not answer")

    watch.scrape(("one", "camera", camera(one)), ("two", "camera", other))
    eventually(lambda: len(watch.told("MienCameraDown")) == 2, "it is over")
    assert [(status, labels["namespace"]) for status, labels in watch.told("MienCameraDown")] == [
        ("firing", "one"),
        ("resolved", "one"),
    ]
    assert {labels["namespace"] for _, labels in watch.told("MienStageDown")} == {"one"}
    assert {labels["namespace"] for labels, _ in watch.query("mien:camera_known")} == {"one", "two"}


class Feed(threading.Thread):
    """One face as classify would tell of it, as time goes by: calm, then afraid, then calm when told so."""

    def __init__(self, chain: Chain, make_event: Callable[..., EmotionEvent]) -> None:
        super().__init__(daemon=True)
        self._topic = chain.settings.topics.emotions.name
        self._producer = Producer({"bootstrap.servers": chain.bootstrap, "linger.ms": 5})
        self._make = make_event
        self._start_us = time.time_ns() // 1000
        self._sent: list[EmotionEvent] = []
        self.calm, self.stop = threading.Event(), threading.Event()

    def run(self) -> None:
        seq = 0
        while not self.stop.is_set():
            at_us = self._start_us + seq * 1_000_000 // FPS
            time.sleep(max(0.0, at_us / 1e6 - time.time()))
            event = self._make(
                p=CALM if seq < 2 * FPS or self.calm.is_set() else FEAR,
                camera_id="lobby-1",
                subject_id="lobby-1:a",
                frame_seq=seq,
                captured_at=time_of(at_us),
            )
            self._sent.append(event)
            self._send(event)
            seq += 1

    def replay(self) -> int:
        """Sends all again; how many these are."""
        again = self._sent[:]
        for event in again:
            self._send(event)
        return len(again)

    def _send(self, event: EmotionEvent) -> None:
        key, value, headers = emotion_event.encode(event)
        self._producer.produce(self._topic, value, key, headers=headers)
        self._producer.flush(30)


def done(process: Process) -> int:
    return int(process.totals("mien_frame_age_seconds_count", "stage")["alerts"])


def active(process: Process) -> float:
    return process.totals("mien_alerts_active", "rule")["fear"]


def test_a_sustained_expression_comes_to_the_pager_once_though_the_stage_is_killed_and_its_topic_replayed(
    chain: Chain, servers: ExitStack, make_event: Callable[..., EmotionEvent]
) -> None:
    """Of the two minutes for which an alert outlives its worker, a quarter."""
    rules = chain.folder / "alerts.yaml"
    rules.write_text(RULES)
    watch = Monitoring(chain, servers, hurried(rule_documents.document(), 4))

    def stage() -> Process:
        started = chain.start("alerts", alerts_path=str(rules)).wait_ready()
        watch.scrape(("one", "alerts", started))
        return started

    first = stage()
    feed = Feed(chain, make_event)
    feed.start()
    try:
        (page,) = eventually(lambda: watch.told("MienEmotionAlert"), lambda: f"a page\n{first.err}")
        first.popen.kill()  # in the middle of the expression
        first.popen.wait()
        second = stage()
        eventually(lambda: active(second) == 1, lambda: f"it knows of the alert\n{second.err}")
        for _ in range(2):
            until = done(second) + feed.replay()
            eventually(lambda n=until: done(second) >= n, "the replay")
        assert active(second) == 1
        assert watch.told("MienEmotionAlert") == [page]
        feed.calm.set()
        eventually(lambda: len(watch.told("MienEmotionAlert")) == 2, lambda: f"it ends\n{second.err}")
    finally:
        feed.stop.set()
        feed.join()

    labels = {
        "alertname": "MienEmotionAlert",
        "severity": "critical",
        "rule": "fear",
        "camera": "lobby-1",
        "cluster": "test",
        "namespace": "one",
    }
    assert watch.told("MienEmotionAlert") == [("firing", labels), ("resolved", labels)]
    sent = [json.loads(message.value()) for message in chain.tail("alerts").poll()]
    assert [alert["state"] for alert in sent] == ["firing", "resolved"]
    assert len({alert["alert_id"] for alert in sent}) == 1
    evidence = sent[0]["evidence"]
    assert evidence["emotion"] == "fear"
    assert set(evidence["events"]) <= {event["event_id"] for event in chain.events()}
    assert evidence["events"]


def test_what_follows_from_what_is_told_is_not_told(chain: Chain, servers: ExitStack) -> None:
    watch = Monitoring(chain, servers, {"groups": []})
    here, there = {"cluster": "c", "namespace": "here"}, {"cluster": "c", "namespace": "there"}
    alerts = [
        here | {"alertname": "MienCameraDown", "camera": "a"},
        here | {"alertname": "MienStageMissing", "component": "state"},
        here | {"alertname": "MienSeenBudgetBurns", "slo": "seen", "window": "1h"},
        here | {"alertname": "MienCameraFrozen", "camera": "a"},
        here | {"alertname": "MienCameraFrozen", "camera": "b"},
        there | {"alertname": "MienCameraFrozen", "camera": "a"},
        here | {"alertname": "MienEmotionAlert", "camera": "a", "rule": "fear"},
        here | {"alertname": "MienFreshBudgetBurns", "slo": "fresh", "window": "1h"},
        there | {"alertname": "MienFreshBudgetBurns", "slo": "fresh", "window": "1h"},
        here | {"alertname": "MienSeenBudgetBurns", "slo": "seen", "window": "3d"},
        there | {"alertname": "MienSeenBudgetBurns", "slo": "seen", "window": "3d"},
        here | {"alertname": "MienStageDown", "component": "state"},
        here | {"alertname": "MienStageDown", "component": "landmarks"},
    ]
    watch.alertmanager.get("/api/v2/alerts", [{"labels": labels} for labels in alerts])

    def states() -> list[dict[str, Any]]:
        return list(json.loads(watch.alertmanager.get("/api/v2/alerts") or "[]"))

    eventually(
        lambda: (
            len(states()) == len(alerts) and not any(s["status"]["state"] == "unprocessed" for s in states())
        ),
        "all are looked at",
    )
    silenced = [alert["labels"] for alert in states() if alert["status"]["inhibitedBy"]]
    expected = [alerts[3], alerts[7], alerts[9], alerts[11]]
    assert sorted(map(str, map(sorted, (one.items() for one in silenced)))) == sorted(
        map(str, map(sorted, (one.items() for one in expected)))
    )
