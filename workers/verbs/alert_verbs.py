"""`mien alerts` and its verbs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Stream"

alerts = typer.Typer(
    name="alerts",
    invoke_without_command=True,
    epilog="Example: MIEN_ALERTS_PATH=alerts.yaml MIEN_METRICS_PORT=9104 mien alerts",
    rich_help_panel=PANEL,
)
verbs = typer.Typer()
verbs.add_typer(alerts)


@alerts.callback()
def stage(context: typer.Context) -> None:
    """Raise alerts on faces by the rules of alerts.yaml: the stage itself, or a verb around its rules."""
    if context.invoked_subcommand is None:
        run()


@alerts.command(epilog="Example: MIEN_ALERTS_PATH=alerts.yaml MIEN_METRICS_PORT=9104 mien alerts run")
def run() -> None:
    """Turn emotion events into alerts: the stage, as `mien alerts` alone. A changed file is read again."""
    from workers.alerts import alert_stage

    alert_stage.run(start())


@alerts.command(epilog="Example: mien alerts check alerts.yaml")
def check(
    file: Annotated[Path, typer.Argument(help="The rules.")] = Path("alerts.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Check a file of rules: what is wrong in it is said with line and column."""
    from workers.alerts import rule_file

    rules = rule_file.read(file).rules
    if as_json:
        print_json({"file": str(file), "rules": [rule.name for rule in rules]})
    else:
        console = Terminal(highlight=False, soft_wrap=True)
        console.print(f"{file}: {len(rules)} rules, all of them can be used")


@alerts.command("test", epilog="Example: mien alerts test alerts_test.yaml")
def try_rules(
    file: Annotated[Path, typer.Argument(help="Faces, and the alerts that they must give.")],
    as_json: JsonOption = False,
) -> None:
    """Try rules on made-up faces; ends with 1 if an alert is missing, or one comes that should not."""
    from workers.alerts import alert_cases

    verdicts = alert_cases.run(start(log_level="warning"), file)
    failed = [verdict for verdict in verdicts if verdict.missing or verdict.unexpected]
    if as_json:
        print_json({"file": str(file), "passed": len(verdicts) - len(failed), "failed": failed})
    else:
        console = Terminal(highlight=False, soft_wrap=True)
        for verdict in failed:
            console.print(f"FAILED {verdict.name}", style="bold red")
            for name, lines in (("missing", verdict.missing), ("unexpected", verdict.unexpected)):
                for line in lines:
                    console.print(f"  {name}: {line}")
        console.print(f"{len(verdicts) - len(failed)} of {len(verdicts)} tests passed")
    if failed:
        raise typer.Exit(1)


@alerts.command(epilog="Example: mien alerts tail --from-beginning --json")
def tail(
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="All that Kafka still has, and not only new ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Follow the alerts, a line each, until Ctrl-C."""
    from workers.alerts import alerts_tail

    alerts_tail.run(start(), from_beginning=from_beginning, as_json=as_json)
