"""When the classifier says "I don't know", and for which reason."""

from typing import Any, get_args

import pytest

from models.emotion import abstention
from models.emotion.abstention import Limits, reason
from streams.messages.emotion_event import Abstention

LIMITS = Limits(
    min_confidence=0.5,
    min_inter_ocular_px=14,
    max_yaw_deg=50,
    max_pitch_deg=40,
    min_sharpness=0.01,
    min_visible=0.9,
)
GOOD = {"confidence": 0.9, "inter_ocular_px": 60.0, "yaw_deg": 3.0, "pitch_deg": -8.0, "sharpness": 0.1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"confidence": 0.499}, "low-confidence"),
        ({"confidence": 0.5}, None),
        ({"inter_ocular_px": 13.9}, "small-face"),
        ({"inter_ocular_px": 14.0}, None),
        ({"yaw_deg": 50.1}, "extreme-pose"),
        ({"yaw_deg": -50.1}, "extreme-pose"),
        ({"yaw_deg": -50.0}, None),
        ({"pitch_deg": 40.1}, "extreme-pose"),
        ({"pitch_deg": -40.1}, "extreme-pose"),
        ({"pitch_deg": 40.0}, None),
        ({"sharpness": 0.009}, "blurred"),
        ({"sharpness": 0.01}, None),
        ({"visible": 0.89}, "partial-face"),
        ({"visible": 0.9}, None),
    ],
    ids=str,
)
def test_each_limit(changes: dict[str, float], expected: str | None) -> None:
    assert reason(LIMITS, **GOOD | changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sharpness": 0.0, "confidence": 0.0}, "blurred"),
        ({"yaw_deg": 90.0, "sharpness": 0.0, "confidence": 0.0}, "extreme-pose"),
        ({"inter_ocular_px": 1.0, "yaw_deg": 90.0, "sharpness": 0.0, "confidence": 0.0}, "small-face"),
        ({"inter_ocular_px": 1.0, "yaw_deg": 90.0, "sharpness": 0.0, "visible": 0.5}, "partial-face"),
    ],
    ids=str,
)
def test_the_pictures_fault_is_told_before_the_models_doubt(changes: dict[str, Any], expected: str) -> None:
    assert reason(LIMITS, **GOOD | changes) == expected


def test_the_reasons_are_those_of_the_published_event() -> None:
    assert set(get_args(abstention.Reason)) == set(get_args(Abstention))
