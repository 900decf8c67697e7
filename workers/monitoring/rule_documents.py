"""`mien prometheus-rules`: all rules, as the file that somebody's Prometheus takes."""

from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from streams.errors import SettingsInvalid
from workers.monitoring import objectives, prometheus_rules, recorded_series, symptoms
from workers.monitoring.prometheus_rules import RUNBOOKS, Group

GROUPS: Final[tuple[Group, ...]] = (*recorded_series.GROUPS, *objectives.GROUPS, *symptoms.GROUPS)


def text(*, kubernetes: bool = False, runbooks: str = RUNBOOKS) -> str:
    """The rules for Prometheus, or, for its operator in Kubernetes, as an object.

    Raises:
        SettingsInvalid: if ``runbooks`` is no address that a link can lead to.
    """
    address = urlsplit(runbooks)
    if address.scheme not in ("http", "https") or not address.netloc or "#" in runbooks:
        raise SettingsInvalid(
            f"{runbooks!r} is no address of runbooks. Name the page where docs/operations.md can be read, "
            f"without an anchor, as {RUNBOOKS}"
        )
    made = prometheus_rules.kubernetes_object if kubernetes else prometheus_rules.rule_file
    return made(GROUPS, runbooks=runbooks)


def document(*, kubernetes: bool = False, runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """The same as a mapping."""
    loaded: dict[str, Any] = yaml.safe_load(text(kubernetes=kubernetes, runbooks=runbooks))
    return loaded
