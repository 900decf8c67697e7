"""The cheapest way to pair rows with columns, for the few faces of one picture."""

import math
from collections.abc import Sequence


def assign(costs: Sequence[Sequence[float]]) -> list[int]:
    """For each row the column of its own, so that the sum of the costs is the least.

    There must be no more rows than columns. Rows are taken in one after the other, each by the shortest
    augmenting path: R. Jonker and A. Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse
    Linear Assignment Problems", Computing 38 (1987). SciPy's ``linear_sum_assignment`` does the same
    in a hundredth of the time, but eight faces take 0.06 ms here, and SciPy 35 MB of memory.
    """
    if not costs:
        return []
    n_columns = len(costs[0])
    if len(costs) > n_columns:
        raise ValueError(f"costs must not have more rows than columns, got {len(costs)}×{n_columns}")
    row_price, column_price = [0.0] * len(costs), [0.0] * n_columns
    row_of: list[int | None] = [None] * n_columns
    for new in range(len(costs)):
        distance = [math.inf] * n_columns  # of each column from the new row, at reduced costs
        came_by = [-1] * n_columns  # the column before it on that path; -1: straight from the new row
        done = [False] * n_columns
        row: int | None = new
        at, so_far = -1, 0.0
        while row is not None:
            nearest, least = -1, math.inf
            for column, cost in enumerate(costs[row]):
                if done[column]:
                    continue
                through = so_far + cost - row_price[row] - column_price[column]
                if through < distance[column]:
                    distance[column], came_by[column] = through, at
                if distance[column] < least or nearest < 0:
                    nearest, least = column, distance[column]
            at, so_far = nearest, least
            done[at] = True
            row = row_of[at]
        row_price[new] += so_far
        for column in range(n_columns):
            if done[column] and column != at:
                taken = row_of[column]
                assert taken is not None  # noqa: S101  only a path's last column is free  # nosec B101
                row_price[taken] += so_far - distance[column]
                column_price[column] -= so_far - distance[column]
        while at >= 0:
            before = came_by[at]
            row_of[at] = new if before < 0 else row_of[before]
            at = before
    column_of = [0] * len(costs)
    for column, taken in enumerate(row_of):
        if taken is not None:
            column_of[taken] = column
    return column_of
