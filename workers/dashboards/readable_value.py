"""Values as Grafana writes them, in the units that the dashboards use."""

import math

_SECONDS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SI = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def readable(value: float, unit: str, decimals: int | None = None) -> str:
    """A number with its unit, short; `decimals` None: three significant digits.

    Raises ValueError for a unit that no dashboard uses.
    """
    if not math.isfinite(value):
        return str(value)
    if unit == "percentunit":
        return f"{_digits(100 * value, decimals)} %"
    if unit == "s":
        return _scaled(value, decimals, _SECONDS, " ")
    if unit == "sci":
        return f"{value:.1e}" if value else "0"
    if unit in ("short", "none"):
        return _scaled(value, decimals, _SI, "")
    raise ValueError(f"unknown unit {unit!r}")


def _scaled(value: float, decimals: int | None, steps: tuple[tuple[float, str], ...], gap: str) -> str:
    for least, name in steps:
        if abs(value) >= least:
            return f"{_digits(value / least, decimals)}{gap}{name}"
    smallest, name = steps[-1]
    if smallest < 1 and value:
        return f"{_digits(value / smallest, decimals)}{gap}{name}"
    return _digits(value, decimals)


def _digits(value: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{decimals}f}"
