"""The plan of a chaos run: the same for the same seed, and everything in it in time."""

import pytest

from streams.errors import SettingsInvalid
from workers.chaos.faults import KINDS, NAMES, Fault, plan
from workers.chaos.injections import inject

PLACES = {kind.name: kind.place for kind in KINDS}


def names(rounds: list[tuple[Fault, ...]]) -> list[tuple[str, ...]]:
    return [tuple(fault.name for fault in chosen) for chosen in rounds]


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert plan(1, 50) == plan(1, 50)
    assert plan(1, 50) != plan(2, 50)


def test_a_longer_plan_begins_like_a_shorter_one() -> None:
    assert plan(3, 50)[:10] == plan(3, 10)


def test_faults_come_singly_and_in_pairs_which_break_different_things() -> None:
    rounds = names(plan(1, 50))

    assert [len(chosen) for chosen in rounds] == [1, 2] * 25
    for pair in rounds[1::2]:
        first, second = (PLACES[name] for name in pair)
        assert first != second
        assert {first, second} not in ({"workers", "landmarks"}, {"workers", "classify"})


@pytest.mark.parametrize("seed", range(20))
def test_every_fault_comes_soon(seed: int) -> None:
    assert {name for chosen in names(plan(seed, 24)) for name in chosen} == set(NAMES)


def test_only_the_faults_that_are_asked_for_come() -> None:
    assert {name for chosen in names(plan(1, 9, ["storm", "kill-redis"])) for name in chosen} == {
        "storm",
        "kill-redis",
    }
    assert names(plan(1, 3, ["storm"])) == [("storm",)] * 3  # a pair of one kind would break the same twice


def test_a_zombie_sleeps_longer_than_its_session() -> None:
    (fault,) = plan(1, 1, ["zombie-classify"], session_timeout_s=10)[0]

    assert fault.hold_s > 10


def test_a_fault_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="no fault kill-cat; the faults are kill-landmarks"):
        plan(1, 1, ["storm", "kill-cat"])


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_can_be_made(name: str) -> None:
    fault = Fault(name, 0, 1.0, 0.5)

    assert hasattr(inject(None, fault), "__enter__")  # type: ignore[arg-type]
