"""What so many cameras need: arithmetic by hand, and the page that it makes."""

import io
from pathlib import Path

import msgspec
import pytest
from made_up_costs import TIMES
from rich.console import Console

from streams.errors import SettingsInvalid, SourceNotFound
from streams.settings import Settings
from workers.capacity import guide, plan, service_times
from workers.capacity.plan import needs
from workers.capacity.service_times import LiveCost

ROOT = Path(__file__).parents[4]


def test_a_hundred_cameras_by_hand() -> None:
    found = needs(TIMES, cameras=100, fps=10.0, faces=1.0)

    assert found.frames_per_s == 1000
    assert found.cores["landmarks"] == pytest.approx(4.0)
    assert found.workers == {
        "landmarks": 10,
        "classify": 2,
        "state": 1,
    }  # at 0.4 of their time
    assert found.partitions == 32
    assert found.in_mb_s == pytest.approx(1000 * 45_000 / 1e6)
    assert found.out_mb_s == pytest.approx(1000 * 48_000 / 1e6)
    assert found.replicated_mb_s == pytest.approx(2 * found.in_mb_s)
    assert found.disk_gb == pytest.approx(3 * 1000 * (40_000 * 75 + 5_000 * 108_000) / 1e9)


def test_one_camera_needs_one_worker_of_each() -> None:
    found = needs(TIMES, cameras=1, fps=5.0, faces=0.0)
    assert found.workers == dict.fromkeys(plan.STAGES, 1)
    assert found.partitions == 8


def test_who_looks_costs_what_each_is_sent() -> None:
    times = msgspec.structs.replace(TIMES, live=LiveCost(read_ms=100.0, sent_to_each_viewer_ms=10.0))
    found = needs(times, cameras=100, fps=10.0, faces=0.5, viewers=20)

    assert found.live_cores == pytest.approx(1.0 * (0.1 + 20 * 0.01))  # a thousand messages a second
    assert needs(TIMES, cameras=100, fps=10.0, faces=0.5, viewers=20).live_cores is None


def test_a_plan_tells_of_viewers_where_they_were_measured() -> None:
    def shown(live: LiveCost | None) -> str:
        console = Console(file=io.StringIO(), width=100)
        times = msgspec.structs.replace(TIMES, live=live)
        plan.show(needs(times, cameras=100, fps=10.0, faces=0.5, viewers=20), console)
        return console.file.getvalue()

    assert "cores, live with 20 viewers of all │ 0.30" in shown(LiveCost(100.0, 10.0))
    assert "live" not in shown(None)


@pytest.mark.parametrize(
    ("faces", "landmarks_ms"), [(0, 1.0), (0.5, 2.5), (1, 4.0), (2.5, 10.0), (4, 16.0), (7, 28.0)]
)
def test_costs_between_and_beyond_what_was_measured_lie_on_a_line(faces: float, landmarks_ms: float) -> None:
    assert TIMES.of(faces).cpu_ms["landmarks"] == pytest.approx(landmarks_ms)


def test_what_was_measured_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_bytes(service_times.dump(TIMES))
    assert service_times.load(path) == TIMES


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    with pytest.raises(SourceNotFound, match=r"measured\.json"):
        service_times.load(path)
    for text in (b"{}", b"\xff", b"[" * 100_000):
        path.write_bytes(text)
        with pytest.raises(SettingsInvalid, match="mien capacity --measure"):
            service_times.load(path)


def test_the_page_has_the_tables_of_what_ships() -> None:
    page = (ROOT / "docs/scaling.md").read_text()
    begin, end = page.index(guide.BEGIN), page.index(guide.END) + len(guide.END)
    assert page[begin:end] == guide.markdown(service_times.load()), "run `mien capacity --markdown`"


def test_retentions_and_ages_are_those_of_the_settings() -> None:
    from workers.capacity import simulation
    from workers.stages import landmarks

    settings = Settings()
    assert settings.frames_retention_ms / 1000 * 1.25 == plan.FRAMES_KEPT_S
    assert settings.events_retention_ms / 1000 * 1.25 == plan.EVENTS_KEPT_S
    assert settings.max_frame_age_ms / 1000 == simulation.MAX_AGE_S
    assert simulation.SENT_TOGETHER == landmarks.SENT_TOGETHER
    assert settings.classify_batch_max == simulation.BATCH_MAX
    assert settings.topic_partitions == plan.PARTITIONS_LEAST
