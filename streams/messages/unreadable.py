"""What msgspec raises for bytes that it cannot read."""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Not its own errors alone: text that is no UTF-8, and nesting by the thousand, come out as Python's."""
