"""`mien probe`."""

from typing import Annotated

import typer

from workers.json_output import print_json
from workers.verbs.command_line import JsonOption, start

PANEL = "Stream"

verbs = typer.Typer()


@verbs.command(epilog="Example: mien probe --once --json", rich_help_panel=PANEL)
def probe(
    once: Annotated[
        bool, typer.Option("--once", help="One round of its script, some 12 s; ends with 1 if it fails.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send a face whose expressions are known through the running chain, and hold the answers against them.

    Its metrics say how soon the chain answers, and how truly, also when nobody is in view. Alerts, lists of
    subjects and counts of real cameras leave it out.
    """
    from workers.probe import probe as probe_

    summary = probe_.run(start(), once=once)
    if as_json:
        print_json(summary)
    if once:
        probe_.refuse_untrue(summary)
