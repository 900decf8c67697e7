"""Reads a secret from a file, as Docker and Kubernetes hand it out."""

from pathlib import Path
from typing import Final

from streams.errors import SettingsInvalid

_MAX_BYTES: Final = 64 * 1024


def read_secret(path: str, named_by: str) -> str:
    """The text of a file, without the line end that editors put behind it.

    Raises:
        SettingsInvalid: if there is no such file, or it holds no secret. ``named_by`` is the variable or
            option. The name of a file that is not there is not repeated: it may be the secret itself, set in
            the wrong variable.
    """
    try:
        with Path(path).open("rb") as file:  # it may be a pipe: `--source-file <(pass show lobby)`
            content = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, ValueError) as exc:
        raise SettingsInvalid(f"{named_by} names a file that does not exist: it wants a path") from exc
    except OSError as exc:
        raise SettingsInvalid(f"The file that {named_by} names cannot be read: {exc.strerror}") from exc
    if len(content) > _MAX_BYTES:
        raise SettingsInvalid(f"The file that {named_by} names is larger than {_MAX_BYTES} bytes: no secret")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError as exc:
        raise SettingsInvalid(f"The file that {named_by} names is not UTF-8 text") from exc
    if not text:
        raise SettingsInvalid(f"The file that {named_by} names is empty")
    return text
