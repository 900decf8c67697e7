"""The chain as queues: what can be known without running it."""

import pytest
from made_up_costs import TIMES

from workers.capacity.plan import needs
from workers.capacity.simulation import Load, load_of, simulate


def test_the_same_seed_gives_the_same() -> None:
    load = Load(4, 10.0, 1, 4, 1)
    assert simulate(load, TIMES, seconds=5) == simulate(load, TIMES, seconds=5)
    assert simulate(load, TIMES, seconds=5) != simulate(load, TIMES, seconds=5, seed=2)


def test_a_light_load_goes_through_and_takes_three_hops_and_the_work() -> None:
    outcome = simulate(Load(1, 5.0, 1, 1, 1), TIMES, seconds=60)

    assert outcome.frames_per_s == pytest.approx(5, rel=0.05)
    assert outcome.stale == 0
    assert outcome.age_p50_ms == pytest.approx(3 * 4.0 + sum(TIMES.of(1).cpu_ms.values()), rel=0.2)
    assert outcome.busiest == pytest.approx(5 * 4.0 / 1000, rel=0.2)


def test_a_worker_does_as_much_as_it_can_and_more_workers_more_while_there_are_cores() -> None:
    rates = {
        (workers, cores): simulate(
            Load(8, 1000.0, 1, 8, workers, cores=cores, saturated=True), TIMES, seconds=10
        ).frames_per_s
        for workers, cores in ((1, 16), (4, 16), (4, 2))
    }
    assert rates[1, 16] == pytest.approx(250, rel=0.05)  # 4 ms each
    assert rates[4, 16] == pytest.approx(1000, rel=0.1)
    assert rates[4, 2] == pytest.approx(2000 / sum(TIMES.of(1).cpu_ms.values()), rel=0.15)


def test_twice_as_much_as_one_worker_can_is_half_dropped_and_the_rest_is_old() -> None:
    outcome = simulate(Load(8, 500 / 8, 1, 8, 1), TIMES, seconds=40)

    assert outcome.stale == pytest.approx(0.5, abs=0.06)
    assert outcome.frames_per_s == pytest.approx(250, rel=0.1)
    assert outcome.age_p50_ms > 1500


def test_a_busy_stream_waits_for_fuller_fetches() -> None:
    slow = simulate(Load(4, 5.0, 1, 4, 1), TIMES, seconds=20).age_p50_ms
    busy = simulate(Load(4, 25.0, 1, 4, 1), TIMES, seconds=20).age_p50_ms
    assert busy > slow + 30


@pytest.mark.parametrize("cameras", [10, 100, 300])
def test_an_installation_as_planned_is_in_time(cameras: int) -> None:
    load = load_of(needs(TIMES, cameras=cameras, fps=10.0, faces=1.0), cameras, 10.0, 1.0)
    outcome = simulate(load, TIMES, seconds=5)

    assert outcome.stale == 0
    assert outcome.age_p99_ms < 500
    assert outcome.busiest < 0.95
