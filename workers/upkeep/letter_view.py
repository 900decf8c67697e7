"""Dead letters on a terminal: all text in them is a stranger's, so nothing of it gets there unescaped."""

import time
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.messages.dead_letter import DeadLetter
from streams.printable import printable
from workers.upkeep.dead_letters import SentBack, WholeLetter

HEX_BYTES = 256
"""Of a value that is no text, so much is shown."""
TEXT_CHARACTERS = 20_000
"""The same of one that is."""
_ROW_BYTES = 16


def show_list(letters: Sequence[DeadLetter], console: Console) -> None:
    """Prints a row for each letter, as they are given."""
    rows = Table("letter", "refused at", "stage", "reason", "from", "bytes", "replayed", "error")
    for letter in letters:
        cells = (
            letter.place,
            _time(letter.at_us),
            letter.stage,
            letter.reason,
            _from(letter),
            f"{letter.value_bytes}, left out" if letter.left_out else str(letter.value_bytes),
            "yes" if letter.replayed else "",
            letter.error,
        )
        rows.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(rows)
    console.print(f"{len(letters)} dead letters", highlight=False)


def show_one(whole: WholeLetter, console: Console) -> None:
    """Prints a letter: why it was refused, its key, headers, and value."""
    for line in lines(whole):
        console.print(Text(line), soft_wrap=True)


def show_sent_back(done: Sequence[SentBack], console: Console) -> None:
    """Prints a row for each letter that was chosen."""
    rows = Table("letter", "to", "outcome")
    for one in done:
        rows.add_row(one.place, Text(printable(one.topic)), one.outcome)
    console.print(rows)


def as_plain(whole: WholeLetter) -> dict[str, object]:
    """A letter for JSON, with its value in base 64."""
    return {
        **msgspec.structs.asdict(whole.letter),
        "key": _text(whole.key),
        "headers": [(name, _text(raw)) for name, raw in whole.headers],
        "value_type": value_type(whole),
        "value": whole.value,
    }


def lines(whole: WholeLetter) -> Iterator[str]:
    """The lines of one letter, printable."""
    letter = whole.letter
    about = {
        "letter": letter.place,
        "refused at": _time(letter.at_us),
        "stage": letter.stage,
        "reason": letter.reason,
        "error": letter.error,
        "from": _from(letter),
        "replayed": "yes" if letter.replayed else "no",
        "key": _text(whole.key) if whole.key is not None else "none",
    } | {f"header {name}": _text(raw) for name, raw in whole.headers}
    yield from (printable(f"{name}: {text}") for name, text in about.items())
    yield f"value: {value_type(whole)}, {letter.value_bytes} bytes"
    if whole.value:
        text = _pretty(whole.value)
        if text is None:
            yield from _hexdump(whole.value)
        else:
            yield from map(printable, text[:TEXT_CHARACTERS].split("\n"))
            if len(text) > TEXT_CHARACTERS:
                yield f"… and {len(text) - TEXT_CHARACTERS} characters more: --json has them all"


def value_type(whole: WholeLetter) -> str:
    """What the value seems to be."""
    if whole.letter.left_out:
        return f"left out ({printable(whole.letter.left_out)})"
    value = whole.value
    if not value:
        return "empty" if value is not None else "none"
    if value.startswith(b"\xff\xd8"):
        return "JPEG"
    if _pretty_json(value) is not None:
        return "JSON"
    return "MessagePack" if _pretty_msgpack(value) is not None else "bytes"


def _pretty(value: bytes) -> str | None:
    return _pretty_json(value) or _pretty_msgpack(value)


def _pretty_json(value: bytes) -> str | None:
    """Indented, if it is an object or a list in JSON."""
    try:
        decoded = msgspec.json.decode(value)
        return _indented(decoded) if isinstance(decoded, dict | list) else None
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None


def _pretty_msgpack(value: bytes) -> str | None:
    """As JSON, if it is a map or a list in MessagePack; bytes in it in base 64."""
    try:
        decoded = msgspec.msgpack.decode(value)
        return _indented(decoded) if isinstance(decoded, dict | list) else None
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError):
        return None


def _indented(decoded: object) -> str:
    return msgspec.json.format(msgspec.json.encode(decoded), indent=2).decode()


def _hexdump(value: bytes) -> Iterator[str]:
    for start in range(0, min(len(value), HEX_BYTES), _ROW_BYTES):
        row = value[start : start + _ROW_BYTES]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{3 * _ROW_BYTES}} {text}"
    if len(value) > HEX_BYTES:
        yield f"… and {len(value) - HEX_BYTES} bytes more: --json has them all, in base 64"


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "backslashreplace")


def _from(letter: DeadLetter) -> str:
    return f"{letter.topic}/{letter.partition}@{letter.offset}"


def _time(at_us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_us / 1e6)) if at_us >= 0 else "unknown"
