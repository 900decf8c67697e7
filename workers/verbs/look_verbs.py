"""Verbs that show what faces show, and where they can be read."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Look"

verbs = typer.Typer()


@verbs.command(epilog="Example: mien subjects --camera lobby --watch", rich_help_panel=PANEL)
def subjects(
    camera_id: Annotated[
        str | None, typer.Option("--camera", help="The camera's id; all cameras without it.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show again each second until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the subjects in view: emotion, since when, how sure, and what explains it."""
    from workers.commands import subjects as subjects_

    loaded = start()
    subjects_.run(loaded, camera_id=camera_id, watch=watch, as_json=as_json)


@verbs.command(epilog="Example: mien explain portrait.jpg --out annotated.png", rich_help_panel=PANEL)
def explain(
    image: Annotated[Path, typer.Argument(help="A picture with faces, of any common format.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the picture with its explanation drawn on it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain the faces in one picture, without any server."""
    from workers.commands import explain as explain_

    found = explain_.run(start(), image, out)
    if as_json:
        print_json(found)
    else:
        explain_.show(found, Terminal())


@verbs.command(epilog="Example: mien coverage lobby --out map.png", rich_help_panel=PANEL)
def coverage(
    camera_id: Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")],
    out: Annotated[Path | None, typer.Option(help="Write the map as a PNG file.")] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=366, help="Of so many days, today included; of all kept without it."),
    ] = None,
    fov_deg: Annotated[
        float | None,
        typer.Option(min=1, max=170, help="The camera's horizontal field of view: distances in metres."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show where in a camera's picture faces can be read and where not, why, and what would help."""
    from workers import output_files
    from workers.coverage import coverage_map, coverage_report

    if out is not None:
        output_files.check_file(out)
    found = asyncio.run(coverage_report.run(start(), camera_id, days=days, fov_deg=fov_deg))
    if out is not None:
        output_files.write_bytes(out, coverage_map.coverage_map(found))
    if as_json:
        print_json(found)
    else:
        coverage_report.show(found, Terminal())
