"""What the stages would write of cameras with one face each: made up, and as large as the real ones. Pure."""

import math
from datetime import datetime
from itertools import cycle, islice
from typing import Final, NamedTuple

import numpy as np

from models.arrays import F32
from models.faces.canonical import CANONICAL, COARSE_REGION, REGION
from models.faces.landmark_set import LandmarkSet
from streams.messages import alert, camera_truth, emotion_event, landmarks_message
from streams.messages.alert import Alert, AlertEvidence, AlertState
from streams.messages.camera_truth import CameraTruth
from streams.messages.emotion_event import (
    EMOTIONS,
    AttributedLandmark,
    Emotion,
    EmotionEvent,
    Explanation,
    FacialAction,
    Model,
    Probabilities,
    Share,
)
from streams.messages.landmarks_message import FaceBox, Landmarks, PictureSize, Pose, Quality, Transform

MOVEMENTS: Final = 64
"""So many faces there are, each a little other than the one before; then they come again."""
MOVES: Final = 0.01
"""By so much, in inter-ocular distances."""
EMOTION_LASTS: Final = 30
"""Events of a camera that name the same emotion."""
CONFIDENCE: Final = 0.72
STRONGEST: Final = 5
_SIZE: Final = PictureSize(1280, 720, 1920)
_BOX: Final = FaceBox(0.41, 0.22, 0.12, 0.18)
_QUALITY: Final = Quality(64.0, 0.05, 0.98)
_ACTIONS: Final = [
    FacialAction("lip corners pulled up", 12, 1.1, 0.42),
    FacialAction("cheeks raised", 6, 0.8, 0.2),
]
_MEASURES: Final = {"brightness": 0.46, "sharpness": 0.11, "change": 0.02}


class Seen(NamedTuple):
    """One face in one frame, as landmarks and classify tell it."""

    landmarks: Landmarks
    event: EmotionEvent


class MadeUpFaces:
    """A face before each camera: it moves a little and shows each emotion in turn. A seed gives the same."""

    def __init__(self, landmark_set: LandmarkSet, run_us: int, seed: int = 0) -> None:
        """``run_us``: when all cameras began, µs since the epoch."""
        rng = np.random.default_rng(seed)
        still = CANONICAL[landmark_set.indices].astype(np.float32)
        noise = rng.normal(0, MOVES, (MOVEMENTS, *still.shape)).astype(np.float32)
        self._points = [landmarks_message.pack_points(still + moved) for moved in noise]
        self._explanations = [
            _explanation(landmark_set, target, rng.normal(0, 0.15, len(landmark_set)).astype(np.float32))
            for target in islice(cycle(EMOTIONS), MOVEMENTS)
        ]
        self._probabilities = {emotion: _probabilities(emotion) for emotion in EMOTIONS}
        self._set_id = landmark_set.id
        self._model = Model("made-up", "0" * 12, landmark_set.id)
        self._run_us = run_us

    def seen(self, camera: int, seq: int, captured_at_us: int) -> Seen:
        """What is written of a camera's frame."""
        camera_id, subject_id = camera_name(camera), subject_name(camera)
        movement = (seq + 7 * camera) % MOVEMENTS
        emotion = (seq // EMOTION_LASTS + camera) % len(EMOTIONS)
        # The explanations' emotions repeat in the order of EMOTIONS, so this is one of the right target.
        why = self._explanations[movement - movement % len(EMOTIONS) + emotion]
        pose = Pose(12.0 * math.sin(seq / 20), -4.0, 1.0)
        landmarks = Landmarks(
            camera_id, seq, captured_at_us, subject_id, _BOX, pose, _QUALITY, self._set_id,
            self._points[movement], Transform(64.0, _turned(pose.yaw), [640.0, 260.0, 0.0]),
            run=self._run_us, picture=_SIZE,
        )  # fmt: skip
        event = EmotionEvent(
            emotion_event.event_id(camera_id, self._run_us, seq, subject_id),
            camera_id, subject_id, seq, emotion_event.time_of(captured_at_us), _BOX, pose,
            why.target, CONFIDENCE, None, self._probabilities[why.target], why, self._model,
            run=self._run_us, quality=_QUALITY, picture=_SIZE,
        )  # fmt: skip
        return Seen(landmarks, event)


def camera_name(camera: int) -> str:
    return f"camera-{camera:03}"


def subject_name(camera: int) -> str:
    return f"{camera_name(camera)}:made-up"


def truth(camera: int, run_us: int, at: datetime) -> CameraTruth:
    """All is well with this camera, since it began."""
    began = emotion_event.time_of(run_us)
    return CameraTruth(camera_name(camera), run_us, at, "ok", began, _MEASURES)


def told_alert(
    camera: int, state: AlertState, started_at: datetime, at: datetime, events: list[str]
) -> Alert:
    """An alert on a camera's subject; ``events`` are ids of emotion events."""
    rule, subject_id = "made-up", subject_name(camera)
    identity = alert.alert_id(rule, subject_id, camera_truth.time_us(started_at))
    evidence = AlertEvidence(
        events, 0.91, CONFIDENCE, "fear", "subject", {"brows": 0.6, "mouth": 0.4}, ["inner brow raised"],
        "Fear, for the inner brows are raised.", "ok",
    )  # fmt: skip
    return Alert(
        identity, rule, "warning", state, camera_name(camera), subject_id, started_at, at, "Fear for 2 s.",
        CONFIDENCE, 0.6, {"team": "desk"}, evidence,
    )  # fmt: skip


def _explanation(landmark_set: LandmarkSet, target: Emotion, attributions: F32) -> Explanation:
    rounded = [round(value, 6) for value in attributions.astype(float).tolist()]
    weights: dict[str, float] = {}
    for index, value in zip(landmark_set.indices.tolist(), rounded, strict=True):
        weights[COARSE_REGION[index]] = weights.get(COARSE_REGION[index], 0.0) + abs(value)
    whole = sum(weights.values())
    strongest = np.argsort(-np.abs(attributions))[:STRONGEST].tolist()
    points = [(int(landmark_set.indices[place]), rounded[place]) for place in strongest]
    return Explanation(
        "integrated-gradients", target, "subject", round(sum(rounded), 6), 2e-6,
        [AttributedLandmark(index, REGION[index], attribution) for index, attribution in points],
        {region: round(weight / whole, 6) for region, weight in weights.items()},
        f"Looks like {target}: mostly the mouth and the brows, beside this subject's own neutral face.",
        rounded,
        _ACTIONS,
    )  # fmt: skip


def _probabilities(shown: Emotion) -> Probabilities:
    rest: Share = (1 - CONFIDENCE) / (len(EMOTIONS) - 1)
    return Probabilities(**{name: CONFIDENCE if name == shown else rest for name in EMOTIONS})


def _turned(yaw_deg: float) -> list[float]:
    """The rotation of a head that is turned to the side, row by row."""
    cos, sin = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return [cos, 0.0, sin, 0.0, 1.0, 0.0, -sin, 0.0, cos]
