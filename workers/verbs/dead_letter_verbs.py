"""Verbs for what stages refused: `mien dead-letters list`, `show` and `replay`."""

import asyncio
import sys
from typing import Annotated

import typer

from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Stream"

verbs = typer.Typer()
_letters = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    _letters,
    name="dead-letters",
    help="Look at the messages that stages refused, and send them back.",
    epilog="Example: mien dead-letters list --reason not-a-jpeg",
    rich_help_panel=PANEL,
)

ReasonOption = Annotated[
    list[str] | None, typer.Option("--reason", help="Only those refused for this; may be given again.")
]


def _place(text: str) -> str:
    from workers.upkeep import dead_letters

    try:
        dead_letters.place(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    return text


@_letters.command("list", epilog="Example: mien dead-letters list --reason not-a-jpeg")
def list_letters(reason: ReasonOption = None, as_json: JsonOption = False) -> None:
    """List the dead letters that have not expired, newest last."""
    from workers.upkeep import dead_letters, letter_view

    found = asyncio.run(dead_letters.read_all(start(), reason or ()))
    if as_json:
        print_json(found)
    else:
        letter_view.show_list(found, Terminal())


@_letters.command(epilog="Example: mien dead-letters show 41")
def show(
    letter: Annotated[str, typer.Argument(help="Its name in `mien dead-letters list`.", callback=_place)],
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: why it was refused, its key, headers and value. It may be a picture of people."""
    from workers.upkeep import dead_letters, letter_view

    found = asyncio.run(dead_letters.read_one(start(), letter))
    if as_json:
        print_json(letter_view.as_plain(found))
    else:
        letter_view.show_one(found, Terminal())


@_letters.command(epilog="Example: mien dead-letters replay --reason wrong-landmark-set")
def replay(
    reason: ReasonOption = None,
    offset: Annotated[
        list[str] | None,
        typer.Option("--offset", help="Only this letter, by its name in the list; may be given again."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were sent back before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to the topics that they came from, with their own key and headers.

    Ends with 65 if one of them could not be sent back.
    """
    if not reason and not offset:
        raise typer.BadParameter("say which: --reason, --offset, or both")
    places = [_place(text) for text in offset or ()]
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is nobody to ask: --yes sends them back without")
    from workers.upkeep import dead_letters, letter_view

    settings = start()
    chosen = asyncio.run(dead_letters.choose(settings, reason or (), places))
    sent = [letter for letter in chosen if again or not letter.replayed]
    if sent and not yes:
        letter_view.show_list(sent, Terminal(stderr=True))
        typer.confirm(f"Send {len(sent)} dead letters back?", abort=True, err=True)
    done = asyncio.run(dead_letters.replay(settings, chosen, again=again)) if chosen else []
    if as_json:
        print_json(done)
    else:
        letter_view.show_sent_back(done, Terminal())
    dead_letters.refuse_failed(done)
