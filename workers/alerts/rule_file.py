"""alerts.yaml → rules. What is wrong in it is said with file, line and column, all of it at once."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.alerts.rules import Pattern, Rule, RuleSet
from workers.marked_yaml import Document, Place, read_text


class _File(BaseModel):
    """The top of alerts.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True)

    groups: dict[str, list[Pattern]] = {}
    rules: list[Rule] = Field(min_length=1)


def read(path: Path) -> RuleSet:
    """The rules of a file.

    Raises:
        SourceNotFound: if it cannot be read.
        FileInvalid: with a line for each problem.
    """
    return parse(read_text(path), str(path))


def parse(text: str, name: str) -> RuleSet:
    """The rules of a text; ``name`` stands in errors for its file."""
    document = Document(text, name)
    try:
        file = _File.model_validate(document.value)
    except ValidationError as exc:
        raise document.invalid(exc) from exc
    problems: list[tuple[Place, str]] = []
    names: set[str] = set()
    for index, rule in enumerate(file.rules):
        if rule.name in names:
            problems.append((("rules", index, "name"), f"a second rule is called {rule.name}"))
        names.add(rule.name)
        for at, group in enumerate(rule.groups):
            if group not in file.groups:
                known = ", ".join(file.groups) or "none"
                problems.append(
                    (("rules", index, "groups", at), f"there is no group {group}; the groups are: {known}")
                )
    if problems:
        raise document.refused(problems)
    return RuleSet(file.rules, file.groups)
