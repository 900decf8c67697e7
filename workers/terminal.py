"""How every verb writes to the terminal: text is text, never markup, and never an order to the terminal.

What is printed comes from Kafka, Redis, file names and model files, which others write. Rich would take
``[/x]`` in it for markup and crash, ``[link=…]`` for a link, ``:cat:`` for a picture; and a terminal obeys
the escape sequences that it finds. So this is the one console there is, and style is given as style.
"""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from streams.printable import printable


class Terminal(Console):
    """A console on stdout, or stderr, that prints any text as it is, with control signs written out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """What Rich makes of each string: printed, or a cell, title or heading of a table."""
        return super().render_str(
            printable(text, keep="\n\t"), **(options | {"markup": False, "emoji": False})
        )


def progress_label(text: str) -> str:
    """A name beside a bar of progress: Rich reads markup there, whatever the console says."""
    return escape(printable(text))
