"""The demo's own part: its processes, what it sees of the events, and what it says at the end."""

import io
import json
import re
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec.structs import replace
from rich.console import Console

from models.emotion import neutral_face
from models.staged.expression_scripts import EXPRESSIONS, find_script, truth_at
from streams.errors import SourceNotFound
from streams.local import embedded_servers
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.settings import Settings
from workers.local import demo
from workers.local.demo import Watch

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


def test_a_camera_that_does_not_answer_is_told(watch: Watch) -> None:
    """An empty table said nothing."""
    waiting = {"demo-1": "waiting for: source"}

    def shown(after_s: float) -> str:
        console = Console(file=io.StringIO(), width=200)
        console.print(demo._picture(watch, [], time.monotonic() - after_s, waiting))
        return cast("io.StringIO", console.file).getvalue()

    assert "demo-1 is not ready: waiting for: source" in shown(demo.READY_S + 1)
    assert "not ready" not in shown(0)


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


def test_the_script_shows_expressions_before_a_neutral_face_can_be_known_and_everything_after() -> None:
    """So that a demo of half a minute can tell what the own neutral face is worth."""
    truths = [truth_at(SCRIPT, index, FPS) for index in range(round(30 * FPS))]
    to_come = neutral_face.BELIEVED_FROM * neutral_face.LOOK_EVERY_S * FPS
    read_at = next(i for i in range(len(truths)) if truths[:i].count("neutral") > to_come)
    shown = {*EXPRESSIONS, "neutral"}

    assert {"happiness", "surprise", "neutral"} <= set(truths[:read_at])
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
        ({"latency_ms": {"p50": None, "p99": None}}, [r"end to end +│ – "]),
        ({"agreement": {}}, [r"stale, 1 superseded[^A]*$"]),  # no empty table
    ],
)
def test_the_closing_summary(changes: dict[str, Any], said: list[str]) -> None:
    console = Console(file=io.StringIO(), width=100)
    demo._show(SUMMARY | changes, console)

    for words in said:
        assert re.search(words, console.file.getvalue())


def test_without_servers_of_the_users_it_brings_its_own() -> None:
    with demo._servers(Settings()) as servers:
        assert servers["kafka_bootstrap_servers"] != Settings().kafka_bootstrap_servers
        assert servers["kafka_fetch_max_wait_ms"] == embedded_servers.FETCH_MAX_WAIT_MS
        assert servers["redis_url"] != Settings().redis_url


def test_servers_of_the_users_are_used_and_get_their_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("MIEN_REDIS_URL", "redis://redis.example/0")
    monkeypatch.setenv("MIEN_ALLOW_PLAINTEXT", "true")
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
