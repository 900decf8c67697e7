"""`mien alerts` on real Kafka and Redis: one alert, with its evidence, whatever happens to the stage."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from harness import Chain, Process, eventually
from made_up_sightings import CALM, FEAR

from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent, time_of
from workers.local import metrics_scrape

FPS = 10
RULES = """
rules:
  - {name: fear, emotions: [fear], probability: 0.6, for: 3s, clear_for: 3s, cooldown: 1m,
     severity: critical, labels: {team: desk}}
  - {name: three-in-fear, emotions: [fear], probability: 0.6, for: 2s, subjects_at_least: 3, clear_for: 3s}
"""
SCRIPT = [CALM] * 20 + [FEAR] * 60 + [CALM] * 60
Make = Callable[..., EmotionEvent]


class Faces:
    """Writes emotion events as the classify stage would."""

    def __init__(self, chain: Chain, make_event: Make) -> None:
        self._topic = chain.settings.topics.emotions.name
        self._producer = Producer({"bootstrap.servers": chain.bootstrap, "linger.ms": 5})
        self._make = make_event
        self._start_us = time.time_ns() // 1000 - 60_000_000

    def show(
        self, subject: str, frames: range, script: list[dict[str, float]] = SCRIPT, camera: str = "lobby-1"
    ) -> None:
        for seq in frames:
            event = self._make(
                p=script[seq],
                camera_id=camera,
                subject_id=f"{camera}:{subject}",
                frame_seq=seq,
                captured_at=time_of(self._start_us + seq * 1_000_000 // FPS),
            )
            key, value, headers = emotion_event.encode(event)
            self._producer.produce(self._topic, value, key, headers=headers)
        assert self._producer.flush(30) == 0


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES)
    return path


def alerts(chain: Chain) -> list[dict[str, Any]]:
    return [json.loads(message.value()) for message in chain.tail("alerts").poll()]


def told(chain: Chain) -> list[tuple[str, str, str | None]]:
    """What was sent, in an order of its own: partitions have none together."""
    found = sorted(alerts(chain), key=lambda alert: (alert["at"], alert["rule"], alert["state"]))
    return [(alert["rule"], alert["state"], alert["subject_id"]) for alert in found]


def start(chain: Chain, rules: Path) -> Process:
    return chain.start("alerts", alerts_path=str(rules))


def active(process: Process, rule: str) -> float:
    return process.totals("mien_alerts_active", "rule")[rule]


def current(process: Process) -> float | None:
    """Whether the rules in force are those of the file; None while it does not answer."""
    found = [s.value for s in metrics_scrape.samples(process.port) if s.name == "mien_alert_rules_current"]
    return found[0] if found else None


def done(process: Process) -> int:
    """Events that it has worked on."""
    return int(process.totals("mien_frame_age_seconds_count", "stage")["alerts"])


def knows_lag(process: Process) -> bool:
    """Whether it has looked how many events wait."""
    return bool(process.totals("mien_consumer_lag", "topic"))


def waits(process: Process) -> float:
    return sum(process.totals("mien_consumer_lag", "topic").values())


ONE = [("fear", "firing", "lobby-1:a"), ("fear", "resolved", "lobby-1:a")]


def test_a_sustained_expression_raises_one_alert_with_its_evidence_though_the_stage_is_killed_and_replays(
    chain: Chain, rules: Path, make_event: Make
) -> None:
    faces = Faces(chain, make_event)
    first = start(chain, rules).wait_ready()
    faces.show("a", range(40))
    faces.show("b", range(140), [CALM] * 140)
    eventually(lambda: done(first) >= 100, "the beginning is worked on")
    first.end(signal.SIGKILL)  # in the middle of the expression
    faces.show("a", range(40, 140))
    second = start(chain, rules).wait_ready()
    eventually(lambda: told(chain) == ONE, lambda: f"one alert: {told(chain)}\n{second.err}")

    for _ in range(2):  # the whole topic again, twice, and killed once more in it
        before = done(second)
        faces.show("a", range(140))
        eventually(lambda stage=second, n=before + 60: done(stage) >= n, "the replay")
        second.end(signal.SIGKILL)
        second = start(chain, rules).wait_ready()
        eventually(lambda stage=second: knows_lag(stage) and waits(stage) == 0, "all of the replay")

    faces.show("z", range(140))  # what comes behind it in the same way is worked on
    eventually(lambda: len(told(chain)) == 4, lambda: f"{told(chain)}\n{second.err}")
    assert [one for one in told(chain) if one[2] == "lobby-1:a"] == ONE
    fired, resolved = (one for one in alerts(chain) if one["subject_id"] == "lobby-1:a")
    assert fired["alert_id"] == resolved["alert_id"]
    assert (fired["severity"], fired["labels"], fired["camera_id"]) == (
        "critical",
        {"team": "desk"},
        "lobby-1",
    )
    assert fired["evidence"]["emotion"] == "fear"
    assert fired["evidence"]["regions"]
    known = {event["event_id"] for event in chain.events()}
    assert fired["evidence"]["events"]
    assert set(fired["evidence"]["events"]) <= known


def test_an_alert_that_fires_is_resolved_after_a_restart_though_its_subject_never_comes_again(
    chain: Chain, rules: Path, make_event: Make
) -> None:
    faces = Faces(chain, make_event)
    first = start(chain, rules).wait_ready()
    faces.show("a", range(60))
    eventually(lambda: active(first, "fear") == 1, lambda: f"it fires:\n{first.err}")
    first.end(signal.SIGKILL)

    second = start(chain, rules)
    eventually(lambda: told(chain) == ONE, lambda: f"resolved: {told(chain)}\n{second.err}")
    eventually(lambda: active(second, "fear") == 0, "none is active")
    assert second.totals("mien_alerts_total", "state") == {"firing": 0, "resolved": 1}


def test_three_faces_in_different_partitions_are_counted_by_two_workers_and_told_once(
    chain: Chain, rules: Path, make_event: Make
) -> None:
    faces = Faces(chain, make_event)
    workers = [start(chain, rules).wait_ready() for _ in range(2)]
    for i in range(0, 140, 5):  # all faces of a frame come about together
        for name in ("a", "b", "c", "d"):
            faces.show(name, range(i, i + 5))
        faces.show("e", range(i, i + 5), [CALM] * 140)

    def crowd() -> list[tuple[str, str, str | None]]:
        return [one for one in told(chain) if one[0] == "three-in-fear"]

    eventually(lambda: len(crowd()) == 2, lambda: f"{told(chain)}\n{workers[0].err}")
    assert crowd() == [("three-in-fear", "firing", None), ("three-in-fear", "resolved", None)]
    (fired,) = (a for a in alerts(chain) if a["rule"] == "three-in-fear" and a["state"] == "firing")
    assert fired["evidence"]["subjects"] == [f"lobby-1:{name}" for name in "abcd"]
    eventually(lambda: len(told(chain)) == 10, "each of the four faces for itself")


def test_wrong_rules_keep_the_old_ones_in_force_and_right_ones_are_taken_while_it_runs(
    chain: Chain, rules: Path, make_event: Make
) -> None:
    faces = Faces(chain, make_event)
    stage = start(chain, rules).wait_ready()
    rules.write_text(RULES.replace("[fear]", "[joy]"))
    eventually(
        lambda: current(stage) == 0,
        lambda: f"a metric says so\n{stage.err}",
    )
    faces.show("a", range(140))
    eventually(lambda: told(chain) == ONE, lambda: f"the old rules: {told(chain)}")
    assert "alerts.yaml:3:29: rules[0].emotions[0]: input should be 'neutral'" in stage.err
    assert "Traceback" not in stage.err

    rules.write_text(RULES.replace("fear,", "renamed,", 1))
    eventually(lambda: current(stage) == 1, "and that it is over")
    faces.show("b", range(140))
    eventually(lambda: ("renamed", "firing", "lobby-1:b") in told(chain), lambda: f"new rules: {told(chain)}")


def test_tail_shows_what_was_sent_and_the_stage_without_rules_says_so(
    chain: Chain, rules: Path, make_event: Make
) -> None:
    status, _, err = chain.run("alerts", alerts_path="nowhere.yaml")
    assert (status, "nowhere.yaml cannot be read" in err, "Traceback" in err) == (66, True, False)
    Faces(chain, make_event).show("a", range(140))
    chain.send("alerts", b"junk", b"no alert")
    stage = start(chain, rules)
    eventually(lambda: len(chain.tail("alerts").poll()) == 3, lambda: stage.err)
    plain = chain.start("alerts", "tail", "--from-beginning")
    as_json = chain.start("alerts", "tail", "--from-beginning", "--json")
    eventually(lambda: len(plain.out.splitlines()) == 2, lambda: plain.err)
    eventually(lambda: len(as_json.out.splitlines()) == 2, lambda: as_json.err)

    assert [line.split()[2:6] for line in plain.out.splitlines()] == [
        ["firing", "critical", "fear", "lobby-1:a"],
        ["resolved", "critical", "fear", "lobby-1:a"],
    ]
    assert {json.loads(line)["state"] for line in as_json.out.splitlines()} == {"firing", "resolved"}
    assert "no alert" in plain.err
