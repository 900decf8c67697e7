"""The row `pipeline` of `mien bench`: what is read of processes and histograms; a paused chain."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workers.bench import pipeline_row
from workers.local.chain import Child


def test_process_figures_are_read_from_proc() -> None:
    stat = "12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 250 50 99 99 20 0 1 0 1"
    ticks_hz = pipeline_row.os.sysconf("SC_CLK_TCK")
    assert pipeline_row.cpu_s_of(stat) == 300 / ticks_hz
    assert pipeline_row.peak_rss_mib("Name:\tx\nVmHWM:\t  2560 kB\nVmRSS:\t  1 kB\n") == 2.5


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, 0.05), (0.5, 0.1), (0.75, 0.35), (0.9, 0.44), (1.0, 0.5)]
)
def test_a_quantile_is_read_off_a_histogram(share: float, expected: float) -> None:
    counts = {0.1: 10, 0.2: 10, 0.5: 20, float("inf"): 20}
    assert pipeline_row.quantile(counts, share) == pytest.approx(expected)


def test_what_is_beyond_the_last_bound_counts_as_that_bound() -> None:
    assert pipeline_row.quantile({0.1: 0, 0.5: 0, float("inf"): 9}, 0.5) == 0.5
    assert np.isnan(pipeline_row.quantile({0.1: 0, float("inf"): 0}, 0.5))


def test_a_process_and_those_that_it_started_are_measured() -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['cat'], stdin=-1); print(p.pid); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-uc", code], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert pipeline_row.children_of(parent.pid) == [child]
        parent.communicate("")


def test_a_paused_chain_stands_still_and_goes_on(tmp_path: Path) -> None:
    def state() -> str:
        _, _, rest = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")
        return rest.split()[0]

    chain = pipeline_row.MeasuredChain(pipeline_row.Servers("none", {}, {}), tmp_path)
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    chain._children["cat"] = Child(process, tmp_path / "log")
    try:
        with pytest.raises(RuntimeError), chain.paused():  # noqa: PT012
            assert process.stdin
            process.stdin.write("x\n")
            process.stdin.flush()
            while state() not in "Tt":
                pass
            raise RuntimeError
        assert process.stdout
        assert process.stdout.readline() == "x\n"
    finally:
        assert process.stdin
        process.stdin.close()
        chain.kill()
