"""Writing results to disk: whole or not at all, and with a clear word when it fails."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from streams.errors import OutputFailed


def write_bytes(path: Path, data: bytes) -> None:
    """Writes the whole file or nothing.

    Raises:
        OutputFailed: if the folder is missing, read-only or full; an older file is then still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as exc:
        with suppress(OSError):  # what kept it from being written may keep it from being removed
            partial.unlink()
        raise OutputFailed(f"Cannot write {path}: {exc.strerror}. Choose another place with --out.") from exc


def write_text(path: Path, text: str) -> None:
    """Writes the whole text, in UTF-8, or nothing: see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """As :func:`write_bytes`, as JSON that people can read: indented by 2."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def check_file(path: Path) -> None:
    """Looks whether a file can be written there, before the work that gives its content.

    Raises:
        OutputFailed: if it cannot.
    """
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise OutputFailed(f"Cannot write {path}: name a file in a folder that is there.")


def make_folder(folder: Path) -> None:
    """Makes the folder for results and tries to write into it: before the work.

    Raises:
        OutputFailed: if it cannot be made or written.
    """
    probe = folder / ".mien-writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise OutputFailed(
            f"{folder} cannot be written: {exc.strerror}. Name another folder with --out."
        ) from exc
