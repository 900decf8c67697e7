"""Measures a model's answers on held-out faces, for `models/emotion/model_reference.py`."""

from typing import Final

import numpy as np

from models.arrays import F32
from models.emotion.classifier import Classification, Classifier
from models.emotion.model_reference import Answers, Part
from models.emotion.operating_points import OperatingPoint
from models.faces.canonical import COARSE_REGION, COARSE_REGIONS
from models.judging import neutral_face_trial
from models.samples.dataset import NO_MAJORITY, Samples
from models.samples.own_neutral import own_neutral_faces

STAY: Final = "two minutes of all"
"""The script of `models/judging/neutral_face_trial.py` that stands for somebody in view of a camera."""
_DIGITS: Final = 3  # more would tell machines apart
_CHUNK: Final = 512  # faces classified at once


def part(classifier: Classifier, samples: Samples, *, own: bool) -> Part:
    """The answers for the faces that `mien evaluate` takes of a file, at each point of one network.

    Of a file that the model was trained on these are the held-out ones. `own`: the network for own neutral
    faces answers, against the mean of the others. Raises ValueError when no face is left.
    """
    samples = samples.take(classifier.landmark_set)
    name = samples.sources[0]
    chosen = samples.label != NO_MAJORITY
    if name in classifier.trained_on:
        chosen &= samples.validation
    baseline = np.broadcast_to(classifier.population_baseline, samples.points.shape)
    if own:
        baseline, known = own_neutral_faces(samples)
        chosen &= known
    if not chosen.any():
        whose = "with another neutral face of the same person " if own else ""
        raise ValueError(f"{name}: no held-out face {whose}is left to measure a reference with")
    points = classifier.own_operating_points if own else classifier.operating_points
    return Part(
        name,
        int(chosen.sum()),
        {
            at: _answers(
                classifier, _classify(classifier, samples.points[chosen], baseline[chosen], point, own), point
            )
            for at, point in points.items()
        },
    )


def own_baseline(classifier: Classifier, everybody: list[neutral_face_trial.Person]) -> float:
    """Of the frames of people who are seen for two minutes: the share that finds the own face known."""
    stay = neutral_face_trial.trial(everybody, neutral_face_trial.SCRIPTS[STAY], classifier)
    return round(stay.frames, _DIGITS)


def _classify(
    classifier: Classifier, points: F32, baseline: F32, point: OperatingPoint, own: bool
) -> Classification:
    chunks = [
        classifier.classify(
            points[start : start + _CHUNK],
            baseline[start : start + _CHUNK],
            point.bias,
            own=np.full(len(points[start : start + _CHUNK]), own),
            own_bias=point.bias,
        )
        for start in range(0, len(points), _CHUNK)
    ]
    return Classification(*(np.concatenate(column) for column in zip(*chunks, strict=True)))


def _answers(classifier: Classifier, classified: Classification, point: OperatingPoint) -> Answers:
    confidence = classified.probabilities.max(axis=1).astype(np.float64)
    answered = confidence >= point.min_confidence
    named = classified.target[answered]
    strengths = np.abs(classified.attributions).astype(np.float64)
    totals = strengths.sum(axis=1, keepdims=True)
    shares = (strengths / np.where(totals, totals, 1)).mean(axis=0)
    regions = np.array([COARSE_REGION[i] for i in classifier.landmark_set.indices])
    return Answers(
        confidence=_rounded(confidence.mean()),
        low_confidence=_rounded((~answered).mean()),
        emotion_mix={
            emotion: _rounded((named == place).sum() / max(1, len(named)))
            for place, emotion in enumerate(classifier.emotions)
        },
        region_share={region: _rounded(shares[regions == region].sum()) for region in COARSE_REGIONS},
    )


def _rounded(share: float) -> float:
    return round(min(float(share), 1.0), _DIGITS)
