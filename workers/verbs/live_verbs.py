"""`mien live` and `mien live-token`."""

from typing import Annotated

import typer

from workers.json_output import print_json
from workers.verbs.command_line import FramesOption, JsonOption, shown, start

PANEL = "Look"

verbs = typer.Typer()


@verbs.command(epilog="Example: MIEN_LIVE_ACCESS_FILE=access.yaml mien live", rich_help_panel=PANEL)
def live(frames: FramesOption = False) -> None:
    """Serve the page of all cameras, and its API: see it, the reason for it, and review alerts."""
    from workers.live import live_server

    live_server.run(start(**shown(frames)))


@verbs.command(
    "live-token", epilog="Example: mien live-token anna --role reviewer --group lobby", rich_help_panel=PANEL
)
def live_token(
    name: Annotated[str, typer.Argument(help="Who is to sign in with it.")],
    role: Annotated[str, typer.Option(help="viewer, reviewer or admin.")] = "viewer",
    group: Annotated[
        list[str] | None, typer.Option(help="A group of the access file; several times for several.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token for `mien live`, and print it with its entry for the access file."""
    from workers.access import access_file

    made = access_file.new_entry(name, role, group or [])
    if as_json:
        print_json(made)
    else:
        print(f"# The token, which is shown this once:\n# {made.token}\n{made.entry}", end="")
