"""Results on disk: whole or not at all."""

import errno
from pathlib import Path

import pytest

from streams.errors import OutputFailed
from workers.output_files import write_bytes, write_text


def test_text_is_utf8_and_bytes_are_themselves(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "Σ → ×\n")
    write_bytes(tmp_path / "b.bin", b"\x00\xff")

    assert (tmp_path / "a.txt").read_bytes() == "Σ → ×\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"


def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a longer text than the new one")
    write_text(path, "new")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/a.txt", "file/a.txt", "file/deep/a.txt", "folder"])
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder" / "full").mkdir(parents=True)

    with pytest.raises(OutputFailed, match=rf"Cannot write {tmp_path / place}: .*--out"):
        write_text(tmp_path / place, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_on_a_full_disk_the_older_file_stays_and_no_rest_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("older")
    really_write = Path.write_bytes

    def write_half(self: Path, data: bytes) -> int:
        really_write(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_half)
        with pytest.raises(OutputFailed, match="No space left on device"):
            write_text(path, "newer")

    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]
