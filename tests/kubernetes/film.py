"""Frames of faces, one camera a partition, sent to Kafka as a camera sends them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from confluent_kafka import Producer
from harness import Chain, assert_nothing_lost, eventually

from models.faces.pictures import encode_jpeg
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams.messages import frame_message
from streams.messages.frame_message import Frame, Source
from workers.local.chain import one_camera_a_partition

FPS = 10
"""Of a film's own time."""


@cache
def pictures() -> list[bytes]:
    """There and back again, so that the face never jumps."""
    animation = Animation(find_script("calm"), FPS, (320, 240), 7)
    there = [encode_jpeg(animation.frame(index), 85) for index in range(40)]
    return [*there, *there[-2:0:-1]]


class Film:
    """``source`` says whether old frames may be dropped: those of ``live`` may, those of a ``file`` never."""

    def __init__(self, chain: Chain, name: str, source: Source = "file") -> None:
        self.cameras = one_camera_a_partition(chain.partitions, name)
        self.frames = 0
        """So many of each camera."""
        self._chain = chain
        self._source, self._topic = source, chain.settings.topics.frames.name
        self._producer = Producer({"bootstrap.servers": chain.bootstrap, "partitioner": "murmur2_random"})
        self._began_us = time.time_ns() // 1000

    def play(self, frames: int = 1) -> None:
        """Send the next pictures of all cameras, and wait until Kafka has them."""
        for _ in range(frames):
            for camera in self.cameras:
                self._send(camera)
            self.frames += 1
        assert self._producer.flush(60) == 0

    def goes_on(self, frames: int = 8) -> None:
        """Returns when frames that were sent from now on have their events. It must be playing."""
        wanted = self.frames + frames
        eventually(
            lambda: all(max(self._chain.seen().get(camera, {-1})) >= wanted for camera in self.cameras),
            "work goes on",
        )

    def assert_whole(self) -> None:
        """Each frame has its event once, in the state too, and each face has one id throughout."""
        sent = {camera: len(self._chain.frames()[camera]) for camera in self.cameras}
        assert sent == dict.fromkeys(self.cameras, self.frames)
        assert_nothing_lost(self._chain)
        ids = defaultdict(set)
        for event in self._chain.events():
            ids[event["camera_id"]].add(event["subject_id"])
        assert {camera: len(ids[camera]) for camera in self.cameras} == dict.fromkeys(self.cameras, 1)

    def _send(self, camera: str) -> None:
        age_us = self.frames * 1_000_000 // FPS
        frame = Frame(
            camera_id=camera,
            seq=self.frames,
            captured_at_us=self._began_us + age_us if self._source == "file" else time.time_ns() // 1000,
            size_px=(320, 240),
            source=self._source,
            traceparent="",
            jpeg=pictures()[self.frames % len(pictures())],
            run=self._began_us,
        )
        key, value, headers = frame_message.encode(frame)
        self._producer.produce(self._topic, value, key, headers=headers)


@contextmanager
def playing(film: Film, fps: float) -> Iterator[None]:
    """The film goes on while the block runs, each camera at this rate."""
    with repeated(film.play, 1 / fps):
        yield


@contextmanager
def repeated(act: Callable[[], None], every_s: float) -> Iterator[None]:
    """Do something again and again while the block runs; what it raises is raised at the end."""
    done, problems = threading.Event(), list[Exception]()

    def work() -> None:
        try:
            while not done.wait(every_s):
                act()
        except Exception as cause:  # noqa: BLE001
            problems.append(cause)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if problems:
        raise problems[0]
