"""The probe's pictures, and its verdict on one round; tests/integration/test_probe.py has the whole of it."""

from typing import Any

import pytest

from models.faces.pictures import decode_jpeg
from streams.errors import ProbeFailed, SettingsInvalid
from streams.settings import Settings
from workers.camera import camera
from workers.camera.reading_thread import CameraOptions
from workers.probe import probe
from workers.probe.probe import one_round, refuse_untrue

GOOD: dict[str, Any] = {
    "frames": 24, "right": 20, "wrong": 0, "abstained": 0, "late": 0, "missing": 0,
    "latency_ms": {"emotions": {"p50": 30.0, "p99": 80.0}, "state": {"p50": 40.0, "p99": 90.0}},
}  # fmt: skip


def test_a_round_shows_each_expression_of_the_script() -> None:
    pictures = one_round(2.0)

    assert len(pictures) == 24
    assert {picture.truth for picture in pictures} >= {"neutral", "happiness", "surprise"}
    assert [picture.truth for picture in pictures].count(None) <= 4
    decoded = decode_jpeg(pictures[0].jpeg, max_bytes=2**20, max_pixels=2**20)
    assert decoded.shape == (240, 320, 3)


def test_a_round_that_was_answered_passes() -> None:
    refuse_untrue(GOOD)
    refuse_untrue(GOOD | {"right": 18, "late": 2})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"right": 0, "missing": 24}, "24 missing"),
        ({"right": 17, "wrong": 3}, "17 right, 3 wrong"),
        ({"right": 0}, "0 right"),
        (
            {"latency_ms": GOOD["latency_ms"] | {"state": {"p50": None, "p99": None}}},
            "nothing of it came to Redis",
        ),
    ],
    ids=str,
)
def test_a_round_that_was_not_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ProbeFailed, match=told):
        refuse_untrue(GOOD | changes)


def test_where_no_stage_reads_frames_there_is_nothing_to_probe() -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_FRAMES=none"):
        probe.run(Settings(frames="none"), once=True)


def test_no_real_camera_may_have_its_id() -> None:
    with pytest.raises(SettingsInvalid, match="mien-probe is the camera of `mien probe`"):
        camera.run(Settings(), CameraOptions(camera_id="mien-probe", source="demo:cycle"))
