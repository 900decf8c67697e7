"""Waiting times before the next try: bounded, growing, and never the same for two."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backoff import backoff_s


@given(
    base_s=st.floats(0.01, 10), cap_s=st.floats(0.01, 100), seed=st.integers(0, 2**32), n=st.integers(0, 2000)
)
def test_backoff_stays_under_its_doubling_ceiling_and_the_cap(
    base_s: float, cap_s: float, seed: int, n: int
) -> None:
    waits = list(itertools.islice(backoff_s(base_s, cap_s, random.Random(seed)), n))
    assert len(waits) == n
    assert all(0 <= wait <= min(cap_s, base_s * 2 ** min(i, 60)) for i, wait in enumerate(waits))


def test_backoff_grows_to_the_cap_and_uses_the_whole_range() -> None:
    first, late = [], []
    for seed in range(400):
        waits = list(itertools.islice(backoff_s(1.0, 30.0, random.Random(seed)), 10))
        first.append(waits[0])
        late.append(waits[-1])
    assert np.mean(first) == pytest.approx(0.5, abs=0.1)
    assert np.mean(late) == pytest.approx(15, abs=3)
    assert min(late) < 3
    assert max(late) > 27


def test_two_that_begin_together_do_not_come_back_together() -> None:
    first, second = (list(itertools.islice(backoff_s(1.0, 30.0), 5)) for _ in range(2))
    assert first != second


def test_a_base_of_0_never_waits() -> None:
    assert list(itertools.islice(backoff_s(0.0, 5.0), 50)) == [0.0] * 50
