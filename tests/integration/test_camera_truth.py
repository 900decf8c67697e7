"""What is true of a camera, from its pictures to ``mien.cameras``, metrics and alerts, on real servers."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer
from harness import Chain, Process, eventually
from made_up_sightings import CALM, FEAR
from PIL import Image

from models.staged import camera_scenes
from streams.messages import camera_truth, emotion_event
from streams.messages.camera_truth import CameraTruth
from streams.messages.emotion_event import EmotionEvent, time_of
from streams.store.scene_store import scene_key
from workers.local import metrics_scrape

FPS = 10
RULES = """
rules:
  - {name: fear, emotions: [fear], probability: 0.6, for: 1s, clear_for: 2s}
  - {name: fear-anywhere, emotions: [fear], probability: 0.6, for: 1s, clear_for: 2s,
     include_untrue_cameras: true}
"""


class MjpegCamera:
    """A camera over HTTP that shows what it is told to; ``gone``: it refuses whoever comes."""

    def __init__(self) -> None:
        self.shows = "room"
        rng = np.random.default_rng(0)
        room = camera_scenes.place(1)
        pictures = {"room": room, "dark": room * np.float32(0.02)}
        self._jpegs = {
            name: [_jpeg(camera_scenes.as_seen(picture, rng)) for _ in range(600)]
            for name, picture in pictures.items()
        }
        self._jpegs["frozen"] = self._jpegs["room"][:1]
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                if camera.shows == "gone":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                while camera.shows != "gone":
                    jpegs = camera._jpegs[camera.shows]
                    jpeg = jpegs[number % len(jpegs)]
                    number += 1
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                    except OSError:
                        return
                    time.sleep(1 / FPS)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/stream"

    def close(self) -> None:
        self.shows = "gone"
        self._server.shutdown()
        self._server.server_close()


def _jpeg(grey: camera_scenes.Plane) -> bytes:
    data = io.BytesIO()
    Image.fromarray(grey).save(data, "JPEG", quality=85)
    return data.getvalue()


@pytest.fixture
def mjpeg() -> Iterator[MjpegCamera]:
    camera = MjpegCamera()
    yield camera
    camera.close()


def told(chain: Chain) -> list[dict[str, Any]]:
    return [json.loads(message.value()) for message in chain.tail("cameras").poll()]


def states(chain: Chain) -> list[str]:
    """As they changed."""
    found = [one["state"] for one in told(chain)]
    return [state for before, state in pairwise(["", *found]) if state != before]


def shown(process: Process) -> list[str]:
    """The states whose metric is 1."""
    samples = metrics_scrape.samples(process.port)
    return [s.labels["state"] for s in samples if s.name == "mien_camera_state" and s.value == 1]


def test_a_camera_tells_that_it_is_dark_frozen_and_lost_and_when_that_is_over(
    chain: Chain, mjpeg: MjpegCamera
) -> None:
    camera = chain.start("camera", "--id", "lobby", camera_source=mjpeg.url, camera_frozen_s=4)
    expected: list[str] = []
    for shows, state in (
        *(("room", "ok"), ("dark", "dark"), ("room", "ok"), ("frozen", "frozen"), ("room", "ok")),
        ("gone", "lost"),
    ):
        mjpeg.shows = shows
        expected.append(state)
        eventually(lambda: states(chain) == expected, lambda: f"{expected}: {states(chain)}\n{camera.err}")
        eventually(lambda state=state: shown(camera) == [state], "the metric says so")
        if shows in ("room", "frozen"):
            eventually(
                lambda shows=shows: (
                    (metrics_scrape.get(camera.port, "/readyz")[0] == 200) == (shows == "room")
                ),
                "ready with pictures that change",
            )

    mjpeg.shows = "room"
    eventually(lambda: states(chain)[-1] == "ok", "it is back")
    assert camera.end() == 0
    eventually(lambda: states(chain)[-1] == "lost", "its last word")

    events = told(chain)
    assert {message.key() for message in chain.tail("cameras").poll()} == {b"lobby"}
    assert {(one["camera_id"], one["run"]) for one in events} == {("lobby", events[0]["run"])}
    assert all(one["since"] <= one["at"] for one in events)
    dark = next(one for one in events if one["state"] == "dark")
    assert dark["measures"]["brightness"] < 12
    frozen = next(one for one in events if one["state"] == "frozen")
    assert frozen["measures"]["unchanged_s"] >= 4
    assert abs(events[-1]["measures"]["clock_offset_s"]) < 1  # one machine, one clock
    assert chain.redis.exists(scene_key("lobby")) == 1


class Lobby:
    """Writes what a camera and the faces before it would."""

    def __init__(self, chain: Chain, make_event: Callable[..., EmotionEvent]) -> None:
        self._topics = chain.settings.topics
        self._producer = Producer({"bootstrap.servers": chain.bootstrap})
        self._make = make_event
        self.start_us = time.time_ns() // 1000 - 60_000_000

    def tell(self, at_s: float, state: camera_truth.CameraState) -> None:
        at = time_of(self.start_us + round(at_s * 1e6))
        key, value, headers = camera_truth.encode(CameraTruth("lobby", 1, at, state, at, {}))
        self._producer.produce(self._topics.cameras.name, value, key, headers=headers)
        assert self._producer.flush(30) == 0

    def show(self, subject: str, from_s: float) -> None:
        """A face that is afraid for two seconds, and calm for three."""
        for number, p in enumerate([FEAR] * 20 + [CALM] * 30):
            seq = round(from_s * FPS) + number
            event = self._make(
                p=p,
                camera_id="lobby",
                subject_id=f"lobby:{subject}",
                frame_seq=seq,
                captured_at=time_of(self.start_us + seq * 1_000_000 // FPS),
            )
            key, value, headers = emotion_event.encode(event)
            self._producer.produce(self._topics.emotions.name, value, key, headers=headers)
        assert self._producer.flush(30) == 0


def alerts(chain: Chain) -> list[tuple[str, str, str, str]]:
    found = [json.loads(message.value()) for message in chain.tail("alerts").poll()]
    return sorted(
        (one["subject_id"], one["rule"], one["evidence"]["camera"], one["alert_id"])
        for one in found
        if one["state"] == "firing"
    )


def test_alerts_leave_out_faces_of_a_camera_that_is_not_ok_and_a_replay_gives_the_same(
    make_chain: Callable[..., Chain], make_event: Callable[..., EmotionEvent], tmp_path: Path
) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text(RULES)
    chain = make_chain(alerts_path=str(rules))
    lobby = Lobby(chain, make_event)
    live = chain.start("alerts").wait_ready()
    lobby.tell(0, "ok")
    lobby.show("a", 5)
    lobby.tell(12, "covered")
    lobby.show("b", 15)
    lobby.tell(22, "ok")
    lobby.show("c", 25)
    expected = [
        ("lobby:a", "fear", "ok"),
        ("lobby:a", "fear-anywhere", "ok"),
        ("lobby:b", "fear-anywhere", "covered"),
        ("lobby:c", "fear", "ok"),
        ("lobby:c", "fear-anywhere", "ok"),
    ]
    eventually(lambda: [one[:3] for one in alerts(chain)] == expected, lambda: f"{alerts(chain)}\n{live.err}")
    first = alerts(chain)
    live.end()

    # All that Redis knew is lost, and everything is read again: now the truth is known from the beginning.
    chain.redis.flushdb()
    again = chain.start("alerts").wait_ready()
    for subject, from_s in (("a", 5), ("b", 15), ("c", 25)):
        lobby.show(subject, from_s)
    eventually(lambda: len(alerts(chain)) == 2 * len(first), lambda: f"{alerts(chain)}\n{again.err}")
    assert alerts(chain) == sorted(first * 2)
