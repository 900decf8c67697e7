"""The soak of `mien bench landmarks`: cameras that come and go, and what it says of memory and threads."""

import pytest

from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.bench import soak


def test_a_soak_samples_memory_threads_and_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "CAMERAS", 4)
    monkeypatch.setattr(soak, "CAMERA_LASTS_FRAMES", 5)
    seen: list[str] = []

    class Counted(soak.StageCamera):
        def see(self, jpeg: bytes, size_px: tuple[int, int]) -> list[Landmarks]:
            seen.append(self._camera_id)
            return super().see(jpeg, size_px)

    monkeypatch.setattr(soak, "StageCamera", Counted)
    finding = soak.soak(Settings(), 10)
    assert len(seen) == 4 * (1 + 10)
    assert set(seen) == {f"soak-{number}" for number in range(8)}  # two went, and two again
    assert finding.figures["frames"] == 40
    assert finding.figures["faces"] > 0
    assert finding.figures["rss_mib_last"] > 50
    assert finding.figures["threads_last"] >= 1
    assert finding.figures["open_files_last"] == finding.figures["open_files_first"] > 2


def test_a_slope_is_that_of_the_line() -> None:
    assert soak.slope([(0, 5), (10, 7), (20, 9)]) == pytest.approx(0.2)
    assert soak.slope([(0, 1), (1, 2), (2, 1), (3, 2)]) == pytest.approx(0.2)
    assert soak.slope([(3, 4)]) == 0
