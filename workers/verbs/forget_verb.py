"""The verb that erases people: `mien forget`."""

import asyncio
import sys
from typing import Annotated

import typer

from workers.json_output import print_json
from workers.verbs.command_line import JsonOption, start

PANEL = "Stream"

verbs = typer.Typer()


@verbs.command(epilog="Example: mien forget --subject lobby:7k3f2a4b --yes", rich_help_panel=PANEL)
def forget(
    subject_id: Annotated[
        str | None, typer.Option("--subject", help="One subject, as `mien subjects --json` names it.")
    ] = None,
    camera_id: Annotated[
        str | None, typer.Option("--camera", help="The camera's id: all its subjects. Stop it first.")
    ] = None,
    records: Annotated[
        bool,
        typer.Option(
            "--records",
            help="Delete from Kafka too: ALL records that the same partitions have now, of other subjects "
            "and cameras too, and those that no stage has read yet.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a subject or a camera from Redis for good, and say what Kafka still has, and until when."""
    if (subject_id is None) == (camera_id is None):
        raise typer.BadParameter("say whom: --subject or --camera")
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is nobody to ask: --yes forgets without")
    from workers.terminal import Terminal
    from workers.upkeep import forget as forget_

    settings = start()
    chosen = forget_.who(subject_id, camera_id)
    if not yes:
        also = ", and delete all records of the same partitions, of others too" if records else ""
        typer.confirm(f"Erase {chosen} from Redis{also}? This cannot be undone.", abort=True, err=True)
    done = asyncio.run(forget_.run(settings, chosen, records=records))
    if as_json:
        print_json(done)
    else:
        forget_.show(done, chosen, Terminal())
