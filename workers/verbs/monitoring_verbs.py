"""Verbs around Prometheus and Alertmanager."""

from typing import Annotated

import typer

from workers.json_output import print_json
from workers.monitoring.prometheus_rules import RUNBOOKS
from workers.verbs.command_line import JsonOption, start

PANEL = "Check"

verbs = typer.Typer()


@verbs.command(
    "prometheus-rules",
    epilog="Example: mien prometheus-rules --runbooks https://wiki.example.org/mien > rules.yaml",
    rich_help_panel=PANEL,
)
def prometheus_rules(
    runbooks: Annotated[
        str, typer.Option(help="Address of docs/operations.md, which each alert links to.")
    ] = RUNBOOKS,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="As a PrometheusRule, for the Prometheus operator.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print all recording rules and alerts as Prometheus reads them: k8s/monitoring/rules.yaml."""
    from workers.monitoring import rule_documents

    if as_json:
        print_json(rule_documents.document(kubernetes=kubernetes, runbooks=runbooks))
    else:
        print(rule_documents.text(kubernetes=kubernetes, runbooks=runbooks), end="")


@verbs.command(epilog="Example: MIEN_METRICS_PORT=9095 mien pager --json", rich_help_panel=PANEL)
def pager(as_json: JsonOption = False) -> None:
    """Print what Alertmanager sends, a line an alert, until Ctrl-C: a stand-in for a pager.

    Its webhook listens where a stage would serve its metrics: MIEN_METRICS_HOST and MIEN_METRICS_PORT.
    """
    from workers.monitoring import pager as pager_

    pager_.run(start(), as_json=as_json)
