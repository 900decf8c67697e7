"""Secrets from files, and what is said of a file that holds none."""

from pathlib import Path

import pytest

from streams.errors import SettingsInvalid
from streams.secret_file import read_secret


@pytest.mark.parametrize("written", ["hunter2", "hunter2\n", "hunter2\r\n"])
def test_the_line_end_is_no_part_of_the_secret(tmp_path: Path, written: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(written.encode())
    assert read_secret(str(file), "MIEN_X_FILE") == "hunter2"


def test_blanks_are_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" hunter 2 \n")
    assert read_secret(str(file), "MIEN_X_FILE") == " hunter 2 "


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * 70_000, "larger")]
)
def test_a_file_without_a_secret_is_refused_by_the_name_of_its_variable(
    tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=f"MIEN_X_FILE names.*{why}"):
        read_secret(str(file), "MIEN_X_FILE")


@pytest.mark.parametrize("path", ["/no/such/hunter2", "hunter2", "hunt\0er2"])
def test_a_missing_file_is_not_repeated_since_it_may_be_the_secret_itself(path: str) -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_X_FILE names a file that does not exist") as told:
        read_secret(path, "MIEN_X_FILE")
    assert "hunt" not in str(told.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_X_FILE names cannot be read: Is a directory"):
        read_secret(str(tmp_path), "MIEN_X_FILE")
