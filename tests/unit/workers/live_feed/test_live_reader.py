"""What becomes of each message of each topic, as aiokafka gives it."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from streams.health import Health
from streams.messages import alert, camera_truth, emotion_event, landmarks_message, verdict
from streams.messages.alert import Alert, AlertEvidence
from streams.messages.camera_truth import CameraTruth
from streams.messages.emotion_event import EmotionEvent, time_of
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.landmarks_message import Landmarks
from streams.messages.verdict import Verdict
from streams.settings import Settings
from workers.live_feed import live_reader
from workers.live_feed.activity_book import ActivityBook
from workers.live_feed.live_feed import LiveFeed, Record
from workers.live_feed.live_reader import LiveReader
from workers.live_feed.review_book import ReviewBook

AT = time_of(1_764_000_000_000_000)
FIRING = Alert(
    *("alert-0", "precise", "warning", "firing", "lobby-1", None, AT, AT, "Fear.", 0.8, 0.6, {}),
    AlertEvidence([], 0.9, 0.8, "fear", "subject", {}, [], "", "ok"),
)


class Reading:
    """A reader, and messages for it."""

    def __init__(self) -> None:
        settings = Settings()
        self.topics = settings.topics
        self.feed = LiveFeed(ring_bytes=10**6, keep_s=settings.live_keep_s)
        self.book = ReviewBook()
        self.activity = ActivityBook()
        self.reader = LiveReader(settings, self.feed, self.book, self.activity, Health("kafka"))
        self._offset = 0

    def take(self, topic: str, value: bytes | None, age_s: float = 0) -> None:
        name = getattr(self.topics, topic).name
        record: Any = SimpleNamespace(
            topic=name, partition=0, offset=self._offset, value=value, timestamp=(time.time() - age_s) * 1000
        )
        self._offset += 1
        self.reader.take(record)

    def kept(self) -> list[Record]:
        positions = dict.fromkeys(self.feed.positions, 0)
        return self.feed.since(positions, lambda _: True)[0]


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_each_kind_becomes_an_event_of_its_camera(
    reading: Reading, make_event: Callable[..., EmotionEvent], make_landmarks: Callable[..., Landmarks]
) -> None:
    truth = CameraTruth("lobby-1", 0, AT, "dark", AT, {})
    reading.take("landmarks", landmarks_message.encode(make_landmarks()))
    reading.take("emotions", emotion_event.encode(make_event())[1])
    reading.take("cameras", camera_truth.encode(truth)[1])
    reading.take("alerts", alert.encode(FIRING)[1])
    reading.take("verdicts", verdict.encode(Verdict("alert-0", "confirmed", "anna", AT))[1])

    kept = reading.kept()
    assert [record.kind for record in kept] == ["points", "emotions", "cameras", "alerts", "verdicts"]
    assert {record.camera_id for record in kept} == {"lobby-1"}
    assert (kept[1].emotion, kept[1].confidence) == ("happiness", 0.9)
    assert kept[3].sse == b"event: alert\ndata: " + alert.encode(FIRING)[1] + b"\n\n"
    assert reading.reader.truths == {"lobby-1": truth}
    found = reading.book.alert("alert-0")
    assert found
    assert (found.verdict, found.verdicts[0].rule) == ("confirmed", "precise")


def test_what_is_old_is_known_but_not_shown_again(reading: Reading) -> None:
    reading.take("alerts", alert.encode(FIRING)[1], age_s=3600)

    assert reading.book.alert("alert-0")
    assert reading.kept() == []
    assert reading.feed.positions == {("alerts", 0): 1}


def test_each_face_is_told_on(make_landmarks: Callable[..., Landmarks]) -> None:
    told: list[Landmarks] = []
    settings, feed = Settings(), LiveFeed(ring_bytes=10**6, keep_s=120)
    reader = LiveReader(settings, feed, ReviewBook(), ActivityBook(), Health("kafka"), told.append)
    face = make_landmarks()
    for value in (landmarks_message.encode(face), b"junk"):
        record: Any = SimpleNamespace(
            topic=settings.topics.landmarks.name, partition=0, offset=0, value=value, timestamp=0
        )
        reader.take(record)

    assert told == [face]


def test_the_probe_is_left_out(reading: Reading, make_event: Callable[..., EmotionEvent]) -> None:
    event = make_event(camera_id=PROBE_CAMERA, subject_id=f"{PROBE_CAMERA}:x")
    reading.take("emotions", emotion_event.encode(event)[1])

    assert reading.kept() == []
    assert reading.feed.last_event_s() == {}


@pytest.mark.parametrize("topic", ["landmarks", "emotions", "cameras", "alerts", "verdicts"])
@pytest.mark.parametrize("value", [None, b"", b"junk", b"{}"])
def test_what_cannot_be_read_is_passed_over(
    reading: Reading, topic: str, value: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(live_reader.log, "warning", lambda words, **_: told.append(words))
    reading.take(topic, value)

    assert told == ["message left out"]
    assert list(reading.feed.positions.values()) == [1]
    assert reading.kept() == []


def test_the_metric_of_precision_follows_the_verdicts(reading: Reading) -> None:
    reading.take("alerts", alert.encode(FIRING)[1])
    for word in ("rejected", "confirmed"):
        at = time_of(1_764_000_000_000_000 + (word == "confirmed"))
        reading.take("verdicts", verdict.encode(Verdict("alert-0", word, "anna", at))[1])
    reading.reader.tell_reviews()

    assert REGISTRY.get_sample_value("mien_alert_precision", {"rule": "precise"}) == 1.0
    low, high = (
        REGISTRY.get_sample_value("mien_alert_precision_bound", {"rule": "precise", "bound": bound})
        for bound in ("low", "high")
    )
    assert (low, high) == (pytest.approx(0.206549), 1.0)
    assert REGISTRY.get_sample_value("mien_alerts_unreviewed") == 0.0
    reading.take("alerts", alert.encode(msgspec.structs.replace(FIRING, alert_id="alert-1"))[1])
    reading.reader.tell_reviews()
    assert REGISTRY.get_sample_value("mien_alerts_unreviewed") == 1.0
