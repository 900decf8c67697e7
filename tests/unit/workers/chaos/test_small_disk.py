"""A disk that can be filled and emptied again, where we may mount one."""

import errno
import os
from pathlib import Path

import pytest

from workers.chaos.small_disk import SmallDisk, can_mount

pytestmark = pytest.mark.skipif(
    not can_mount() and "CI" not in os.environ, reason="only root can mount a disk"
)


def test_a_full_disk_takes_nothing_until_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with SmallDisk.mounted(folder) as disk:
        (folder / "before").write_bytes(bytes(1_000_000))
        disk.fill()
        with pytest.raises(OSError, match="No space left") as failed:
            (folder / "more").write_bytes(bytes(1_000_000))
        assert failed.value.errno == errno.ENOSPC
        disk.make_room()
        assert (folder / "more").write_bytes(bytes(1_000_000)) == 1_000_000
        assert (folder / "before").stat().st_size == 1_000_000
    assert list(folder.iterdir()) == []  # nothing is mounted there any more
