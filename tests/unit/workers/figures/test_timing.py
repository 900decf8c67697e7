"""The bench's timing: fair turns and right arithmetic, on a clock of the test's own."""

import numpy as np
import pytest

from workers.figures import timing
from workers.figures.timing import Comparison, Cost, Side, Spread


class FakeMachine:
    """Steps that take exactly as long as they say; half of it on the CPU."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ran: list[str] = []

    def step(self, name: str, took_s: float) -> None:
        self.now_s += took_s
        self.ran.append(name)

    def alternate(self, took_s: dict[str, float], seconds: float) -> dict[str, list[Cost]]:
        steps = {name: (lambda name=name, t=t: self.step(name, t)) for name, t in took_s.items()}
        return timing.alternate(
            steps,
            seconds,
            round_s=0.05,
            clock_s=lambda: self.now_s,
            cpu_clock_s=lambda: self.now_s / 2,
        )


def test_the_sides_take_turns_with_calls_enough_to_fill_a_round() -> None:
    machine = FakeMachine()
    costs = machine.alternate({"a": 0.010, "b": 0.020}, seconds=0.2)
    assert "".join(machine.ran).endswith(4 * ("aaaaa" + "bb"))
    assert len(machine.ran) - 4 * 7 < 8  # the warm-up
    assert {name: len(rounds) for name, rounds in costs.items()} == {"a": 4, "b": 4}


def test_a_cost_is_that_of_one_call_in_ms() -> None:
    costs = FakeMachine().alternate({"a": 0.010, "b": 0.002}, seconds=0.2)
    np.testing.assert_allclose(costs["a"], 4 * [(10.0, 5.0)])
    np.testing.assert_allclose(costs["b"], 4 * [(2.0, 1.0)])


def test_a_slow_step_runs_once_a_round_and_as_often_as_a_spread_needs() -> None:
    machine = FakeMachine()
    costs = machine.alternate({"slow": 3.0, "fast": 0.05}, seconds=0.1)
    assert machine.ran[-6:] == ["slow", "fast"] * 3
    assert len(costs["slow"]) == timing.MIN_ROUNDS == 3


def test_a_spread_is_median_and_tenths() -> None:
    assert Spread.of([float(value) for value in range(10, -1, -1)]) == Spread(median=5, p10=1, p90=9)
    assert Spread.of([7.0]) == Spread(7, 7, 7)


def test_ratios_are_taken_round_by_round() -> None:
    """The second round was disturbed on both sides; the ratio does not show it."""
    mien = Side.of("ours", [Cost(1, 1), Cost(10, 1), Cost(1, 1)])
    library = Side.of("theirs", [Cost(2, 3), Cost(20, 3), Cost(2, 3)])
    compared = Comparison.of("row", "case", mien, library)
    assert compared.speed_ratio == Spread(2, 2, 2)
    assert compared.cpu_ratio == Spread(3, 3, 3)
    assert compared.rounds == 3
    assert mien.rounds_ms == [1, 10, 1]
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer"):
        Comparison.of("row", "case", mien, Side.of("theirs", [Cost(2, 3)]))
