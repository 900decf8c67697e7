"""Reading another process's metrics."""

from collections.abc import Iterator

import pytest

from streams import metrics
from streams.health import Health, MetricsServer
from streams.local.child_process import free_ports
from workers.local import metrics_scrape


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with MetricsServer(Health("model"), "127.0.0.1", 0) as server:
        yield int(server.address.rpartition(":")[2].partition("/")[0])


@pytest.fixture(scope="module")
def nobody() -> int:
    (port,) = free_ports(1)
    return port


def test_a_page_is_its_status_and_text(port: int) -> None:
    assert metrics_scrape.get(port, "/healthz") == (200, "ok\n")
    assert metrics_scrape.get(port, "/readyz") == (503, "waiting for: model\n")
    assert metrics_scrape.get(port, "/nowhere")[0] == 404


def test_nobody_there_is_status_0_and_nothing_to_count(nobody: int) -> None:
    assert metrics_scrape.get(nobody, "/readyz") == (0, "")
    assert list(metrics_scrape.samples(nobody)) == []
    assert metrics_scrape.totals(nobody, "mien_faces_total", "camera") == {}


def test_a_counter_is_summed_by_one_label(port: int) -> None:
    for stage, camera, n in [("scraped", "a", 2), ("scraped", "b", 3), ("scraped-too", "a", 10)]:
        metrics.frames_total.labels(stage, camera, "faces").inc(n)
        metrics.frames_total.labels(stage, camera, "stale").inc(1)

    by_camera = metrics_scrape.totals(port, "mien_frames_total", "stage")
    assert (by_camera["scraped"], by_camera["scraped-too"]) == (7, 11)
    assert isinstance(by_camera["scraped"], int)


def test_only_the_named_series_counts(port: int) -> None:
    metrics.faces_total.labels("scraped-face").inc(4)

    assert metrics_scrape.totals(port, "mien_faces_total", "camera")["scraped-face"] == 4
    assert metrics_scrape.totals(port, "mien_faces_created", "camera").get("scraped-face", 0) != 4


def test_samples_have_their_labels(port: int) -> None:
    metrics.camera_up.labels("scraped-camera").set(1)

    assert metrics_scrape.Sample("mien_camera_up", {"camera": "scraped-camera"}, 1.0) in list(
        metrics_scrape.samples(port)
    )
