"""YAML files that people write, as plain values; what is wrong is said with file, line and column."""

from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from streams.errors import FileInvalid, SourceNotFound
from streams.redact_url import redact_url

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 200_000
"""So that a few lines of aliases of aliases cannot fill the memory."""
SHOWN_MAX: Final = 10
"""Problems; whoever has more of them repairs these first."""
_PLAIN: Final = {"null": None, "~": None, "": None, "true": True, "false": False}

Place = tuple[str | int, ...]


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        SourceNotFound: if it cannot be read.
        FileInvalid: if it is larger than `MAX_BYTES`, or no text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise SourceNotFound(f"The file {path} cannot be read: {exc.strerror}.") from exc
    if len(raw) > MAX_BYTES:
        raise FileInvalid(f"{path} is larger than {MAX_BYTES} bytes.")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise FileInvalid(f"{path} is no UTF-8 text: {exc.reason} at byte {exc.start}.") from exc


class Document:
    """A YAML text as plain values, and where each of them stands.

    Only true and false are truth values, and 18:00 is text: YAML 1.1 takes the first for a number of minutes
    and a group called ``on`` for true. A key that comes twice is an error: YAML keeps the last one.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._marks: dict[Place, yaml.Mark] = {}
        self._nodes = 0
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.value = self._plain(node, ()) if node else {}
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            raise FileInvalid(f"{self._at(mark)}{exc.problem or exc.context}") from exc
        except yaml.YAMLError as exc:  # a character that YAML does not allow
            raise FileInvalid(f"{name}: {exc}") from exc
        except RecursionError as exc:
            raise FileInvalid(f"{name} is nested too deeply, or holds itself.") from exc

    def invalid(self, exc: ValidationError) -> FileInvalid:
        """The error for what pydantic found."""
        return self.refused([(tuple(e["loc"]), _meaning(e)) for e in exc.errors()])

    def refused(self, problems: list[tuple[Place, str]]) -> FileInvalid:
        lines = []
        for place, meaning in problems[:SHOWN_MAX]:
            where = self._nearest(place)
            path = "".join(
                f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in place
            ).lstrip(".")
            lines.append(f"{self._at(where)}{path + ': ' if path else ''}{meaning}")
        if len(problems) > SHOWN_MAX:
            lines.append(f"and {len(problems) - SHOWN_MAX} more")
        return FileInvalid("\n".join(lines))

    def _nearest(self, place: Place) -> yaml.Mark | None:
        """The mark of a place, or of what holds it: what is missing stands nowhere."""
        while place and place not in self._marks:
            place = place[:-1]
        return self._marks.get(place)

    def _at(self, mark: yaml.Mark | None) -> str:
        return f"{self._name}:{mark.line + 1}:{mark.column + 1}: " if mark else f"{self._name}: "

    def _plain(self, node: yaml.Node, place: Place) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise FileInvalid(f"{self._name} holds more than {MAX_NODES} values, with its aliases.")
        self._marks.setdefault(place, node.start_mark)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*place, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            found: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise yaml.MarkedYAMLError(
                        problem="a key must be a word", problem_mark=key_node.start_mark
                    )
                key = key_node.value
                if key in found:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {_shown(key)} stands here a second time",
                        problem_mark=key_node.start_mark,
                    )
                self._marks[*place, key] = key_node.start_mark
                found[key] = self._plain(value_node, (*place, key))
            return found
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in _PLAIN:
        return _PLAIN[text]
    if text[-1].isdigit() and "_" not in text:  # not nan, inf or 1_000
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _shown(text: str) -> str:
    """A word of the file for messages: an address, wherever it was written, may hold a password."""
    return redact_url(text) if "://" in text else text


def _meaning(error: Any) -> str:
    """pydantic's message, in the words of who writes such a file."""
    match error["type"]:
        case "extra_forbidden":
            return "there is no such option"
        case "missing":
            return "this is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "here must stand options, as name: value"
        case "string_pattern_mismatch":
            return f"{_shown(error['input'])!r} does not match {error['ctx']['pattern']}"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")[:1].lower() + message.removeprefix("Value error, ")[1:]
