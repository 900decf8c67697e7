"""`mien export --check`: whether artifact, landmark set and model card belong together."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from models.emotion import classifier
from models.release import artifact_check
from models.release.artifact_check import Check
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings


class CheckedModel(msgspec.Struct, frozen=True):
    """A model file, and what was looked at."""

    model: str
    """Its path."""
    checks: list[Check]


def run(settings: Settings, model: Path | None) -> CheckedModel:
    """Looks at a model; at that of MIEN_MODEL_PATH, or the shipped one, without ``model``.

    Raises:
        SourceNotFound: if there is no such file.
    """
    path = model or settings.model_path or classifier.SHIPPED
    try:
        return CheckedModel(str(path), list(artifact_check.check(path)))
    except OSError as exc:
        raise SourceNotFound(f"{path} cannot be read: {exc.strerror}") from exc


def show(checked: CheckedModel, console: Console) -> None:
    """Prints a line for each check."""
    for check in checked.checks:
        sign = Text("ok  ", "green") if check.passed else Text("not ", "bold red")
        name = Text(check.name, "bold")
        console.print(sign, name, f": {check.detail}", sep="", highlight=False, soft_wrap=True)


def refuse_failed(checked: CheckedModel) -> None:
    """Raises InputRefused if a check did not pass."""
    if failed := [check.name for check in checked.checks if not check.passed]:
        raise InputRefused(f"{checked.model} did not pass: {', '.join(failed)}", reason="artifact-mismatch")
