"""The row `alerts` of `mien bench`: what a thousand rules cost an event, without Kafka and Redis.

An event is decoded, its subject's state is unpacked, rules are decided, and the state is packed again, as in
the stage. 50 faces are seen ten times a second, which is 500 events a second.
"""

import time
from collections.abc import Iterator

import msgspec

from streams.messages import emotion_event
from streams.messages.emotion_event import (
    EMOTIONS,
    AttributedLandmark,
    EmotionEvent,
    Explanation,
    FacialAction,
    Model,
    Probabilities,
    time_of,
)
from streams.messages.landmarks_message import FaceBox, PictureSize, Pose, Quality
from streams.settings import Settings
from workers.alerts import alert_engine, rule_file
from workers.alerts.alert_engine import Sighting, SubjectState
from workers.alerts.rules import RuleSet
from workers.alerts.smoothing import SmoothingRule
from workers.figures.timing import Finding

RULES = 1000
CAMERAS = 50
FPS = 10
EVENTS_A_SECOND = CAMERAS * FPS
FRAMES_MIN = 50
CALM = {"neutral": 0.95, "fear": 0.05}
AFRAID = {"neutral": 0.05, "fear": 0.95}

_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(SubjectState)


def alerts(settings: Settings, seconds: float) -> list[Finding]:
    """Measures for so many seconds of CPU time a case, and at least `FRAMES_MIN` frames of each face."""
    cases = {
        "20 rules for each camera, every tenth face afraid": (rules(of_one_camera=True), 10),
        "1,000 rules for every camera, all faces calm": (rules(of_one_camera=False), 0),
        "1,000 rules for every camera, every tenth face afraid": (rules(of_one_camera=False), 10),
    }
    return [
        Finding("alerts", f"{RULES:,} rules, CPU time", name, cost(settings, seconds, *case))
        for name, case in cases.items()
    ]


def rules(*, of_one_camera: bool) -> RuleSet:
    """Thresholds and emotions differ; half of the rules ask for fear."""
    lines = []
    for i in range(RULES):
        emotion = "fear" if i % 2 else EMOTIONS[1 + i // 2 % 7]
        cameras = f"camera-{i % CAMERAS}" if of_one_camera else "camera-*"
        threshold = 0.5 + i / RULES * 0.4
        lines.append(
            f"- {{name: rule-{i}, emotions: [{emotion}], probability: {threshold:.4f}, for: 4s, "
            f"cameras: [{cameras}]}}"
        )
    return rule_file.parse("rules:\n" + "\n".join(lines), "bench")


def cost(settings: Settings, seconds: float, rule_set: RuleSet, every_afraid: int) -> dict[str, float]:
    smoothing = SmoothingRule.of(settings)
    states: dict[str, bytes] = {}
    events = decided = 0
    spent_s = 0.0
    for frame in _frames(every_afraid):
        began_s = time.process_time()
        for value in frame:
            event = emotion_event.decode(value)
            packed = states.get(event.subject_id)
            state = _unpacker.decode(packed) if packed else None
            outcome = alert_engine.step(rule_set, smoothing, state, Sighting(event))
            states[event.subject_id] = _packer.encode(outcome.state)
            decided += len(outcome.alerts)
        spent_s += time.process_time() - began_s
        events += len(frame)
        if spent_s >= seconds and events >= FRAMES_MIN * CAMERAS:
            break
    an_event_us = spent_s / events * 1e6
    return {
        "µs an event": an_event_us,
        "ns a rule and event": an_event_us / RULES * 1000,
        "cores at 500 events a second": spent_s / events * EVENTS_A_SECOND,
        "alerts": float(decided),
        "bytes of state a face": sum(map(len, states.values())) / len(states),
    }


def _frames(every_afraid: int) -> Iterator[list[bytes]]:
    """The events of all faces, frame by frame; the afraid ones take turns of ten seconds with calm ones."""
    number = 0
    while True:
        afraid = number // (10 * FPS) % 2 == 0
        yield [
            example_event(camera, number, afraid=afraid and bool(every_afraid) and camera % every_afraid == 0)
            for camera in range(CAMERAS)
        ]
        number += 1


def example_event(camera: int, number: int, *, afraid: bool) -> bytes:
    """The value of an event of a camera's only face, as large as a real one."""
    shown = dict.fromkeys(EMOTIONS, 0.0) | (AFRAID if afraid else CALM)
    camera_id, subject_id = f"camera-{camera}", f"camera-{camera}:7k3f"
    event = EmotionEvent(
        event_id=emotion_event.event_id(camera_id, 0, number, subject_id),
        camera_id=camera_id,
        subject_id=subject_id,
        frame_seq=number,
        captured_at=time_of(1_760_000_000_000_000 + number * 1_000_000 // FPS),
        face=FaceBox(0.41, 0.22, 0.12, 0.18),
        pose=Pose(3.1, -8.0, 0.4),
        emotion="fear" if afraid else "neutral",
        confidence=0.95,
        abstained=None,
        probabilities=Probabilities(**shown),
        explanation=Explanation(
            method="integrated-gradients",
            target="fear",
            baseline="subject",
            score_change=6.0,
            completeness_error=2e-6,
            landmarks=[AttributedLandmark(61, "mouth corner, right", 0.4)] * 10,
            regions={"mouth": 0.5, "brows": 0.3, "eyes": 0.2},
            text="Inner brows raised and drawn together, lips stretched.",
            attributions=[0.0123] * 128,
            actions=[FacialAction("inner brow raised", 1, 0.8, 0.3)] * 3,
        ),
        model=Model("mien-128", "0123456789ab", "mien-128"),
        quality=Quality(64.123456, 0.0512345, 0.9812345),
        picture=PictureSize(1280, 720, 1920),
    )
    return emotion_event.encode(event)[1]
