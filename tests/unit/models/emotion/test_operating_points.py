"""Operating points as they are kept in a model file."""

import json

import numpy as np
import pytest

from models.emotion.operating_points import OperatingPoint, from_json, to_json


def test_they_come_back_from_json_as_they_were() -> None:
    points = {"accurate": OperatingPoint(np.array([0.1, -1 / 3, 1e-9], np.float32), 0.52)}
    again = from_json(to_json(points), classes=3)
    np.testing.assert_array_equal(again["accurate"].bias, points["accurate"].bias)
    assert again["accurate"].bias.dtype == np.float32
    assert again["accurate"].min_confidence == 0.52


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("accurate", "these are no operating points"),
        ([1, 2], "these are no operating points"),
        ({"accurate": {"bias": [0, 0, 0]}}, "these are no operating points"),
        ({"accurate": {"bias": ["much"] * 3, "min_confidence": 0.5}}, "these are no operating points"),
        ({"accurate": {"bias": [0, 0], "min_confidence": 0.5}}, "'accurate': the bias must be 3 finite"),
        ({"accurate": {"bias": [0, 0, float("nan")], "min_confidence": 0.5}}, "must be 3 finite numbers"),
        ({"accurate": {"bias": [0, 0, 0], "min_confidence": 1.5}}, r"min_confidence must lie in \[0, 1\]"),
        ({"other": {"bias": [0, 0, 0], "min_confidence": 0.5}}, r"no operating point 'accurate' .*other"),
    ],
)
def test_what_is_none_is_refused(stored: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(json.dumps(stored), classes=3)


def test_text_is_refused() -> None:
    with pytest.raises(ValueError, match="these are no operating points"):
        from_json("not json", classes=3)
