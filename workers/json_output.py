"""How every verb prints its result with ``--json``."""

import msgspec

from streams.printable import printable


def print_json(result: object) -> None:
    """Prints a result as one line, at once: who reads it through a pipe need not wait for the next one.

    Signs that a terminal would act on are written as JSON's escapes: it is the same JSON.
    """
    print(_escaped(msgspec.json.encode(result).decode()), flush=True)


def _escaped(json: str) -> str:
    if printable(json) == json:
        return json
    return "".join(sign if printable(sign) == sign else _json_escape(sign) for sign in json)


def _json_escape(sign: str) -> str:
    units = sign.encode("utf-16-be")  # JSON writes a sign beyond 16 bits as two
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
