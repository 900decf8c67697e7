"""Held against SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from models.faces.assignment import assign

sizes = st.integers(1, 9).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(rows, 12)))


@given(hnp.arrays(np.float64, sizes, elements=st.floats(0, 10) | st.just(1e6) | st.integers(0, 3)))
def test_the_sum_is_the_least(costs: NDArray[np.float64]) -> None:
    columns = assign(costs.tolist())

    rows, best = linear_sum_assignment(costs)
    assert len(set(columns)) == len(costs)
    assert costs[range(len(costs)), columns].sum() == pytest.approx(costs[rows, best].sum(), abs=1e-9)


def test_nothing_to_assign() -> None:
    assert assign([]) == []


def test_rows_without_a_column_are_refused() -> None:
    with pytest.raises(ValueError, match="2×1"):
        assign([[1.0], [2.0]])
