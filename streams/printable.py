"""Makes foreign text harmless to a terminal and to whoever reads its lines."""

import unicodedata
from typing import Final

_UNPRINTABLE: Final = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode's categories of control and format signs (escape sequences, text that runs backwards), half
characters, private ones, and line ends that are none in ASCII."""


def printable(text: str, keep: str = "") -> str:
    r"""The text with every sign that a terminal would act on written out: ESC becomes ``\x1b``.

    keep: signs that stay as they are, such as the line ends of text that has several lines.
    """
    if text.isascii() and text.isprintable():
        return text  # nearly always
    return "".join(
        sign if sign in keep or unicodedata.category(sign) not in _UNPRINTABLE else _written_out(sign)
        for sign in text
    )


def _written_out(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
