"""Good messages of each kind, for tests that then make them bad."""

import numpy as np

from streams.messages import emotion_event, landmarks_message
from streams.messages.emotion_event import (
    AttributedLandmark,
    EmotionEvent,
    Explanation,
    FacialAction,
    Model,
    Probabilities,
)
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import FaceBox, Landmarks, Pose, Quality, Transform

_AT_US = 1_764_000_000_123_456
_TRACEPARENT = f"00-{1:032x}-{1:016x}-01"
_BOX, _POSE = FaceBox(0.41, 0.22, 0.12, 0.18), Pose(3.1, -8.0, 0.4)


def frame(jpeg: bytes) -> Frame:
    return Frame("lobby", 7, _AT_US, (640, 480), "live", _TRACEPARENT, jpeg, _AT_US - 7)


def face(n_points: int) -> Landmarks:
    return Landmarks(
        camera_id="lobby",
        frame_seq=7,
        captured_at_us=_AT_US,
        subject_id="lobby:7k3f",
        face=_BOX,
        pose=_POSE,
        quality=Quality(64.0, 0.05, 0.98),
        landmark_set="three",
        points=landmarks_message.pack_points(np.ones((n_points, 3), np.float32)),
        transform=Transform(64.0, [1.0, 0, 0, 0, 1, 0, 0, 0, 1], [320.0, 240.0, 0.0]),
        traceparent=_TRACEPARENT,
    )


def emotion() -> EmotionEvent:
    return EmotionEvent(
        event_id=emotion_event.event_id("lobby", 1, 7, "lobby:7k3f"),
        camera_id="lobby",
        subject_id="lobby:7k3f",
        frame_seq=7,
        captured_at=emotion_event.time_of(_AT_US),
        face=_BOX,
        pose=_POSE,
        emotion="happiness",
        confidence=0.7,
        abstained=None,
        probabilities=Probabilities(0.1, 0.7, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02),
        explanation=Explanation(
            method="integrated-gradients",
            target="happiness",
            baseline="population",
            score_change=6.0,
            completeness_error=2e-6,
            landmarks=[AttributedLandmark(61, "mouth corner, right", 4.0)],
            regions={"mouth": 0.75, "cheeks": 0.25},
            text="Mouth corners raised.",
            attributions=[4.0, 2.0],
            actions=[FacialAction("lip corners pulled up", 12, 1.1, 0.6)],
        ),
        model=Model("mien-128", "0123456789ab", "three"),
        run=1,
    )
