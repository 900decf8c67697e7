"""Two producers of one camera id: noticed, counted, and told once a minute."""

from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from streams import camera_runs
from streams.camera_runs import FORGET_S, RUNS_KEPT, WARN_EVERY_S, CameraRuns

OLD, NEW = 1_764_000_000_000_000, 1_764_000_060_000_000


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock on."""
    now_s = [1000.0]
    monkeypatch.setattr(camera_runs.time, "monotonic", lambda: now_s[0])

    def forward(seconds: float) -> None:
        now_s[0] += seconds

    return forward


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cameras that were warned about."""
    told: list[str] = []
    monkeypatch.setattr(camera_runs.log, "warning", lambda _text, **about: told.append(about["camera"]))
    return told


def overlapping(camera: str) -> float:
    return REGISTRY.get_sample_value("mien_overlapping_frames_total", {"camera": camera}) or 0.0


def note(runs: CameraRuns, camera: str, *frames: tuple[int, int]) -> float:
    """How many of these frames (run, seq) were counted."""
    before = overlapping(camera)
    for run, seq in frames:
        runs.note(camera, run, seq)
    return overlapping(camera) - before


def test_two_producers_of_one_id_are_counted(warned: list[str]) -> None:
    frames = [(run, seq) for seq in range(5) for run in (OLD, NEW)]

    assert note(CameraRuns(), "door", *frames) == 8  # all but the first of each
    assert warned == ["door"]


def test_it_does_not_matter_which_began_first_nor_how_many_they_are(warned: list[str]) -> None:
    frames = [(run, seq) for seq in range(3) for run in (NEW, OLD, 0, NEW + 1)]

    assert note(CameraRuns(), "gate", *frames) == 8
    assert warned == ["gate"]


def test_a_camera_that_is_started_again_is_no_second_producer(warned: list[str]) -> None:
    again = [(NEW + run, seq) for run in range(3 * RUNS_KEPT) for seq in range(4)]

    assert note(CameraRuns(), "hall", *[(OLD, seq) for seq in range(9)], *again) == 0
    assert warned == []


def test_frames_that_come_again_say_nothing(warned: list[str]) -> None:
    """After a rebalance, of a run that has ended since."""
    both = [*[(OLD, seq) for seq in range(9)], *[(NEW, seq) for seq in range(9)]]

    assert note(CameraRuns(), "yard", *both, *both, (NEW, 9)) == 0
    assert warned == []


def test_it_is_told_once_a_minute_for_each_camera(
    warned: list[str], forward: Callable[[float], None]
) -> None:
    runs = CameraRuns()
    for seq in range(20):
        for camera in ("a", "b"):
            for run in (OLD, NEW):
                runs.note(camera, run, seq)
        forward(WARN_EVERY_S / 10)

    assert sorted(warned) == ["a", "a", "b", "b"]


def test_quiet_cameras_are_forgotten(forward: Callable[[float], None]) -> None:
    runs = CameraRuns()
    runs.note("a", OLD, 1)
    forward(FORGET_S / 2)
    runs.note("b", OLD, 1)
    forward(FORGET_S / 2 + 1)
    runs.note("c", OLD, 1)

    assert set(runs._cameras) == {"b", "c"}
