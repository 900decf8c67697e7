"""The dashboard SLO: what is promised to who relies on Mien, and how much of the error budgets is left."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Row

from workers.dashboards import panels
from workers.dashboards.panels import About, Panel, Query
from workers.dashboards.promql import of_all, quantile, rate, sum_by
from workers.monitoring.objectives import OBJECTIVES

_PROMISED: Final = {objective.slo: objective.promise for objective in OBJECTIVES}
_WORDS: Final = {
    "fresh": "of the frames are in Redis within 500 ms of their capture",
    "seen": "of the camera time has true pictures",
    "right": "of the probe's scripted expressions are answered, rightly and in time",
}

# Every process exports a metric that has no labels, as 0: so the component tells whose counts.
_LAST_RIGHT: Final = of_all("mien_probe_last_right_timestamp_seconds", 'component="probe"')


def _bad(window: str, slo: str) -> str:
    return of_all(f"mien:slo_bad:ratio_{window}", f'slo="{slo}"')


def _budget_left(slo: str) -> str:
    return f"max(1 - {_bad('30d', slo)} / {1 - _PROMISED[slo]:.3g})"


def content() -> list[Row | Panel]:
    """Headings and panels, in their order."""
    return [
        panels.row("What is promised"),
        *(
            panels.number(
                About(
                    f"{slo.capitalize()}: budget left",
                    f"Promised: {100 * promised:g} % {_WORDS[slo]}. What is left of the share that may "
                    "be bad in 30 days; below 0 the promise is broken.",
                    "percentunit",
                    panels.good_above(0, 0.25),
                    alerts=(f"Mien{slo.capitalize()}BudgetBurns",),
                    decimals=1,
                    height=5,
                ),
                Query(_budget_left(slo), "left"),
            )
            for slo, promised in _PROMISED.items()
        ),
        panels.row("How fast the budgets burn"),
        *(
            panels.lines(
                About(
                    f"{slo.capitalize()}: burn rate",
                    "How many times faster than allowed the budget is used, over short and long windows. At "
                    "1 it lasts 30 days, at 14.4 two days. An alert needs a long and a short window to "
                    "agree.",
                    "short",
                    panels.good_below(1, 14.4),
                    alerts=(f"Mien{slo.capitalize()}BudgetBurns",),
                ),
                *(
                    Query(f"max({_bad(window, slo)}) / {1 - promised:.3g}", window)
                    for window in ("5m", "1h", "6h", "3d")
                ),
            )
            for slo, promised in _PROMISED.items()
        ),
        panels.row("What is behind them"),
        panels.lines(
            About(
                "Good, of what counted",
                "Share that was good in five minutes, by objective.",
                "percentunit",
                panels.good_above(0.95, 0.99),
                most=1,
            ),
            Query(f"1 - max by (slo) ({of_all('mien:slo_bad:ratio_5m')})", "{{slo}}"),
        ),
        panels.states(
            About(
                "Cameras that count as seen",
                "Each camera that was there in the last day: whether its pictures are true. One whose "
                "process is gone counts as not seen.",
                "none",
                alerts=("MienCameraDown",),
            ),
            Query(f"max by (camera) ({of_all('mien:camera_true')})", "{{camera}}"),
            {1: ("true", panels.GREEN), 0: ("not", panels.RED)},
        ),
        panels.lines(
            About(
                "Answers to the probe",
                "The probe's scripted expressions a second, by what became of them.",
                "short",
                alerts=("MienProbeWrong", "MienProbeMissing"),
            ),
            Query(sum_by("outcome", rate(of_all("mien_probe_events_total"))), "{{outcome}}"),
            stacked=True,
        ),
        panels.lines(
            About(
                "The probe's way",
                "Time from the probe's frame to its event, and to its state in Redis; 99 of a hundred are "
                "shorter.",
                "s",
                panels.good_below(0.5, 1),
                width=16,
            ),
            Query(quantile(0.99, "mien_probe_latency_seconds", "until"), "until {{until}}"),
        ),
        panels.number(
            About(
                "Last right answer",
                "Time since the chain last answered the probe rightly. Normal: seconds. It grows when the "
                "chain is cut anywhere, also when nobody is in view.",
                "s",
                panels.good_below(60, 300),
                alerts=("MienProbeSilent",),
            ),
            Query(f"time() - max({_LAST_RIGHT})", "ago"),
        ),
    ]
