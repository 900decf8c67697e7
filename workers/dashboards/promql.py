"""PromQL of the dashboards: which series a query may see, and the few forms that recur.

Every selector names one namespace and one cluster, so two Miens in one Prometheus are never added up. What is
told by camera can be narrowed to some cameras, and leaves out the probe, whose answers are known beforehand.
"""

from typing import Final

from streams.messages.frame_message import PROBE_CAMERA

NO_WAITING: Final = 'step!~"fetch|read"'
"""Of the steps of all stages: not those that wait for Kafka or for the camera."""
WINDOW: Final = "$__rate_interval"
"""Grafana makes it at least four scrapes long, or a rate would have gaps."""

_SCOPE: Final = 'cluster="$cluster", namespace="$namespace"'
_CAMERAS: Final = f'camera=~"$camera", camera!="{PROBE_CAMERA}"'


def of_all(metric: str, matchers: str = "") -> str:
    """The series of a metric that tells nothing by camera."""
    return f"{metric}{{{', '.join(filter(None, (_SCOPE, matchers)))}}}"


def of_cameras(metric: str, matchers: str = "") -> str:
    """The series of a metric that has the label ``camera``: those of the chosen cameras."""
    return of_all(metric, ", ".join(filter(None, (_CAMERAS, matchers))))


def rate(selector: str, window: str = WINDOW) -> str:
    return f"rate({selector}[{window}])"


def sum_by(labels: str, vector: str) -> str:
    """``sum(…)`` where there are no labels."""
    return f"sum by ({labels}) ({vector})" if labels else f"sum({vector})"


def quantile(q: float, histogram: str, labels: str = "", matchers: str = "", window: str = WINDOW) -> str:
    """A quantile of a histogram without cameras."""
    by = f"{labels}, le" if labels else "le"
    return f"histogram_quantile({q}, {sum_by(by, rate(of_all(f'{histogram}_bucket', matchers), window))})"


def mean(histogram: str, labels: str = "", matchers: str = "", window: str = WINDOW) -> str:
    """The mean of a histogram without cameras."""
    total, count = (
        sum_by(labels, rate(of_all(f"{histogram}_{part}", matchers), window)) for part in ("sum", "count")
    )
    return f"{total} / {count}"


def or_zero(vector: str, while_there_is: str, labels: str = "") -> str:
    """The vector; 0 for the `labels` of which it has no series, as long as `while_there_is` has some.

    A counter with labels has no series before its first event. Plain ``or vector(0)`` would say "none" of a
    Mien that is not there at all.
    """
    return f"{vector} or on ({labels}) 0 * {while_there_is}"


ALERTS_STAGE: Final = "max(" + of_all("mien_alert_rules", 'component="alerts"') + ")"
"""Rules in force; there is one as long as the stage alerts runs. Without the component every other process
would count too: each exports all metrics that have no labels, as 0."""
