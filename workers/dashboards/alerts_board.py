"""The dashboard Alerts: those on faces by rule, camera and hour, what people say of them; those on Mien."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Row

from workers.dashboards import panels
from workers.dashboards.panels import About, Panel, Query
from workers.dashboards.promql import ALERTS_STAGE, NO_WAITING, of_all, of_cameras, or_zero, quantile, sum_by

_ACTIVE: Final = of_cameras("mien_alerts_active")
_RAISED: Final = of_all("mien_alerts_total", 'state="firing"')
_OWN: Final = of_all("ALERTS", 'alertname=~"Mien.+"')
_CURRENT: Final = of_all("mien_alert_rules_current", 'component="alerts"')
_VERDICTS: Final = of_all("mien_verdicts_total")
_UNREVIEWED: Final = of_all("mien_alerts_unreviewed", 'component="live"')
_STAGE: Final = 'stage="alerts"'
_STEPS: Final = f"{_STAGE}, {NO_WAITING}"


def content() -> list[Row | Panel]:
    """Headings and panels, in their order."""
    return [
        panels.row("Now"),
        panels.number(
            About(
                "Firing on faces",
                "Alerts of the rules in alerts.yaml that are firing. Nothing but 0 is normal; "
                "no value: the stage alerts does not run.",
                "short",
                panels.good_below(1),
                width=5,
                height=5,
                alerts=("MienEmotionAlert",),
            ),
            Query(or_zero(sum_by("", _ACTIVE), ALERTS_STAGE), "firing"),
        ),
        panels.number(
            About("Rules in force", "Rules of alerts.yaml that are in force.", "short", width=4, height=5),
            Query(ALERTS_STAGE, "rules"),
        ),
        panels.number(
            About(
                "File of rules",
                "Whether the rules in force are those of the file. If it cannot be used, the rules before it "
                "stay.",
                "none",
                panels.good_above(1, 1),
                width=5,
                height=5,
                alerts=("MienAlertRulesNotCurrent",),
            ),
            Query(f"min({_CURRENT})", "file"),
            texts={1: ("in force", panels.GREEN), 0: ("refused", panels.RED)},
        ),
        panels.number(
            About(
                "From the face to the alert",
                "Age of an event when the rules have been held against it; of a hundred, 99 are younger.",
                "s",
                panels.good_below(1, 3),
                width=5,
                height=5,
            ),
            Query(quantile(0.99, "mien_frame_age_seconds", matchers=_STAGE), "99 %"),
        ),
        panels.number(
            About(
                "Raised in this hour",
                "Alerts on faces that began in the last hour.",
                "short",
                width=5,
                height=5,
                decimals=0,
            ),
            Query(sum_by("", f"increase({_RAISED}[1h])"), "alerts"),
        ),
        panels.row("Alerts on faces"),
        panels.lines(
            About(
                "Raised in an hour, by rule",
                "Alerts that began in the hour before each moment, by rule. A rule that is always among them "
                "asks for too little; one that never is, for too much.",
                "short",
                width=16,
                decimals=0,
            ),
            Query(sum_by("rule", f"increase({_RAISED}[1h])"), "{{rule}}"),
            stacked=True,
        ),
        panels.rows(
            About(
                "Raised and resolved",
                "Alerts of the last day, by rule and severity: how many began (firing) and how many ended "
                "(resolved).",
                "short",
                decimals=0,
            ),
            {"rule": "Rule", "severity": "Severity", "state": "State"},
            Query(sum_by("rule, severity, state", f"increase({of_all('mien_alerts_total')}[1d])"), "Alerts"),
        ),
        panels.lines(
            About(
                "Firing, by rule", "Alerts that are firing, by rule.", "short", panels.good_below(1), width=12
            ),
            Query(sum_by("rule", _ACTIVE), "{{rule}}"),
            stacked=True,
        ),
        panels.lines(
            About(
                "Firing, by camera",
                "Alerts that are firing, by camera. Many on one camera: look at that camera first.",
                "short",
                panels.good_below(1),
                width=12,
            ),
            Query(sum_by("camera", _ACTIVE), "{{camera}}"),
            stacked=True,
        ),
        panels.row("What people say of them"),
        panels.number(
            About(
                "Not judged",
                "Alerts on faces that Kafka still has, and of which nobody has said whether they are right. "
                "No value: mien live does not run.",
                "short",
                width=5,
            ),
            # Every replica of mien live knows all of them.
            Query(f"max({_UNREVIEWED})", "alerts"),
        ),
        panels.rows(
            About(
                "Right, by rule",
                "Share of the judged alerts that people confirmed, and the ends of its 95 % interval. A wide "
                "interval: too few were judged to tell.",
                "percentunit",
                width=9,
                decimals=0,
            ),
            {"rule": "Rule"},
            Query(_of_rule("mien_alert_precision"), "Right"),
            Query(_of_rule("mien_alert_precision_bound", 'bound="low"'), "From"),
            Query(_of_rule("mien_alert_precision_bound", 'bound="high"'), "To"),
        ),
        panels.lines(
            About(
                "Verdicts in an hour",
                "Alerts that people judged in the hour before each moment, by what they said.",
                "short",
                width=10,
                decimals=0,
            ),
            Query(sum_by("verdict", f"increase({_VERDICTS}[1h])"), "{{verdict}}"),
            stacked=True,
        ),
        panels.row("Alerts on Mien itself"),
        panels.states(
            About(
                "Pending and firing",
                "Alerts on Mien itself. Pending: the condition holds, but not for long enough yet. Runbooks: "
                "the link above.",
                "none",
                width=16,
                height=9,
            ),
            Query(
                f"max by (alertname) (1 * {_pending('pending')} or 2 * {_pending('firing')})", "{{alertname}}"
            ),
            {1: ("pending", panels.YELLOW), 2: ("firing", panels.RED)},
        ),
        panels.rows(
            About(
                "Which and where",
                "Alerts on Mien itself, pending and firing, and what they are about.",
                "short",
                panels.good_below(1),
                height=9,
            ),
            {
                "alertname": "Alert",
                "severity": "Severity",
                "alertstate": "State",
                "component": "Component",
                "camera": "Camera",
            },
            Query(sum_by("alertname, severity, alertstate, component, camera", _OWN), "Alerts"),
        ),
        panels.lines(
            About(
                "How long the rules take",
                "Time that each step of the stage alerts takes for a batch; of a hundred times, 99 are "
                "shorter.",
                "s",
                panels.good_below(1, 3),
                width=24,
            ),
            Query(quantile(0.99, "mien_stage_duration_seconds", "step", _STEPS), "{{step}}"),
        ),
    ]


def _of_rule(metric: str, matchers: str = "") -> str:
    return f"max by (rule) ({of_all(metric, matchers)})"


def _pending(state: str) -> str:
    return of_all("ALERTS", f'alertname=~"Mien.+", alertstate="{state}"')
