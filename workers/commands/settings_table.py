"""`mien settings`: every setting as a table, and as docs/settings.md."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from streams.settings import InForce, Settings, file_variable, in_force, secrets


def show(rows: Sequence[InForce], unknown_variables: Sequence[str], console: Console) -> None:
    """Prints the values in force, those that were set stronger than the defaults."""
    table = Table(Column("variable", no_wrap=True), "value", "from", "default", "meaning")
    for row in rows:
        values = [text or "" for text in (row.variable, row.value, row.source, row.default, row.meaning)]
        table.add_row(*values, style="bold" if row.source == "environment" else None)
    console.print(table)
    for variable in unknown_variables:
        console.print(f"{variable} is set, but no setting has this name.", style="yellow", highlight=False)


def markdown() -> str:
    """`docs/settings.md`: variables, defaults and meanings, whatever is set here."""
    rows = [
        f"| `{row.variable}` |{f' `{row.default}`' if row.default else ''} | {row.meaning} |"
        for row in in_force(Settings.model_construct())
    ]
    file_variables = [file_variable(name) for name in secrets()]
    return "\n".join(
        (
            "# Settings",
            "",
            "All settings are environment variables; `mien settings` shows their values and where they come "
            "from. This page is written by `mien settings --markdown`.",
            "",
            f"A secret may stand in a file instead: {_listed(file_variables)} name files that hold it, as "
            "Docker and Kubernetes hand secrets out.",
            "",
            "| variable | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        )
    )


def _listed(variables: Sequence[str]) -> str:
    *first, last = (f"`{variable}`" for variable in variables)
    return f"{', '.join(first)} and {last}"
