"""The command line: `mien VERB`. The verbs' options are in `workers.verbs`, a file a panel of the help.

Exit codes follow sysexits.h and are listed in streams/errors.py; 0 means done, 2 a wrong option.
"""

import errno
import os
import signal
import sys
import threading
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from streams import logs
from streams.errors import MienError, OutputFailed
from workers import lab
from workers.terminal import Terminal
from workers.verbs import (
    alert_verbs,
    cameras_verb,
    capacity_verb,
    check_verbs,
    dead_letter_verbs,
    forget_verb,
    judge_verbs,
    live_verbs,
    look_verbs,
    monitoring_verbs,
    probe_verb,
    stream_verbs,
    train_verbs,
)

app = typer.Typer(
    name="mien",
    epilog="A result goes to stdout, all else to stderr. With --json a result is one line of JSON. "
    "Exit codes: 0 done, 2 wrong option, else those of sysexits.h: 65 bad input, 66 no such input, "
    "69 a service is away, or mien\\[lab] not installed, 72 the model cannot be used, 73 no place to write, "
    "77 wrong credentials, 78 wrong setting, or topics that are not as the settings want them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for panel in (
    stream_verbs,
    cameras_verb,
    alert_verbs,
    probe_verb,
    dead_letter_verbs,
    forget_verb,
    look_verbs,
    live_verbs,
    judge_verbs,
    capacity_verb,
    train_verbs,
    check_verbs,
    monitoring_verbs,
):
    app.add_typer(panel.verbs)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mien {version('mien')}")
        raise typer.Exit


@app.callback()
def _options_of_all(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Reads faces from many cameras as a stream of explained emotion events."""


def main() -> NoReturn:
    """The console script: runs a verb and ends with its exit code."""
    try:
        try:
            # The name also of `python -m workers.cli`, or its completion would be one of python.
            app(prog_name="mien")
        finally:
            sys.stdout.flush()  # Python would do it later, where nobody can say what went wrong
        code = 0
    except SystemExit as exc:
        code = _exit_code(exc)
    except MienError as exc:
        code = _report(exc)
    except ModuleNotFoundError as exc:
        error = lab.missing(exc)
        if error is None:
            raise
        code = _report(error)
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own flush fails again
        code = 1  # whoever read the result has seen enough, and needs no message
        if exc.errno == errno.ENOSPC:
            code = _report(OutputFailed("The result cannot be written: no space is left on the device."))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    _leave(code)


def _exit_code(exc: SystemExit) -> int:
    """As Python's own: None is 0, a number itself, and anything else is a message and 1."""
    if exc.code is None or isinstance(exc.code, int):
        return exc.code or 0
    print(exc.code, file=sys.stderr)
    return 1


def _report(error: MienError) -> int:
    console = Terminal(stderr=True)
    console.print(Text("mien:", "bold red"), str(error), highlight=False, soft_wrap=True)
    return error.exit_code


def _leave(code: int) -> NoReturn:
    """Ends the process even if a library left a thread running, as Faust's consumer does after a crash."""
    left = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in left:
        thread.join(timeout=1.0)
    if names := [thread.name for thread in left if thread.is_alive()]:
        logs.get("mien.cli").warning("threads left running", threads=names)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
