"""`mien export --check`: whether artifact, landmark set and model card belong together."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from models.emotion import classifier
from models.release import artifact_check
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings


def check(settings: Settings, model: Path | None, console: Console) -> None:
    """Prints a line for each check of the model (MIEN_MODEL_PATH's or the shipped one without it).

    Raises:
        SourceNotFound: if there is no such file.
        InputRefused: if a check did not pass.
    """
    path = model or settings.model_path or classifier.SHIPPED
    try:
        checks = artifact_check.check(path)
    except OSError as exc:
        raise SourceNotFound(f"{path} cannot be read: {exc.strerror}") from exc
    for name, passed, detail in checks:
        sign = "[green]ok[/]  " if passed else "[bold red]not[/] "
        console.print(f"{sign} [bold]{name}[/]: {escape(detail)}", highlight=False, soft_wrap=True)
    if failed := [check.name for check in checks if not check.passed]:
        raise InputRefused(f"{path} did not pass: {', '.join(failed)}", reason="artifact-mismatch")
