"""Reads the dashboards' files as Grafana does: panels, and queries with every variable filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from workers.dashboards.local_prometheus import LocalPrometheus, Series
from workers.dashboards.promql import WINDOW

POINTS: Final = 120
"""Of a line in a panel, at most."""
_VARIABLE: Final = re.compile(r"\$\{?([a-z]+)\}?")
_SCRAPES_IN_A_WINDOW: Final = 4  # as Grafana has it


class Target(NamedTuple):
    """One query of a panel."""

    expr: str
    legend: str
    at_once: bool
    """Whether it asks for the values now, rather than over the time that is shown."""


class BoardPanel(NamedTuple):
    """One panel, and what it asks."""

    board: str
    spec: Mapping[str, Any]
    targets: tuple[Target, ...]

    @property
    def title(self) -> str:
        return str(self.spec["title"])


class Shown(NamedTuple):
    """What is chosen on a dashboard."""

    cluster: str
    namespace: str
    from_s: float
    to_s: float
    scrape_interval_s: float
    camera: str = ".*"

    @property
    def step_s(self) -> float:
        """Between two points of a line."""
        return max(self.scrape_interval_s, (self.to_s - self.from_s) / POINTS)

    def fill(self, text: str) -> str:
        """Puts the values in the place of the variables; a ``$1`` is no variable."""
        window_s = max(self.step_s + self.scrape_interval_s, _SCRAPES_IN_A_WINDOW * self.scrape_interval_s)
        values = {"cluster": self.cluster, "namespace": self.namespace, "camera": self.camera}
        return _VARIABLE.sub(
            lambda match: values.get(match[1], match[0]), text.replace(WINDOW, f"{round(window_s)}s")
        )


def read_all(folder: Path) -> dict[str, dict[str, Any]]:
    """Every dashboard in a folder, by the name of its file."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}


def panels_of(name: str, board: Mapping[str, Any]) -> Iterator[BoardPanel]:
    """Yields the panels of a dashboard, but not its headings."""
    for spec in board["panels"]:
        if spec["type"] != "row":
            targets = (
                Target(target["expr"], target.get("legendFormat", ""), bool(target.get("instant")))
                for target in spec["targets"]
            )
            yield BoardPanel(name, spec, tuple(targets))


def answer(prometheus: LocalPrometheus, target: Target, shown: Shown) -> list[Series]:
    """What Prometheus says to a query."""
    expr = shown.fill(target.expr)
    if target.at_once:
        return prometheus.at(expr, shown.to_s)
    return prometheus.over(expr, shown.from_s, shown.to_s, shown.step_s)


def name_of(target: Target, series: Series) -> str:
    """The legend of a series: ``{{label}}`` filled in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: series.labels.get(match[1], ""), target.legend)
