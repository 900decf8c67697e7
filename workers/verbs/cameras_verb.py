"""`mien cameras` and its verbs."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption, start

PANEL = "Stream"


class RunsByDefault(TyperGroup):
    """``mien cameras FILE`` is ``mien cameras run FILE``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


cameras = typer.Typer(
    name="cameras",
    cls=RunsByDefault,
    no_args_is_help=True,
    help="Run many cameras from one file, each in a process of its own: `mien cameras cameras.yaml`.",
    epilog="Example: mien cameras cameras.yaml",
    rich_help_panel=PANEL,
)
verbs = typer.Typer()
verbs.add_typer(cameras)

FileArgument = Annotated[Path, typer.Argument(help="The cameras: docs/cameras.md says what stands in it.")]


@cameras.command(epilog="Example: mien cameras run cameras.yaml --shard 2/5")
def run(
    file: FileArgument,
    shard: Annotated[
        str | None,
        typer.Option(
            help="2/5: only the third fifth of the cameras, by their ids; numbers begin at 0. Without it "
            "MIEN_CAMERAS_SHARD, else all."
        ),
    ] = None,
) -> None:
    """Run the cameras of a file until SIGTERM; one that fails is started again and touches no other.

    The file is read again when it changes, and only cameras whose entry changed are started again. A wrong
    file does not replace a good one.
    """
    from workers.camera_fleet import fleet
    from workers.camera_fleet.shards import WHOLE, Shard

    loaded = start()
    chosen = shard or loaded.cameras_shard
    raise typer.Exit(fleet.run(loaded, file, Shard.parse(chosen) if chosen else WHOLE))


@cameras.command(epilog="Example: mien cameras check cameras.yaml --only 'counter-*'")
def check(
    file: FileArgument,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="A camera's id or its group, or a pattern with stars; again for more. Without it all that "
            "are enabled."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="How long each is looked at.")] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Look at each camera for some seconds, without any server, and say what it is: size, codec, faces.

    Ends with 69 if one cannot be read.
    """
    from workers.camera_fleet import camera_check, camera_list

    loaded = start(log_level="warning")
    chosen = camera_check.chosen(camera_list.read(file), only or [])
    looks = camera_check.run(loaded, chosen, seconds)
    if as_json:
        print_json(looks)
    else:
        camera_check.show(looks, Terminal())
    camera_check.refuse_unread(looks)
