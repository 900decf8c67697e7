"""Verbs that say how Mien is set up and what it publishes."""

from pathlib import Path
from typing import Annotated

import typer

from streams import settings
from workers.json_output import print_json
from workers.terminal import Terminal
from workers.verbs.command_line import JsonOption

PANEL = "Check"

verbs = typer.Typer()


@verbs.command(
    "settings", epilog="Example: MIEN_TOPIC_PREFIX=trial mien settings --json", rich_help_panel=PANEL
)
def show_settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every setting: its value now, where that comes from, its default and meaning.

    Passwords are hidden. Variables that name no setting are listed too: they may be misspelt.
    """
    from workers.commands import settings_table

    if markdown and as_json:
        raise typer.BadParameter("--markdown and --json are two forms of the same: choose one")
    if markdown:
        print(settings_table.markdown(), end="")
        return
    in_force = settings.in_force(settings.load())
    if as_json:
        print_json({"settings": in_force, "unknown_variables": settings.unknown_variables()})
    else:
        settings_table.show(in_force, settings.unknown_variables(), Terminal())


@verbs.command("metrics", epilog="Example: mien metrics --json", rich_help_panel=PANEL)
def show_metrics(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/metrics.md instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every metric: its type, its labels and their values, which stages export it, its meaning."""
    from workers.metering import metrics_table

    if markdown and as_json:
        raise typer.BadParameter("--markdown and --json are two forms of the same: choose one")
    if markdown:
        print(metrics_table.markdown(), end="")
    elif as_json:
        print_json(metrics_table.rows())
    else:
        metrics_table.show(metrics_table.rows(), Terminal())


@verbs.command(epilog="Example: MIEN_TOPIC_PREFIX=trial mien acls", rich_help_panel=PANEL)
def acls(as_json: JsonOption = False) -> None:
    """Print the commands that give each stage's user its rights in Kafka and Redis, and no others.

    Nothing is changed: who administers them runs the commands. docs/security.md says how.
    """
    from workers.upkeep import acls as acls_

    found = acls_.rights(settings.load())
    if as_json:
        print_json({name: [right._asdict() for right in rows] for name, rows in found._asdict().items()})
    else:
        print(acls_.text(found))


@verbs.command(
    epilog="Example: MIEN_TOPIC_REPLICATION=3 mien strimzi > topics-and-users.yaml", rich_help_panel=PANEL
)
def strimzi(as_json: JsonOption = False) -> None:
    """Print the topics, and a user with its rights for each stage, as Strimzi's objects in Kubernetes."""
    from workers.upkeep import strimzi as strimzi_

    loaded = settings.load()
    if as_json:
        print_json(strimzi_.documents(loaded))
    else:
        print(strimzi_.text(loaded), end="")


@verbs.command(epilog="Example: mien schemas --out docs/schemas", rich_help_panel=PANEL)
def schemas(
    out: Annotated[
        Path | None, typer.Option(help="Write one file a schema here, instead of printing all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the JSON Schemas of all messages, and the AsyncAPI document of all topics, as JSON."""
    from streams.messages import schemas
    from workers.live import openapi_document

    documents = schemas.documents(settings.load()) | {openapi_document.FILE_NAME: openapi_document.document()}
    if out is None:
        print_json(documents)
        return
    from workers import output_files

    output_files.make_folder(out)
    for name, document in documents.items():
        output_files.write_json(out / name, document)
    files = [str(out / name) for name in documents]
    if as_json:
        print_json({"files": files})
    else:
        print("\n".join(files))
