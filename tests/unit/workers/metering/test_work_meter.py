"""The worker's meter: silence grows while work is in hand, busy time is the wall's, and both when asked."""

import threading
import time
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from workers.metering import work_meter
from workers.metering.work_meter import WorkMeter


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(work_meter, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def silent_s(stage: str) -> float | None:
    return REGISTRY.get_sample_value("mien_worker_silent_seconds", {"stage": stage})


def busy_s(stage: str) -> float | None:
    """As a scrape has it: the gauge is read before the counter."""
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name == "mien_worker_busy_seconds_total" and sample.labels == {"stage": stage}:
                return sample.value
    return None


def test_an_idle_worker_is_neither_silent_nor_busy(clock: Clock) -> None:
    WorkMeter("idle")
    clock.now_s += 3600

    assert (silent_s("idle"), busy_s("idle")) == (0, 0)


def test_silence_begins_with_the_work_and_ends_with_it(clock: Clock) -> None:
    meter = WorkMeter("quiet")
    clock.now_s += 100  # idle
    with meter:
        clock.now_s += 30
        assert (silent_s("quiet"), busy_s("quiet")) == (30, 30)
        clock.now_s += 5
        assert (silent_s("quiet"), busy_s("quiet")) == (35, 35)
    assert (silent_s("quiet"), busy_s("quiet")) == (0, 35)


def test_who_goes_from_one_work_to_the_next_is_busy_and_not_silent(clock: Clock) -> None:
    meter = WorkMeter("steady")
    for _ in range(10):
        with meter:
            clock.now_s += 2
            assert silent_s("steady") == 2
    assert busy_s("steady") == 20


def test_work_that_overlaps_counts_once_and_each_end_is_a_sign_of_life(clock: Clock) -> None:
    meter = WorkMeter("several")
    with meter:
        clock.now_s += 10
        with meter:
            clock.now_s += 10
            assert silent_s("several") == 20
        clock.now_s += 1
        assert silent_s("several") == 1
    assert (silent_s("several"), busy_s("several")) == (0, 21)


def test_work_that_fails_has_ended_too(clock: Clock) -> None:
    meter = WorkMeter("failing")

    def work() -> None:
        with meter:
            clock.now_s += 7
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        work()
    assert (silent_s("failing"), busy_s("failing")) == (0, 7)


def test_a_scrape_in_another_thread_counts_no_time_twice() -> None:
    meter = WorkMeter("scraped")
    stop = threading.Event()

    def scrape() -> None:
        while not stop.is_set():
            silent_s("scraped")

    scraping = threading.Thread(target=scrape)
    began_s = time.monotonic()
    scraping.start()
    for _ in range(200):
        with meter:
            time.sleep(0.0005)
    took_s = time.monotonic() - began_s
    stop.set()
    scraping.join()

    busy = busy_s("scraped")
    assert busy is not None
    assert 200 * 0.0005 <= busy <= took_s
