"""What a rule of Prometheus is, and the files that hold them: one for Prometheus, one for its operator.

The rules themselves are in `recorded_series`, `objectives` and `symptoms`. Two things hold for all of them:

- Several Miens may share one Prometheus, each in a namespace of a cluster. So ``cluster`` and ``namespace``
  survive every aggregation and stand in every ``on ()``; where a label is not set, it is the same empty one
  on both sides.
- What is gone is as bad as what says that it is ill: series vanish with their process.
"""

import textwrap
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

import yaml

RUNBOOKS: Final = "https://mien.example.org/docs/operations.md"
"""Where docs/operations.md can be read by who is paged: `mien prometheus-rules --runbooks` sets another."""

JOB: Final = "mien"
"""The label ``job`` of everything of ours that is scraped."""
STAGES: Final = ("landmarks", "classify", "state", "alerts")
"""The components without which the chain is cut."""
KNOWN_FOR: Final = "1d"
"""For so long something that was there is missed, and not forgotten, when it leaves no series behind."""

Severity = Literal["critical", "warning", "info"]

_HEADER: Final = """\
# Written by `make rules` from workers/monitoring/; tests/unit/deployment holds the two equal.
# Each alert has its section in docs/operations.md, and tests for firing and for silence in rules_test.yaml.
"""


class Recording(NamedTuple):
    """A series that Prometheus computes and keeps."""

    name: str
    expr: str
    labels: dict[str, str] = {}  # noqa: RUF012  (never changed)


class Alert(NamedTuple):
    """A condition, and what to tell whom when it lasts."""

    name: str
    expr: str
    lasts: str
    """Duration for which it must hold before anybody is told."""
    severity: Severity | None
    """None: the series has this label itself."""
    summary: str
    description: str
    labels: dict[str, str] = {}  # noqa: RUF012  (never changed)


class Group(NamedTuple):
    """Rules that are evaluated together, one after the other."""

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: str | None = None
    """None: as Prometheus is set."""


def promql(text: str) -> str:
    """A query as it is written in the source: without its indentation."""
    return textwrap.dedent(text).strip()


def rule_file(groups: Iterable[Group], *, runbooks: str = RUNBOOKS) -> str:
    """The groups as a file of rules for Prometheus."""
    return _HEADER + _yaml(_spec(groups, runbooks))


def kubernetes_object(groups: Iterable[Group], *, runbooks: str = RUNBOOKS) -> str:
    """The groups as a PrometheusRule, which the Prometheus operator hands to Prometheus."""
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "mien"}}
    return _HEADER + _yaml(head | {"spec": _spec(groups, runbooks)})


def _spec(groups: Iterable[Group], runbooks: str) -> dict[str, Any]:
    return {"groups": [_group(group, runbooks) for group in groups]}


def _group(group: Group, runbooks: str) -> dict[str, Any]:
    interval = {"interval": group.interval} if group.interval else {}
    return {"name": group.name} | interval | {"rules": [_rule(rule, runbooks) for rule in group.rules]}


def _rule(rule: Recording | Alert, runbooks: str) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": rule.expr} | ({"labels": rule.labels} if rule.labels else {})
    labels = ({"severity": rule.severity} if rule.severity else {}) | rule.labels
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": rule.lasts,
        **({"labels": labels} if labels else {}),
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{runbooks}#{rule.name.lower()}",  # as Markdown renderers name a heading
        },
    }


class _Dumper(yaml.SafeDumper):
    """Keeps the lines of a query."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _yaml(value: object) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
