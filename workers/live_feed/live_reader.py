"""Reads the topics for `mien live`: all partitions, by no group, and again whenever Kafka is back.

Events and points from some minutes ago on; camera truth, alerts and verdicts all that Kafka has.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams import broker, logs, metrics
from streams.backoff import backoff_s
from streams.errors import BadMessage
from streams.health import Health
from streams.messages import alert as alert_message
from streams.messages import camera_truth, emotion_event, landmarks_message
from streams.messages import verdict as verdict_message
from streams.messages.camera_truth import CameraTruth
from streams.messages.face_points import face_points
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.live_feed import server_sent_events
from workers.live_feed.activity_book import ActivityBook
from workers.live_feed.activity_read_back import ActivityReadBack
from workers.live_feed.alert_precision import precision
from workers.live_feed.live_feed import CAMERAS_MAX, Kind, LiveFeed
from workers.live_feed.review_book import ReviewBook
from workers.truth.state_spans import StateSpans

KAFKA: Final = "kafka"
"""The condition of readiness: everything that Kafka had is known."""
RETRY_BASE_S, RETRY_CAP_S = 0.5, 5.0
GATHER_S: Final = 0.03
"""After an answer that was not full: Kafka gives whatever is there, and an answer of one message costs about
as much as one of many. Clients are sent what came every 100 ms."""
ANSWER_MAX: Final = 500
"""Messages."""
WITHOUT_TIMES_MAX: Final = 500
"""So many of the last messages are looked at where Kafka does not say which are new: the embedded broker
knows no times."""
RULES_MAX: Final = 200
"""Rules with a precision of their own among the metrics."""

log = logs.get("mien.live")


class LiveReader:
    """Keeps feed, books and truths up to date."""

    def __init__(
        self,
        settings: Settings,
        feed: LiveFeed,
        book: ReviewBook,
        activity: ActivityBook,
        health: Health,
        on_face: Callable[[Landmarks], None] = lambda _: None,
    ) -> None:
        """Each face that comes is told to ``on_face`` too."""
        topics = settings.topics
        self._kinds: Mapping[str, Kind] = {
            topics.emotions.name: "emotions",
            topics.landmarks.name: "points",
            topics.cameras.name: "cameras",
            topics.alerts.name: "alerts",
            topics.verdicts.name: "verdicts",
        }
        self._of_late = {topics.emotions.name, topics.landmarks.name}
        """Of these only what is new."""
        self._settings = settings
        self._feed = feed
        self._book = book
        self._activity = activity
        self._health = health
        self._on_face = on_face
        self._caught_up = asyncio.Event()
        self._began: dict[int, int] = {}
        """Partition of events → the first offset that was read here."""
        self.truths: dict[str, CameraTruth] = {}
        """Camera → what was told of it last."""
        self.spans: dict[str, StateSpans] = {}
        """Camera → what was true of it, as far back as Kafka knows."""

    async def keep_reading(self) -> None:
        """For ever."""
        while True:
            for pause_s in backoff_s(RETRY_BASE_S, RETRY_CAP_S):
                try:
                    await self._read()
                    break  # the partitions are others: begin again at once
                except (KafkaError, OSError) as exc:
                    self._health.set_unready(KAFKA)
                    error = broker.unavailable(self._settings, exc)
                    log.warning("the topics are not read", error=str(error))
                await asyncio.sleep(pause_s)

    async def read_back(self, past: ActivityReadBack) -> None:
        """Once all that is new is known, what was before it."""
        await self._caught_up.wait()
        await past.run(self._began)

    async def _read(self) -> None:
        """Until the topics have other partitions."""
        consumer = broker.onlooker(self._settings, *self._kinds)
        try:
            await consumer.start()
            places = consumer.assignment()
            waiting = await self._seek(consumer, places)
            while consumer.assignment() == places:
                if not waiting:
                    self._health.set_ready(KAFKA)
                    self._caught_up.set()
                answer = await consumer.getmany(timeout_ms=500, max_records=ANSWER_MAX)
                for place, records in answer.items():
                    for record in records:
                        self.take(record)
                    if place in waiting and records[-1].offset + 1 >= waiting[place]:
                        del waiting[place]
                    if self._kinds[place.topic] in ("alerts", "verdicts"):
                        self.tell_reviews()
                if sum(map(len, answer.values())) < ANSWER_MAX:
                    await asyncio.sleep(GATHER_S)
        finally:
            await consumer.stop()

    async def _seek(
        self, consumer: AIOKafkaConsumer, places: frozenset[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Goes to where reading begins; the ends up to which all is to be read before this is ready."""
        since_ms = round((time.time() - self._settings.live_keep_s) * 1000)
        of_late = {place: since_ms for place in places if place.topic in self._of_late}
        found = await consumer.offsets_for_times(of_late) if of_late else {}
        ends = await consumer.end_offsets(list(places))
        begins = await consumer.beginning_offsets(list(places))
        waiting = {}
        for place in places:
            kind = self._kinds[place.topic]
            known = self._feed.positions.get((kind, place.partition))
            if known is not None and begins[place] <= known <= ends[place]:
                offset = known
            else:  # new; or the topic was deleted and made again
                offset = begins[place]
                if place in of_late:  # without an answer nothing is new, or it is the embedded broker
                    at = found[place]
                    offset = at.offset if at else max(offset, ends[place] - WITHOUT_TIMES_MAX)
                self._feed.begin(kind, place.partition, offset)
                if kind == "emotions" and not self._caught_up.is_set():
                    self._began[place.partition] = offset
            consumer.seek(place, offset)
            if offset < ends[place]:
                waiting[place] = ends[place]
        return waiting

    def take(self, record: Any) -> None:
        """Takes one record, as aiokafka gives it."""
        kind, partition, offset = self._kinds[record.topic], record.partition, record.offset
        try:
            told = self._told(kind, record.value)
        except BadMessage as exc:
            log.warning("message left out", topic=record.topic, offset=offset, error=str(exc))
            told = None
        came_s = record.timestamp / 1000
        too_old = came_s < time.time() - self._settings.live_keep_s
        if told is None or too_old:
            self._feed.pass_over(kind, partition, offset, too_old=too_old)
        else:
            camera_id, name, data, emotion, confidence = told
            sse = server_sent_events.event(name, data)
            self._feed.add(
                kind, partition, offset, camera_id, sse, came_s, emotion=emotion, confidence=confidence
            )

    def _told(self, kind: Kind, value: bytes) -> tuple[str, str, bytes, str | None, float] | None:
        """Camera, name, data, emotion and confidence of the event for streams; None: nothing to show."""
        if kind == "emotions":
            event = emotion_event.decode(value)
            if event.camera_id != PROBE_CAMERA:
                self._activity.take(
                    event.camera_id, event.captured_at.timestamp(), event.emotion, time.time()
                )
            return _of_camera(event.camera_id, "emotion", value, event.emotion, event.confidence)
        if kind == "points":
            face = landmarks_message.decode(value)
            self._on_face(face)
            return _of_camera(face.camera_id, "points", msgspec.json.encode(face_points(face)))
        if kind == "cameras":
            truth = camera_truth.decode(value)
            if truth.camera_id in self.truths or len(self.truths) < CAMERAS_MAX:
                self.truths[truth.camera_id] = truth
                self.spans.setdefault(truth.camera_id, StateSpans()).take(truth)
            return _of_camera(truth.camera_id, "camera", value)
        if kind == "alerts":
            alert = alert_message.decode(value)
            self._book.take_alert(alert)
            return _of_camera(alert.camera_id, "alert", value)
        verdict = self._book.filled(verdict_message.decode(value))
        self._book.take_verdict(verdict)
        return _of_camera(verdict.camera_id, "verdict", value) if verdict.camera_id else None

    def tell_reviews(self) -> None:
        """Brings the metrics of what people said up to date."""
        metrics.alerts_unreviewed.set(self._book.unreviewed())
        rows = precision(list(self._book.by_alert())).by_rule
        for row in rows[:RULES_MAX]:
            if row.precision is not None:
                metrics.alert_precision.labels(row.name).set(row.precision)
                metrics.alert_precision_bound.labels(row.name, "low").set(row.low)
                metrics.alert_precision_bound.labels(row.name, "high").set(row.high)


def _of_camera(
    camera_id: str, name: str, data: bytes, emotion: str | None = None, confidence: float = 0.0
) -> tuple[str, str, bytes, str | None, float] | None:
    return None if camera_id == PROBE_CAMERA else (camera_id, name, data, emotion, confidence)
