"""How every verb prints its result with ``--json``."""

import msgspec


def print_json(result: object) -> None:
    """Prints a result as one line, at once: who reads it through a pipe need not wait for the next one."""
    print(msgspec.json.encode(result).decode(), flush=True)
