"""The row `chain-soak` of `mien bench`: what is made of its samples."""

import pytest

from workers.bench.chain_soak import Sample, figures


def test_growth_is_told_from_caches_that_fill() -> None:
    filling = [Sample(36.0 * i, 50.0 + 10 * i, 3, 9) for i in range(10)]
    flat = [Sample(36.0 * i, 150.0, 3, 9) for i in range(10, 100)]
    assert figures(filling + flat) == {
        "rss_mib_early": 150, "rss_mib_late": 150, "threads_early": 3, "threads_late": 3,
        "open_files_early": 9, "open_files_late": 9, "rss_mib_per_hour": pytest.approx(0, abs=1e-9),
    }  # fmt: skip


def test_a_leak_shows_in_every_figure() -> None:
    samples = [Sample(36.0 * i, 100.0 + i, 3 + i, 9 + 2 * i) for i in range(100)]
    shown = figures(samples)
    assert shown["rss_mib_per_hour"] == pytest.approx(100)
    assert (shown["rss_mib_early"], shown["rss_mib_late"]) == (114.5, 194.5)
    assert shown["threads_late"] - shown["threads_early"] == 80
    assert shown["open_files_late"] - shown["open_files_early"] == 160
