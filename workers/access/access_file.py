"""access.yaml → who may see what. What is wrong in it is said with file, line and column."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from streams import logs
from streams.errors import SettingsInvalid
from workers.access.viewers import LOCAL, Access, Role, Viewer, new_token, token_hash
from workers.alerts.rules import Pattern
from workers.file_in_force import LOOK_INTERVAL_S, FileInForce
from workers.marked_yaml import Document, Place, read_text

log = logs.get("mien.access")

_OPEN: Final = Access({LOCAL.name: LOCAL}, {})
_HASH: Final = re.compile("[0-9a-f]{64}")
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")]
_Group = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name
    role: Role
    groups: list[_Group] = []
    cameras: list[Pattern] = []
    token_sha256: str = ""

    @field_validator("token_sha256")
    @classmethod
    def _is_a_hash(cls, text: str) -> str:
        if text and not _HASH.fullmatch(text):  # not the text itself: it may be the token
            raise ValueError(
                "this is no SHA-256 in 64 hex digits; `mien live-token` makes a token with its hash"
            )
        return text


class _File(BaseModel):
    """The top of access.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True)

    groups: dict[_Group, list[Pattern]] = {}
    people: list[_Person] = Field(min_length=1)


def parse(text: str, name: str) -> Access:
    """The access that a text gives; ``name`` stands in errors for its file.

    Raises:
        FileInvalid: with a line for each problem.
    """
    document = Document(text, name)
    try:
        file = _File.model_validate(document.value)
    except ValidationError as exc:
        raise document.invalid(exc) from exc
    problems: list[tuple[Place, str]] = []
    viewers: dict[str, Viewer] = {}
    tokens: set[str] = set()
    for index, person in enumerate(file.people):
        if person.name in viewers:
            problems.append((("people", index, "name"), f"a second person is called {person.name}"))
        if person.token_sha256 and person.token_sha256 in tokens:
            problems.append((("people", index, "token_sha256"), "another person has this token already"))
        for at, group in enumerate(person.groups):
            if group not in file.groups:
                known = ", ".join(file.groups) or "none"
                problems.append(
                    (("people", index, "groups", at), f"there is no group {group}; the groups are: {known}")
                )
        if person.role != "admin" and not person.groups and not person.cameras:
            problems.append(
                (
                    ("people", index),
                    f"{person.name} may see no camera: give groups, or cameras: ['*'] for all",
                )
            )
        tokens.add(person.token_sha256)
        of_groups = [pattern for group in person.groups for pattern in file.groups.get(group, ())]
        viewers[person.name] = Viewer(
            person.name,
            person.role,
            tuple(person.groups),
            tuple(dict.fromkeys([*of_groups, *person.cameras])),
            person.token_sha256,
        )
    if problems:
        raise document.refused(problems)
    return Access(viewers, file.groups)


class NewEntry(NamedTuple):
    """A token, and the lines for the access file that know it by its hash."""

    token: str
    entry: str


def new_entry(name: str, role: str, groups: Sequence[str]) -> NewEntry:
    """A new token for a person.

    Raises:
        SettingsInvalid: if name, role or groups are none.
    """
    token = new_token()
    about = {"name": name, "role": role, "groups": list(groups), "token_sha256": token_hash(token)}
    try:
        person = _Person.model_validate(about)
    except ValidationError as exc:
        raise SettingsInvalid(
            "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors(include_input=False))
        ) from exc
    lines = [f"  - name: {person.name}", f"    role: {person.role}"]
    if groups:
        lines.append(f"    groups: [{', '.join(person.groups)}]")
    elif person.role != "admin":
        lines.append("    cameras: ['*']")
    return NewEntry(token, "\n".join([*lines, f"    token_sha256: {person.token_sha256}", ""]))


class AccessBook:
    """The access in force: that of the file, which is looked at again when it changes."""

    def __init__(self, path: Path | None) -> None:
        """Without a path whoever comes is `LOCAL`.

        Raises:
            SourceNotFound: if it cannot be read.
            FileInvalid: if it cannot be used.
        """
        self._file = FileInForce(path, _read) if path else None
        self._looked_s = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self._file is None

    def current(self) -> Access:
        """The access in force now; a file that cannot be used any more leaves the one before in force."""
        if self._file is None:
            return _OPEN
        if time.monotonic() - self._looked_s >= LOOK_INTERVAL_S:
            self._looked_s = time.monotonic()
            if self._file.look_again() and self._file.is_current:
                log.info("access file read again", people=len(self._file.value.viewers))
        return self._file.value


def _read(path: Path) -> Access:
    return parse(read_text(path), str(path))
