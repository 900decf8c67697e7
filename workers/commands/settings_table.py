"""`mien settings`: every setting as a table, and as docs/settings.md."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from streams.settings import InForce, Settings, in_force


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
    return "\n".join(
        (
            "# Settings",
            "",
            "All settings are environment variables; `mien settings` shows their values and where they come "
            "from. This page is written by `mien settings --markdown`.",
            "",
            "| variable | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        )
    )
