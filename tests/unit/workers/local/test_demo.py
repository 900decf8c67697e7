"""The demo's own part: its processes, what it sees of the events, and what it says at the end."""

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from models.emotion import neutral_face
from models.staged.expression_scripts import EXPRESSIONS, find_script, truth_at
from streams.errors import ServiceUnavailable, SourceNotFound
from streams.local import embedded_servers
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from workers.local import demo
from workers.local.demo import Chain, Watch

FPS = 10.0
T0_US = 1_764_000_000_000_000
SCRIPT = find_script("cycle")
Make = Callable[..., EmotionEvent]


@pytest.fixture
def watch() -> Watch:
    watch = Watch(Settings(), SCRIPT, FPS)
    watch.first_seq["demo-1"] = 5000
    return watch


@pytest.fixture
def seen_at(make_event: Make) -> Callable[..., EmotionEvent]:
    """An event of the demo camera's frame ``index``."""

    def seen_at(index: int, emotion: str | None = "neutral", **changes: Any) -> EmotionEvent:
        ours = {
            "camera_id": "demo-1",
            "subject_id": "demo-1:x",
            "frame_seq": 5000 + index,
            "captured_at": emotion_event.time_of(T0_US),
            "emotion": emotion,
            "abstained": None if emotion else "low-confidence",
        }
        return make_event(**ours | changes)

    return seen_at


def frame_that_shows(truth: str | None) -> int:
    return next(index for index in range(10_000) if truth_at(SCRIPT, index, FPS) == truth)


def test_a_summary_of_nothing_is_no_crash(watch: Watch) -> None:
    summary = watch.summary()

    assert (summary["events"], summary["frames_with_events"]) == (0, 0)
    assert summary["latency_ms"] == {"p50": None, "p99": None}
    assert summary["agreement"] == {}
    assert summary["baseline"] == {"population": 0, "subject": 0}
    assert summary["agreement_by_baseline"] == {"population": {}, "subject": {}}
    json.dumps(summary)


def test_latency_is_the_time_since_the_capture(watch: Watch, seen_at: Make) -> None:
    for index in range(100):
        watch.see(seen_at(index), T0_US / 1e6 + (index + 1) / 1000)

    latency_ms = watch.summary()["latency_ms"]
    assert latency_ms["p50"] == pytest.approx(50.5, abs=0.2)
    assert latency_ms["p99"] == pytest.approx(99, abs=0.3)


def test_a_repeated_event_counts_once_and_two_faces_are_one_frame(watch: Watch, seen_at: Make) -> None:
    other = seen_at(0, subject_id="demo-1:y", event_id="another")
    for event in (seen_at(0), seen_at(0), other, seen_at(1)):
        watch.see(event, T0_US / 1e6)

    summary = watch.summary()
    assert (summary["events"], summary["frames_with_events"]) == (3, 2)
    assert summary["named"] == {"neutral": {"neutral": 3}}


def test_another_camera_on_the_same_kafka_is_not_ours(watch: Watch, seen_at: Make) -> None:
    watch.see(seen_at(0, camera_id="lobby"), T0_US / 1e6)

    assert watch.summary()["events"] == 0


def test_agreement_is_told_by_what_the_script_showed(watch: Watch, seen_at: Make) -> None:
    smile, between = frame_that_shows("happiness"), frame_that_shows(None)
    answers = ["happiness", "happiness", "surprise", None]
    for number, answer in enumerate(answers):
        watch.see(seen_at(smile, answer, event_id=f"smile-{number}"), T0_US / 1e6)
    watch.see(seen_at(between, "anger"), T0_US / 1e6)  # the script shows nothing clear then

    summary = watch.summary()
    assert summary["agreement"] == {"happiness": 0.5}
    assert summary["named"] == {"happiness": {"happiness": 2, "surprise": 1, "(low-confidence)": 1}}


def test_agreement_is_told_by_baseline(watch: Watch, seen_at: Make) -> None:
    smile = frame_that_shows("happiness")
    why = {name: replace(seen_at(0).explanation, baseline=name) for name in ("population", "subject")}
    answers = [("population", "surprise"), ("population", "happiness"), ("subject", "happiness")]
    for number, (baseline, answer) in enumerate(answers):
        event = seen_at(smile, answer, explanation=why[baseline], event_id=f"smile-{number}")
        watch.see(event, T0_US / 1e6)
    rest = seen_at(frame_that_shows("neutral"), explanation=why["subject"])
    watch.see(rest, T0_US / 1e6)

    summary = watch.summary()
    assert summary["baseline"] == {"population": 2, "subject": 2}
    assert summary["agreement_by_baseline"] == {
        "population": {"happiness": 0.5},
        "subject": {"happiness": 1.0, "neutral": 1.0},
    }
    json.dumps(summary)


