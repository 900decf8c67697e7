"""`mien capacity`."""

from pathlib import Path
from typing import Annotated

import typer

from workers import output_files
from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Judge"

verbs = typer.Typer()


@verbs.command(epilog="Example: mien capacity --cameras 100 --fps 10 --faces 1", rich_help_panel=PANEL)
def capacity(
    cameras: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    fps: Annotated[float, typer.Option(min=0.1, help="Frames a second, each.")] = 10.0,
    faces: Annotated[float, typer.Option(min=0, max=50, help="Faces in a frame, on average.")] = 1.0,
    viewers: Annotated[int, typer.Option(min=0, help="Who look at all of them on the page.")] = 1,
    measure: Annotated[
        Path | None,
        typer.Option(
            help="Measure this machine, and write what a frame costs it to this file; `--from` reads it."
        ),
    ] = None,
    measured: Annotated[
        Path | None, typer.Option("--from", help="What was measured, in place of what ships.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulate", help="Run such an installation in the simulation, for some seconds.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Hold the simulation against the running chain, on this machine.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, help="How long each measurement runs.")] = 10.0,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables of docs/scaling.md.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say how many workers, partitions, bytes and cores so many cameras need."""
    from workers.capacity import plan, service_times

    if measure:
        from workers.capacity import measuring

        output_files.check_file(measure)
        output_files.write_bytes(measure, service_times.dump(measuring.measure(start("warning"), seconds)))
        return
    times = service_times.load(measured or service_times.MEASURED)
    if check:
        from workers.capacity import guide, measuring

        checks = measuring.check(start("warning"), times, seconds)
        if as_json:
            print_json([one._asdict() for one in checks])
        else:
            print("\n".join(guide.of_checks(checks)))
    elif simulated:
        from workers.capacity import simulation

        planned = plan.needs(times, cameras=cameras, fps=fps, faces=faces)
        outcome = simulation.simulate(
            simulation.load_of(planned, cameras, fps, faces), times, seconds=seconds
        )
        print_json(outcome._asdict())
    elif as_markdown:
        from workers.capacity import guide

        print(guide.markdown(times))
    elif as_json:
        print_json(plan.needs(times, cameras=cameras, fps=fps, faces=faces, viewers=viewers)._asdict())
    else:
        plan.show(plan.needs(times, cameras=cameras, fps=fps, faces=faces, viewers=viewers), Terminal())
