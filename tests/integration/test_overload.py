"""Several times as many frames as a worker can do: every one is accounted for, and faces go first."""

import time
from collections.abc import Callable
from statistics import mean
from typing import NamedTuple

import pytest
from confluent_kafka import Producer
from harness import Chain, Process, eventually

from models.faces.pictures import encode_jpeg
from models.staged import scenes
from streams.messages import frame_message, landmarks_message
from streams.messages.frame_message import Frame, Priority, Source
from streams.telemetry.trace_context import TraceContext
from workers.local import metrics_scrape

pytestmark = pytest.mark.alone

FPS, SECONDS = 40, 5.0
SIZE_PX = (320, 240)
ANSWERED = ("faces", "no-face")


class Camera(NamedTuple):
    priority: Priority
    faces: int
    every: int = 1
    """Sends one frame in so many that others send."""
    source: Source = "live"


CROWDS = {f"crowd-{n}": Camera("low", faces=4) for n in range(8)}
"""What is too much."""
YARDS = {f"yard-{n}": Camera("low", faces=0, every=4) for n in range(2)}
CAMERAS = {
    "door": Camera("high", faces=1, every=4),
    "film": Camera("low", faces=1, every=8, source="file"),
    **CROWDS,
    **YARDS,
}


def outcomes(worker: Process) -> dict[tuple[str, str], int]:
    return {
        (s.labels["camera"], s.labels["outcome"]): int(s.value)
        for s in metrics_scrape.samples(worker.port)
        if s.name == "mien_frames_total"
    }


def there_and_back(faces: int) -> list[bytes]:
    """JPEGs of so many faces, none of which ever jumps."""
    scene = scenes.standing(faces, 48, SIZE_PX, seconds=1.0, seed=3)
    there = [encode_jpeg(frame.picture_rgb) for frame in scene.frames()]
    return [*there, *there[-2:0:-1]]


def send(chain: Chain, seconds: float) -> dict[str, int]:
    """All cameras' frames at their time; how many of each."""
    pictures = {faces: there_and_back(faces) for faces in (0, 1, 4)}
    producer = Producer({"bootstrap.servers": chain.bootstrap, "linger.ms": 5})
    run, sent = time.time_ns() // 1000, dict.fromkeys(CAMERAS, 0)
    began_s = time.monotonic()
    for n in range(round(seconds * FPS)):
        time.sleep(max(0.0, began_s + n / FPS - time.monotonic()))
        for camera_id, (priority, faces, every, source) in CAMERAS.items():
            if n % every:
                continue
            of_camera = pictures[faces]
            jpeg = of_camera[n // every % len(of_camera)]
            trace = str(TraceContext.new(sampled=False))
            at_us = time.time_ns() // 1000
            frame = Frame(camera_id, n, at_us, SIZE_PX, source, trace, jpeg, run, priority=priority)
            key, value, headers = frame_message.encode(frame)
            producer.produce(f"{chain.prefix}.frames", value, key, headers=headers)
            sent[camera_id] += 1
        producer.poll(0)
    assert producer.flush(30) == 0
    return sent


def test_every_frame_is_accounted_for_and_a_face_of_a_high_priority_goes_first(
    make_chain: Callable[..., Chain],
) -> None:
    chain = make_chain(partitions=4)
    (worker,) = chain.start_stages("landmarks")
    sent = send(chain, SECONDS)
    eventually(
        lambda: sum(outcomes(worker).values()) >= sum(sent.values()),
        lambda: f"{sent}, and of them {outcomes(worker)}",
    )
    counted = outcomes(worker)

    def share(camera_id: str, *of: str) -> float:
        return sum(counted.get((camera_id, outcome), 0) for outcome in of) / sent[camera_id]

    assert {c: share(c, *ANSWERED, "thinned", "stale") for c in CAMERAS} == dict.fromkeys(CAMERAS, 1.0)
    assert share("film", "faces") == 1.0
    assert all(share(one, *ANSWERED) > 0 for one in CAMERAS)  # a new face would be seen
    assert share("door", "thinned") < mean(share(one, "thinned") for one in CROWDS)
    assert share("door", "faces") > mean(share(one, "faces") for one in CROWDS)
    assert worker.end() == 0, worker.err

    seqs: dict[str, list[int]] = {}
    for message in chain.tail("landmarks").poll():
        face = landmarks_message.decode(message.value())
        seqs.setdefault(face.camera_id, []).append(face.frame_seq)
    assert all(seqs[camera_id] == sorted(set(seqs[camera_id])) for camera_id in ("door", "film"))