def test_the_script_shows_everything_before_a_neutral_face_can_be_read_and_after() -> None:
    """So that a demo of half a minute can tell what the own neutral face is worth."""
    truths = [truth_at(SCRIPT, index, FPS) for index in range(round(30 * FPS))]
    to_come = neutral_face.READING * neutral_face.LOOK_EVERY_S * FPS
    read_at = next(i for i in range(len(truths)) if truths[:i].count("neutral") > to_come)
    shown = {*EXPRESSIONS, "neutral"}

    assert shown <= set(truths[:read_at])
    assert shown <= set(truths[read_at:])


def test_a_source_without_a_script_has_no_truth(seen_at: Make) -> None:
    watch = Watch(Settings(), None, FPS)
    watch.first_seq["demo-1"] = 5000
    watch.see(seen_at(0), T0_US / 1e6)

    assert watch.summary()["events"] == 1
    assert watch.summary()["agreement"] == {}


def test_the_worst_completeness_error_is_kept(watch: Watch, seen_at: Make) -> None:
    for index in range(3):
        watch.see(seen_at(index), T0_US / 1e6)

    assert watch.summary()["max_completeness_error"] == seen_at(0).explanation.completeness_error


@pytest.mark.parametrize(("source", "has"), [("demo:cycle", True), ("0", False), ("clip.mp4", False)])
def test_only_the_demo_source_has_a_script(source: str, has: bool) -> None:
    assert (demo._script(source) is not None) is has


def test_an_unknown_script_is_no_source() -> None:
    with pytest.raises(SourceNotFound, match=r"known scripts: .*cycle"):
        demo._script("demo:dance")


SUMMARY = {
    "seconds": 30.0,
    "frames": 600,
    "faces": 598,
    "events": 597,
    "fps": 19.9,
    "latency_ms": {"p50": 41.0, "p99": 120.5},
    "dropped": {"stale": 2, "superseded": 1},
    "agreement": {"happiness": 0.975, "anger": 0.5},
    "baseline": {"population": 150, "subject": 447},
    "agreement_by_baseline": {
        "population": {"happiness": 0.625},
        "subject": {"happiness": 0.986, "anger": 0.5},
    },
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["600", "598", "597", "19.9", "p50 41.0 ms, p99 120.5 ms"]),
        ({}, ["2 stale, 1 superseded", "75% of events"]),
        ({}, [r"happiness +│ 97\.5% +│ 62\.5% +│ 98\.6%", r"anger +│ 50\.0% +│ – +│ 50\.0%"]),
        ({"dropped": {}}, ["none"]),
        ({"agreement": {}}, [r"stale, 1 superseded[^A]*$"]),  # no empty table
    ],
)
def test_the_closing_summary(changes: dict[str, Any], said: list[str]) -> None:
    console = Console(file=io.StringIO(), width=100)
    demo._show(SUMMARY | changes, console)

    for words in said:
        assert re.search(words, console.file.getvalue())


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain({"redis_url": "redis://from-the-chain:1"}, tmp_path)
    yield chain
    chain.kill()


def instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Every child runs this Python program instead of `mien`."""
    really_start = subprocess.Popen

    def start(_command: list[str], **options: Any) -> Any:
        return really_start([sys.executable, "-c", program], **options)

    monkeypatch.setattr(demo.subprocess, "Popen", start)


UNTIL_TERMINATED = (
    "import os, signal, sys\n"
    "def end(*_):\n    print('{\"published\": 3}'); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "open(os.environ['READY'], 'w').close()\n"
    "while True: signal.pause()\n"
)


def wait_for(path: Path) -> None:
    deadline_s = demo.time.monotonic() + 20
    while not path.exists():
        assert demo.time.monotonic() < deadline_s
        demo.time.sleep(0.01)


def test_a_child_gets_its_own_port_and_our_servers(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import os; print(os.environ['MIEN_METRICS_PORT'], os.environ['MIEN_REDIS_URL'])")
    chain.start("landmarks", "landmarks")
    chain.start("classify", "classify")
    said = {name: chain._children[name].process.communicate()[0] for name in ("landmarks", "classify")}

    assert said == {name: f"{chain.ports[name]} redis://from-the-chain:1\n" for name in said}
    assert chain.ports["landmarks"] != chain.ports["classify"]


def test_a_child_that_died_is_told_with_its_last_words(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import sys; print('the model is gone', file=sys.stderr); sys.exit(72)")
    chain.start("classify", "classify")
    chain._children["classify"].process.wait()

    with pytest.raises(ServiceUnavailable, match=r"(?s)classify.*code 72.*the model is gone"):
        chain.check()
    with pytest.raises(ServiceUnavailable, match="the model is gone"):
        chain.wait_ready(("classify",))


def test_a_camera_that_ended_well_is_no_failure(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "pass")
    chain.start("demo-1", "camera")
    chain._children["demo-1"].process.wait()

    chain.check()
    assert chain.cameras() == ["demo-1"]


def test_a_stage_that_never_gets_ready_is_told(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "READY_TIMEOUT_S", 0.0)
    monkeypatch.setattr(demo.metrics_scrape, "get", lambda *_: (503, "waiting for: consumer group\n"))
    instead(monkeypatch, "import time; time.sleep(60)")
    chain.start("state", "state")

    with pytest.raises(ServiceUnavailable, match=r"state is not ready .*: waiting for: consumer group"):
        chain.wait_ready(("state",))


def test_stop_asks_politely_and_returns_what_was_said(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    monkeypatch.setenv("READY", str(ready))
    instead(monkeypatch, UNTIL_TERMINATED)
    chain.start("demo-1", "camera")
    wait_for(ready)

    assert chain.stop("demo-1") == {"demo-1": '{"published": 3}\n'}


def test_stop_kills_one_that_does_not_listen(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    monkeypatch.setenv("READY", str(ready))
    monkeypatch.setattr(demo, "STOP_TIMEOUT_S", 0.2)
    instead(monkeypatch, UNTIL_TERMINATED.replace("sys.exit(0)", "pass"))
    chain.start("demo-1", "camera")
    wait_for(ready)
    chain.stop("demo-1")

    assert chain._children["demo-1"].process.poll() == -9


def test_kill_leaves_nobody(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import time; time.sleep(60)")
    chain.start("state", "state")
    pid = chain._children["state"].process.pid
    chain.kill()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_draining_ends_when_every_frame_was_had(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([Counter(faces=5), Counter(faces=8), Counter(faces=8, stale=2), Counter(faces=99)])
    monkeypatch.setattr(demo.metrics_scrape, "totals", lambda *_: next(counts))

    assert await demo._drained(SimpleNamespace(ports={"landmarks": 1}), 10) == Counter(faces=8, stale=2)


async def test_draining_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "DRAIN_TIMEOUT_S", 0.0)
    monkeypatch.setattr(demo.metrics_scrape, "totals", lambda *_: Counter(faces=5))

    assert await demo._drained(SimpleNamespace(ports={"landmarks": 1}), 10) == Counter(faces=5)


def test_without_servers_of_the_users_it_brings_its_own() -> None:
    with demo._servers(Settings()) as servers:
        assert servers["kafka_bootstrap_servers"] != Settings().kafka_bootstrap_servers
        assert servers["kafka_fetch_max_wait_ms"] == embedded_servers.FETCH_MAX_WAIT_MS
        assert servers["redis_url"] != Settings().redis_url


def test_servers_of_the_users_are_used_and_get_their_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("MIEN_REDIS_URL", "redis://redis.example/0")
    asked: list[str] = []

    async def create_topics(settings: Settings) -> None:
        asked.append(settings.kafka_bootstrap_servers)

    monkeypatch.setattr(demo.broker, "create_topics", create_topics)
    with demo._servers(Settings()) as servers:
        assert servers == {
            "kafka_bootstrap_servers": "kafka.example:9092",
            "redis_url": "redis://redis.example/0",
        }
    assert asked == ["kafka.example:9092"]


def test_a_stage_that_ended_by_itself_is_a_failure(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "pass")
    chain.start("state", "state")
    chain._children["state"].process.wait()

    with pytest.raises(ServiceUnavailable, match="`mien state` ended with code 0"):
        chain.check()
