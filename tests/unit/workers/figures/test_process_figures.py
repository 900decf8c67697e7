"""What a process holds and uses, as Linux tells it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

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


def test_process_figures_are_read_from_proc() -> None:
    stat = "12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 250 50 99 99 20 0 1 0 1"
    ticks_hz = os.sysconf("SC_CLK_TCK")
    assert process_figures.cpu_s_of(stat) == 300 / ticks_hz
    assert process_figures.peak_rss_mib("Name:\tx\nVmHWM:\t  2560 kB\nVmRSS:\t  1 kB\n") == 2.5


def test_a_process_and_those_that_it_started_are_measured() -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['cat'], stdin=-1); print(p.pid); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-uc", code], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert process_figures.children_of(parent.pid) == [child]
        parent.communicate("")


def test_threads_are_counted() -> None:
    go = threading.Event()
    before = process_figures.thread_count()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        assert process_figures.thread_count() == before + 1
    finally:
        go.set()
        thread.join()


def test_open_files_are_counted(tmp_path: Path) -> None:
    before = process_figures.open_file_count()
    with (tmp_path / "one").open("w"):
        assert process_figures.open_file_count() == before + 1


def test_a_tree_of_processes_is_summed_without_those_that_are_left_out() -> None:
    code = "n = 0\nwhile n < 3_000_000: n += 1\nprint('done', flush=True)\nimport sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "done\n"
        used_s = process_figures.tree_cpu_s(child.pid)
        assert used_s > 0
        assert process_figures.tree_cpu_s(os.getpid()) >= used_s
        without_s = process_figures.tree_cpu_s(os.getpid(), [child.pid])
        assert without_s <= process_figures.tree_cpu_s(os.getpid()) - used_s
        assert process_figures.cpu_wait_s(child.pid) >= 0
        child.communicate("")
    assert process_figures.tree_cpu_s(child.pid) == 0
