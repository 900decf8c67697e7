"""Watches a chaos run from outside and writes down what it sees: topics, offsets, processes, Redis."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

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
ANSWER_MS = 3_000
METADATA_MAX_AGE_MS = 2_000


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
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that brokers are away is no news here
        watcher = cls(settings, bootstrap, log, pids)
        thread = threading.Thread(
            target=lambda: asyncio.run(watcher._watch()), name="chaos-watcher", daemon=True
        )
        thread.start()
        try:
            yield watcher
        finally:
            watcher._done.set()
            thread.join()

    def now_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began_s

    def newest_frames(self) -> dict[str, tuple[FrameId, float]]:
        """Of each camera: its newest frame, and when that came."""
        return dict(self._newest)

    async def _watch(self) -> None:
        await asyncio.gather(self._read_topics(), self._sample_processes(), self._sample_offsets())

    async def _read_topics(self) -> None:
        topics = self._settings.topics
        takes: dict[str, Callable[[Any], None]] = {
            topics.frames.name: self._take_frame,
            topics.landmarks.name: self._take_landmarks,
            topics.emotions.name: self._take_emotion,
            topics.dead_letters.name: self._take_dead_letter,
        }
        async with AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        ) as consumer:
            consumer.assign(
                [
                    TopicPartition(topic.name, partition)
                    for topic in topics
                    if topic.name in takes
                    for partition in range(topic.partitions)
                ]
            )
            while not self._done.is_set():
                try:
                    fetched = await consumer.getmany(timeout_ms=round(1000 * POLL_S))
                except KafkaError:  # a broker is away
                    await asyncio.sleep(POLL_S)
                    continue
                for tp, records in fetched.items():
                    for record in records:
                        if (tp.topic, _place(record)) not in self._seen:  # it may read a part again
                            self._seen.add((tp.topic, _place(record)))
                            takes[tp.topic](record)

    def _take_frame(self, record: Any) -> None:
        headers = dict(record.headers)
        # A camera of before runs were known names none.
        frame = FrameId(record.key.decode(), int(headers.get("run", 0)), int(headers["seq"]))
        at_s = self.now_s()
        self.log.frames.append(FrameSeen(frame, _place(record), at_s))
        self._newest[frame.camera_id] = (frame, at_s)

    def _take_landmarks(self, record: Any) -> None:
        self.log.landmarks.append(self._face(record, _from_msgpack.decode(record.value)))

    def _take_emotion(self, record: Any) -> None:
        self.log.emotions.append(self._face(record, _from_json.decode(record.value)))

    def _face(self, record: Any, named: _Named) -> FaceSeen:
        frame = FrameId(named.camera_id, named.run, named.frame_seq)
        return FaceSeen(frame, named.subject_id, _place(record), self.now_s(), named.event_id)

    def _take_dead_letter(self, record: Any) -> None:
        headers = dict(record.headers)
        stage, reason = (headers.get(f"dead-letter-{what}", b"?").decode() for what in ("stage", "reason"))
        self.log.dead_letters.append(DeadLetter(stage, reason, self.now_s()))

    async def _sample_processes(self) -> None:
        while not self._done.is_set():
            for name, pid in self._pids().items():
                if used := _used(pid):
                    self.log.processes.append(ProcessSeen(name, pid, *used, self.now_s()))
            await asyncio.sleep(SAMPLE_S)

    async def _sample_offsets(self) -> None:
        while not self._done.is_set():
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=ANSWER_MS)
            try:
                await admin.start()
                while not self._done.is_set():
                    for stage in STAGES:
                        await self._sample_group(admin, self._settings.group(stage))
                    await asyncio.sleep(SAMPLE_S)
            except (KafkaError, OSError, TimeoutError):  # a broker is away: begin again
                await asyncio.sleep(SAMPLE_S)
            finally:
                await admin.close()

    async def _sample_group(self, admin: AIOKafkaAdminClient, group: str) -> None:
        committed = await admin.list_consumer_group_offsets(group)
        at_s = self.now_s()
        self.log.offsets += [
            OffsetSeen(group, tp.partition, found.offset, at_s)
            for tp, found in committed.items()
            if found.offset >= 0
        ]


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


def _number(field: str | bytes | None) -> int:
    """0 where there is none: the run of a state of before runs were known."""
    return int(field or 0)


def _place(record: Any) -> Place:
    return Place(record.partition, record.offset)


def _used(pid: int) -> tuple[float, int] | None:
    """Resident MiB and open files of a process; None if it has ended. Source: man 5 proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (OSError, IndexError, ValueError):
        return None
    return pages * 4096 / 2**20, fds
