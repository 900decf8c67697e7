"""Which pictures go on, and when."""

import pytest

from workers.camera.pace import LATE_MAX_S, Playback, Thinning


@pytest.mark.parametrize(
    ("own_fps", "fps", "expected"),
    [(25, 10, 100), (30, 15, 150), (10, 25, 100), (25, None, 250)],
)
def test_thinning_takes_at_most_so_many_a_second(own_fps: int, fps: float | None, expected: int) -> None:
    thinning = Thinning(fps)
    taken = [n / own_fps for n in range(10 * own_fps) if thinning.takes(n / own_fps)]

    assert len(taken) == pytest.approx(expected, abs=1)


def test_thinning_does_not_make_up_for_a_pause() -> None:
    thinning = Thinning(10)
    times_s = [0, 5, 5.01, 5.02, 5.03, 5.04, 5.05]

    assert len([at_s for at_s in times_s if thinning.takes(at_s)]) <= 4


def test_a_file_plays_by_its_own_clock() -> None:
    playback = Playback()

    assert playback.wait_s(0.0, now_s=100.0) == 0
    assert playback.wait_s(0.1, now_s=100.02) == pytest.approx(0.08)
    assert playback.wait_s(0.2, now_s=100.3) == 0  # late: it catches up
    assert playback.wait_s(0.4, now_s=100.3) == pytest.approx(0.1)


def test_a_file_that_was_held_up_goes_on_from_there() -> None:
    playback = Playback()
    playback.wait_s(0.0, now_s=100.0)
    now_s = 100.1 + 2 * LATE_MAX_S

    assert playback.wait_s(0.1, now_s) == 0
    assert playback.wait_s(0.2, now_s) == pytest.approx(0.1)
