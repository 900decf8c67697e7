"""Values as they stand in pictures."""

import pytest

from workers.dashboards.readable_value import readable


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.0, "s", None, "0"),
        (0.085, "s", None, "85 ms"),
        (0.00004, "s", None, "40 µs"),
        (4e-9, "s", None, "0 µs"),
        (1.25, "s", None, "1.25 s"),
        (90, "s", None, "1.5 min"),
        (86_400, "s", None, "1 d"),
        (-90, "s", None, "-1.5 min"),
        (0.987, "percentunit", None, "98.7 %"),
        (1, "percentunit", None, "100 %"),
        (0.9876, "percentunit", 2, "98.76 %"),
        (12_345, "short", None, "12.3k"),
        (7, "short", None, "7"),
        (0.25, "short", None, "0.25"),
        (7, "short", 1, "7.0"),
        (3.2e-7, "sci", None, "3.2e-07"),
        (0, "sci", None, "0"),
        (float("inf"), "short", None, "inf"),
        (float("nan"), "s", None, "nan"),
    ],
)
def test_values(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert readable(value, unit, decimals) == text


def test_a_unit_that_nobody_uses() -> None:
    with pytest.raises(ValueError, match="parsec"):
        readable(1, "parsec")
