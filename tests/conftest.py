"""What many tests share: a real Redis, messages to start from, and an outlet that only writes down.

`make test` runs the files of tests in several processes (pytest-xdist); a session's fixtures, servers among
them, are those of one process.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
import structlog

from streams import logs
from streams.errors import InputRefused
from streams.local import child_process, embedded_servers
from streams.messages import emotion_event, landmarks_message
from streams.messages.emotion_event import EmotionEvent, Explanation, Model, Probabilities
from streams.messages.frame_message import Headers
from streams.messages.landmarks_message import (
    FaceBox,
    Landmarks,
    PictureSize,
    Pose,
    Quality,
    Transform,
)
from streams.topics import Topic

# No test of speed, here neither: on a busy machine any example may take longer than hypothesis allows.
hypothesis.settings.register_profile(
    "mien", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("mien")

# Each process of pytest-xdist has ports of its own, or a server could find its port taken by another's.
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
child_process.PORTS = child_process.PORTS[_process * 2000 :][:2000]

UNIT = Path(__file__).with_name("unit")
PROCESSES_MAX = 6
"""More would wait for the longest file, each with servers of its own."""


def pytest_configure() -> None:
    """jax: the tests train so little that compiling well takes longer than what it saves."""
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `pytest -n auto`: one more than cores, since tests on real servers wait half of their time."""
    return min(PROCESSES_MAX, (os.cpu_count() or 1) + 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Before they start: one thread of linear algebra each, or they would wait for one another."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module", autouse=True)
def _no_settings_from_outside(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests see the default settings, whatever the developer's shell says."""
    with pytest.MonkeyPatch.context() as patch:
        if UNIT in request.path.parents:
            for name in [name for name in os.environ if name.startswith("MIEN_")]:
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What a verb run in this process sets up would write the next tests' logs to a stream that is closed."""
    root = logging.getLogger()
    handlers, level, config = list(root.handlers), root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in logs.CHATTY}
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**config)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real redis-server, one for all tests; use subject ids of your own, or flush it."""
    with embedded_servers.redis_server() as url:
        yield url


class Sent(NamedTuple):
    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: Headers


class RecordingOutlet:
    """Stands for ``stages.outlet.Outlet``: keeps what was sent and refused, and can be told to fail."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.refused: list[tuple[Any, InputRefused]] = []
        self.undelivered: list[Exception] = []
        """Errors that the next deliveries end with."""

    async def send(
        self, topic: Topic, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Awaitable[None]:
        self.sent.append(Sent(topic, key, value, headers))
        delivery = asyncio.get_running_loop().create_future()
        if self.undelivered:
            delivery.set_exception(self.undelivered.pop(0))
        else:
            delivery.set_result(None)
        return delivery

    async def partitions_of(self, _topic: Topic) -> int:
        return 8

    async def refuse(self, message: Any, error: InputRefused) -> None:
        self.refused.append((message, error))

    @property
    def reasons(self) -> list[str]:
        return [error.reason for _, error in self.refused]


@pytest.fixture
def outlet() -> RecordingOutlet:
    return RecordingOutlet()


@pytest.fixture(scope="session")
def make_landmarks() -> Callable[..., Landmarks]:
    """Builds a good landmarks message, with the given fields changed."""

    def make(**changes: Any) -> Landmarks:
        fields = {
            "camera_id": "lobby-1",
            "frame_seq": 7,
            "captured_at_us": 1_764_000_000_123_456,
            "subject_id": "lobby-1:7k3f",
            "face": FaceBox(0.41, 0.22, 0.12, 0.18),
            "pose": Pose(3.1, -8.0, 0.4),
            "quality": Quality(64.0, 0.05, 0.98),
            "landmark_set": "two-points",
            "points": landmarks_message.pack_points(np.zeros((2, 3), np.float32)),
            "transform": Transform(64.0, [1.0, 0, 0, 0, 1, 0, 0, 0, 1], [320.0, 240.0, 0.0]),
            "traceparent": "",
        }
        return Landmarks(**fields | changes)

    return make


@pytest.fixture(scope="session")
def make_event() -> Callable[..., EmotionEvent]:
    """Builds a good emotion event, with the given fields changed; ``p`` gives some probabilities."""

    def make(*, p: dict[str, float] | None = None, **changes: Any) -> EmotionEvent:
        camera_id = changes.get("camera_id", "lobby-1")
        frame_seq = changes.get("frame_seq", 7)
        subject_id = changes.get("subject_id", "lobby-1:7k3f")
        run = changes.get("run", 0)
        probabilities = dict.fromkeys(emotion_event.EMOTIONS, 0.0) | (p or {"happiness": 0.9, "neutral": 0.1})
        top = max(probabilities, key=probabilities.__getitem__)
        fields = {
            "event_id": emotion_event.event_id(camera_id, run, frame_seq, subject_id),
            "camera_id": camera_id,
            "subject_id": subject_id,
            "frame_seq": frame_seq,
            "captured_at": emotion_event.time_of(1_764_000_000_123_456),
            "face": FaceBox(0.41, 0.22, 0.12, 0.18),
            "pose": Pose(3.1, -8.0, 0.4),
            "emotion": top,
            "confidence": probabilities[top],
            "abstained": None,
            "probabilities": Probabilities(**probabilities),
            "explanation": Explanation(
                method="integrated-gradients",
                target=top,
                baseline="population",
                score_change=6.0,
                completeness_error=2e-6,
                landmarks=[emotion_event.AttributedLandmark(61, "mouth corner, right", 4.0)],
                regions={"mouth": 0.75, "cheeks": 0.25},
                text="Mouth corners raised.",
                attributions=[4.0, 2.0],
            ),
            "model": Model("mien-128", "0123456789ab", "two-points"),
            "quality": Quality(64.0, 0.05, 0.98),
            "picture": PictureSize(1280, 720, 1920),
        }
        return EmotionEvent(**fields | changes)

    return make
