"""Memory as Linux tells it."""

import os
import sys

import pytest

from workers.figures import process_figures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_what_a_process_holds_alone_is_part_of_its_share_and_that_of_all() -> None:
    before = process_figures.memory_mib(os.getpid())
    held = bytearray(os.urandom(32 * 2**20))
    after = process_figures.memory_mib(os.getpid())

    assert 0 < before["private"] <= before["pss"] <= before["rss"]
    assert after["private"] - before["private"] == pytest.approx(32, abs=4)
    del held
