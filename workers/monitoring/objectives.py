"""What Mien promises who relies on it, and the alerts when the promise is being broken too fast.

An objective allows a share of what counts to be bad: its error budget, for 30 days. An alert fires when the
budget burns so fast that it matters, over a long window (it is real) and a short one (it goes on). Source of
windows and rates: Google, *The Site Reliability Workbook*, chapter 5, "Multiwindow, multi-burn-rate alerts".

Where little happens, a few bad events are a large share: below ``least_bad`` of them nobody is told.
"""

from typing import Final, NamedTuple

from workers.monitoring.prometheus_rules import Alert, Group, Severity, promql


class Objective(NamedTuple):
    slo: str
    """As the recorded series have it in their label of this name."""
    promise: float
    """Share that is to be good."""
    least_bad: float
    """Bad events in the long window, below which there is no alert; for cameras, seconds."""
    what: str
    """What is bad, in words."""


class Window(NamedTuple):
    """How fast the budget may burn: at rate 1 it lasts 30 days."""

    long: str
    short: str
    rate: float
    lasts: str
    severity: Severity
    step_s: int
    """Between the samples by which bad events of the long window are counted."""
    budget: str
    """What this has burnt of the budget of 30 days when it fires."""


OBJECTIVES: Final = (
    Objective("fresh", 0.99, 100, "of the frames came to Redis over 500 ms after their capture, or never"),
    Objective("seen", 0.999, 300, "of the camera time went by without true pictures"),
    Objective("right", 0.95, 10, "of the probe's expressions were answered wrongly, late or never"),
)
WINDOWS: Final = (
    Window("1h", "5m", 14.4, "2m", "critical", 60, "2 %"),
    Window("6h", "30m", 6, "5m", "critical", 300, "5 %"),
    Window("3d", "6h", 1, "15m", "warning", 300, "10 %"),
)


def _alert(objective: Objective, window: Window) -> Alert:
    slo, limit = objective.slo, round(window.rate * (1 - objective.promise), 6)
    return Alert(
        f"Mien{slo.capitalize()}BudgetBurns",
        promql(f"""
            mien:slo_bad:ratio_{window.long}{{slo="{slo}"}} > {limit}
            and mien:slo_bad:ratio_{window.short}{{slo="{slo}"}} > {limit}
            and {window.step_s} * sum_over_time(
              mien:slo_bad:rate5m{{slo="{slo}"}}[{window.long}:{window.step_s}s]
            ) >= {objective.least_bad}
        """),
        window.lasts,
        window.severity,
        f"The error budget of {slo!r} burns at {window.rate:g} times the rate that 30 days allow.",
        f"In the last {window.long}, {{{{ $value | humanizePercentage }}}} {objective.what}; "
        f"{1 - objective.promise:.1%} are allowed. "
        f"That is {window.budget} of what 30 days may have.",
        {"window": window.long},
    )


GROUPS: Final = (
    Group(
        "mien-objectives", tuple(_alert(objective, window) for objective in OBJECTIVES for window in WINDOWS)
    ),
)
