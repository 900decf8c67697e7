"""The row `pipeline` of `mien bench`: what is read of histograms; a paused chain."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from workers.bench import pipeline_row
from workers.local.chain import Child
from workers.local.measured_servers import Servers


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, 0.05), (0.5, 0.1), (0.75, 0.35), (0.9, 0.44), (1.0, 0.5)]
)
def test_a_quantile_is_read_off_a_histogram(share: float, expected: float) -> None:
    counts = {0.1: 10, 0.2: 10, 0.5: 20, float("inf"): 20}
    assert pipeline_row.quantile(counts, share) == pytest.approx(expected)


def test_what_is_beyond_the_last_bound_counts_as_that_bound() -> None:
    assert pipeline_row.quantile({0.1: 0, 0.5: 0, float("inf"): 9}, 0.5) == 0.5
    assert np.isnan(pipeline_row.quantile({0.1: 0, float("inf"): 0}, 0.5))


def test_a_paused_chain_stands_still_and_goes_on(tmp_path: Path) -> None:
    def state() -> str:
        _, _, rest = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")
        return rest.split()[0]

    chain = pipeline_row.MeasuredChain(Servers("none", {}, {}), tmp_path)
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
