"""Watches a chaos run from outside and writes down what it sees: topics, offsets, processes, Redis."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import redis
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streams.settings import Settings
from streams.store.subject_state import state_key
from workers.chaos.run_log import (
    DeadLetter,
    FaceSeen,
    FrameId,
    FrameSeen,
    Kept,
    OffsetSeen,
    Place,
    ProcessSeen,
    RunLog,
)
from workers.local.chain import STAGES

SAMPLE_S = 1.0
POLL_S = 0.2


class _Named(msgspec.Struct):
    """What landmarks and emotion events have in common; a stage of before runs were known writes no run."""

    camera_id: str
    frame_seq: int
    subject_id: str
    run: int = 0
    event_id: str = ""


_from_msgpack = msgspec.msgpack.Decoder(_Named)
_from_json = msgspec.json.Decoder(_Named)


class Watcher:
    """Use `watching`; ``log`` grows while it does."""

    def __init__(
        self, settings: Settings, bootstrap: str, log: RunLog, pids: Callable[[], Mapping[str, int]]
    ) -> None:
        self.log = log
        self._settings = settings
        self._bootstrap = bootstrap
        self._pids = pids
        self._began_s = time.monotonic()
        self._done = threading.Event()
        self._seen: set[tuple[str, Place]] = set()
        self._newest: dict[str, tuple[FrameId, float]] = {}

    @classmethod
    @contextmanager
    def watching(
        cls, settings: Settings, bootstrap: str, log: RunLog, pids: Callable[[], Mapping[str, int]]
    ) -> Iterator["Watcher"]:
        """Watches until the block ends.

        bootstrap: where the brokers are reached whatever is cut; pids: our processes now, by name.
        """
        watcher = cls(settings, bootstrap, log, pids)
        threads = [
            threading.Thread(target=look, name=f"chaos-{look.__name__}", daemon=True)
            for look in (watcher._read_topics, watcher._sample)
        ]
        for thread in threads:
            thread.start()
        try:
            yield watcher
        finally:
            watcher._done.set()
            for thread in threads:
                thread.join()

    def now_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began_s

    def newest_frames(self) -> dict[str, tuple[FrameId, float]]:
        """Of each camera: its newest frame, and when that came."""
        return dict(self._newest)

    def _read_topics(self) -> None:
        topics = self._settings.topics
        takes: dict[str, Callable[[Message], None]] = {
            topics.frames.name: self._take_frame,
            topics.landmarks.name: self._take_landmarks,
            topics.emotions.name: self._take_emotion,
            topics.dead_letters.name: self._take_dead_letter,
        }
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "chaos-watcher",  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
                "reconnect.backoff.max.ms": 500,
                "topic.metadata.refresh.interval.ms": 2000,
            }
        )
        consumer.assign(
            [
                TopicPartition(topic.name, partition, OFFSET_BEGINNING)
                for topic in topics
                if topic.name in takes
                for partition in range(topic.partitions)
            ]
        )
        while not self._done.is_set():
            for message in consumer.consume(500, timeout=POLL_S):
                place = (message.topic(), _place(message))
                if message.error() is None and place not in self._seen:  # it may read a part again
                    self._seen.add(place)
                    takes[message.topic()](message)
        consumer.close()

    def _take_frame(self, message: Message) -> None:
        headers = dict(message.headers() or ())
        frame = FrameId(message.key().decode(), _number(headers.get("run")), _number(headers["seq"]))
        at_s = self.now_s()
        self.log.frames.append(FrameSeen(frame, _place(message), at_s))
        self._newest[frame.camera_id] = (frame, at_s)

    def _take_landmarks(self, message: Message) -> None:
        self.log.landmarks.append(self._face(message, _from_msgpack.decode(message.value())))

    def _take_emotion(self, message: Message) -> None:
        self.log.emotions.append(self._face(message, _from_json.decode(message.value())))

    def _face(self, message: Message, named: _Named) -> FaceSeen:
        frame = FrameId(named.camera_id, named.run, named.frame_seq)
        return FaceSeen(frame, named.subject_id, _place(message), self.now_s(), named.event_id)

    def _take_dead_letter(self, message: Message) -> None:
        headers = dict(message.headers() or ())
        stage, reason = (headers.get(f"dead-letter-{what}", b"?").decode() for what in ("stage", "reason"))
        self.log.dead_letters.append(DeadLetter(stage, reason, self.now_s()))

    def _sample(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        while not self._done.wait(SAMPLE_S):
            for name, pid in self._pids().items():
                if used := _used(pid):
                    self.log.processes.append(ProcessSeen(name, pid, *used, self.now_s()))
            for stage in STAGES:
                self.log.offsets += self._committed(admin, self._settings.group(stage))

    def _committed(self, admin: AdminClient, group: str) -> list[OffsetSeen]:
        """What the group has committed now; nothing while Kafka does not say."""
        try:
            asked = admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=2.0
            )
            found = asked[group].result(5).topic_partitions
        except (KafkaException, TimeoutError):
            return []
        at_s = self.now_s()
        return [OffsetSeen(group, tp.partition, tp.offset, at_s) for tp in found if tp.offset >= 0]


def kept(client: redis.Redis) -> list[Kept]:
    """The state of every subject in Redis; raises redis.RedisError while it does not answer."""
    head, tail = state_key("*").encode().split(b"*")
    found = []
    for key in client.scan_iter(match=state_key("*"), count=500):
        run, seq, events = client.hmget(key, "run", "frame_seq", "events")
        if seq is not None:  # else it expired between the two
            subject_id = key[len(head) : len(key) - len(tail)].decode()
            found.append(Kept(subject_id, _number(run), _number(seq), _number(events)))
    return found


def newest_kept(states: Iterable[Kept]) -> dict[str, FrameId]:
    """Of each camera: the newest frame that Redis knows. A subject's id begins with its camera's."""
    newest: dict[str, FrameId] = {}
    for state in states:
        camera_id = state.subject_id.rpartition(":")[0]
        frame = FrameId(camera_id, state.run, state.frame_seq)
        newest[camera_id] = max(frame, newest.get(camera_id, frame))
    return newest


def _number(header: str | bytes | None) -> int:
    """0 where there is none: the run of a camera of before runs were known."""
    return int(header or 0)


def _place(message: Any) -> Place:
    return Place(message.partition(), message.offset())


def _used(pid: int) -> tuple[float, int] | None:
    """Resident MiB and open files of a process; None if it has ended. Source: man 5 proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (OSError, IndexError, ValueError):
        return None
    return pages * 4096 / 2**20, fds
