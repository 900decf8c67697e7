"""What all verbs share: their settings, and the option ``--json``.

A verb imports what is slow to import only when it runs. So `mien --help` is quick, and a stage holds no
library of another in memory.
"""

from typing import Annotated, Any

import typer

from streams import logs, settings
from streams.settings import Settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]


FramesOption = Annotated[
    bool,
    typer.Option(
        "--frames",
        help="Show the cameras' pictures on the page too, with faces hidden; as MIEN_LIVE_FRAMES=true does.",
    ),
]


def shown(frames: bool) -> dict[str, Any]:
    """What ``--frames`` changes in the settings: without it they stay."""
    return {"live_frames": True} if frames else {}


def start(log_level: str | None = None, **changes: Any) -> Settings:
    """The settings, with logging set up as they say; ``log_level`` and ``changes`` instead of theirs."""
    loaded = settings.load(**changes)
    logs.configure(log_level or loaded.log_level, loaded.log_format)
    for variable in settings.unknown_variables():
        logs.get("mien.cli").warning("no setting has this name: see `mien settings`", variable=variable)
    return loaded
