"""`mien bench`: fair turns, right arithmetic, and the form of its answer. Nothing here asserts a time."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.emotion.classifier import SHIPPED, Classifier
from models.release.onnx_export import export, read_network
from models.training import network
from models.training.network import Network
from models.training.trained_model import TrainedModel
from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers.bench import bench, pipeline_row, speed_rows, timing
from workers.bench.timing import Comparison, Cost, Side, Spread
from workers.local.chain import Child

ROOT = Path(__file__).parents[4]


class FakeMachine:
    """Steps that take exactly as long as they say; half of it on the CPU."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ran: list[str] = []

    def step(self, name: str, took_s: float) -> None:
        self.now_s += took_s
        self.ran.append(name)

    def alternate(self, took_s: dict[str, float], seconds: float) -> dict[str, list[Cost]]:
        steps = {name: (lambda name=name, t=t: self.step(name, t)) for name, t in took_s.items()}
        return timing.alternate(
            steps,
            seconds,
            round_s=0.05,
            clock_s=lambda: self.now_s,
            cpu_clock_s=lambda: self.now_s / 2,
        )


def test_the_sides_take_turns_with_calls_enough_to_fill_a_round() -> None:
    machine = FakeMachine()
    costs = machine.alternate({"a": 0.010, "b": 0.020}, seconds=0.2)
    assert "".join(machine.ran).endswith(4 * ("aaaaa" + "bb"))
    assert len(machine.ran) - 4 * 7 < 8  # the warm-up
    assert {name: len(rounds) for name, rounds in costs.items()} == {"a": 4, "b": 4}


def test_a_cost_is_that_of_one_call_in_ms() -> None:
    costs = FakeMachine().alternate({"a": 0.010, "b": 0.002}, seconds=0.2)
    np.testing.assert_allclose(costs["a"], 4 * [(10.0, 5.0)])
    np.testing.assert_allclose(costs["b"], 4 * [(2.0, 1.0)])


def test_a_slow_step_runs_once_a_round_and_as_often_as_a_spread_needs() -> None:
    machine = FakeMachine()
    costs = machine.alternate({"slow": 3.0, "fast": 0.05}, seconds=0.1)
    assert machine.ran[-6:] == ["slow", "fast"] * 3
    assert len(costs["slow"]) == timing.MIN_ROUNDS == 3


def test_a_spread_is_median_and_tenths() -> None:
    assert Spread.of([float(value) for value in range(10, -1, -1)]) == Spread(median=5, p10=1, p90=9)
    assert Spread.of([7.0]) == Spread(7, 7, 7)


def test_ratios_are_taken_round_by_round() -> None:
    """The second round was disturbed on both sides; the ratio does not show it."""
    mien = Side.of("ours", [Cost(1, 1), Cost(10, 1), Cost(1, 1)])
    library = Side.of("theirs", [Cost(2, 3), Cost(20, 3), Cost(2, 3)])
    compared = Comparison.of("row", "case", mien, library)
    assert compared.speed_ratio == Spread(2, 2, 2)
    assert compared.cpu_ratio == Spread(3, 3, 3)
    assert compared.rounds == 3
    assert mien.rounds_ms == [1, 10, 1]
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer"):
        Comparison.of("row", "case", mien, Side.of("theirs", [Cost(2, 3)]))


@pytest.fixture(scope="module")
def small() -> tuple[Network, np.ndarray]:
    """A random network of 6 points and 4 classes with a radius that no face reaches, and 5 faces."""
    rng = np.random.default_rng(0)
    shapes = ((18, 12), (12,), (12, 4), (4,))
    weights = [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    return Network(*weights, radius=1e6), rng.normal(0, 0.5, (5, 6, 3)).astype(np.float32)


def test_the_reference_gradient_is_the_slope_of_the_logit(small: tuple[Network, np.ndarray]) -> None:
    net, faces = small
    target = np.array([0, 1, 2, 3, 0])
    logits, gradient = speed_rows.forward_and_back(net, faces.reshape(5, -1), target)
    gradient = gradient.reshape(faces.shape)
    np.testing.assert_allclose(logits, network.logits(net, faces), atol=1e-6)
    step = np.zeros_like(faces)
    step[:, 2, 1] = 1e-2
    slope = (network.logits(net, faces + step) - network.logits(net, faces - step)) / 2e-2
    np.testing.assert_allclose(gradient[:, 2, 1], slope[np.arange(5), target], atol=1e-3)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("rule", "tolerance"), [("gausslegendre", 1e-5), ("riemann_middle", 5e-3)])
def test_the_captum_loop_gives_the_attributions_of_our_integral(
    small: tuple[Network, np.ndarray], rule: str, tolerance: float, at_once: bool
) -> None:
    net, faces = small
    target, attributions = speed_rows.captum_loop(net, faces, rule=rule, at_once=at_once)
    assert target.tolist() == network.logits(net, faces).argmax(axis=1).tolist()
    expected = network.integrated_gradients(net, faces, target).attributions
    np.testing.assert_allclose(attributions, expected, atol=tolerance)
    assert np.abs(expected).max() > 0.1


def test_the_numpy_network_is_the_shipped_one() -> None:
    shipped = Classifier.load()
    rng = np.random.default_rng(1)
    # Small enough to stay inside the radius, which the reference leaves out.
    difference = rng.normal(0, 0.001, (3, *shipped.population_baseline.shape)).astype(np.float32)
    expected = shipped.classify(shipped.population_baseline + difference)
    net = read_network(SHIPPED)
    np.testing.assert_allclose(network.probabilities(net, difference), expected.probabilities, atol=1e-4)
    _, attributions = speed_rows.captum_loop(net, difference)
    np.testing.assert_allclose(attributions, expected.attributions, atol=1e-3)


def test_all_points_are_timed_in_a_network_of_the_trained_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[TrainedModel] = []

    def keep(model: TrainedModel, folder: Path) -> Path:
        written.append(model)
        return export(model, folder)

    monkeypatch.setattr(speed_rows, "export", keep)
    every = speed_rows.with_all_points(Classifier.load(), hidden=32)
    assert len(every.landmark_set) == 468
    assert len(written[0].network.b1) == 32
    assert network.has_twins(written[0].network, every.landmark_set.mirror)


def test_mesh_compares_both_on_the_same_frames_and_says_what_they_found() -> None:
    compared = {row.case: row for row in speed_rows.mesh(Settings(), 0.01)}
    found = {
        case: (c.mien.details["faces_per_frame"], c.library.details["faces_per_frame"])
        for case, c in compared.items()
    }
    assert found == {
        "1 face, tracked": (1, 1),
        "1 face, looking out for more": (1, 1),
        "1 face, detected each time": (1, 1),
        "2 faces, tracked": (2, 2),
        "no face": (0, 0),
    }


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


def test_a_machine_names_its_cpu(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some: CPU @ 2 GHz\nmodel name\t: other\n")
    assert bench.cpu_model(cpuinfo) == "Some: CPU @ 2 GHz"
    assert bench.cpu_model(tmp_path / "none")


def test_an_unknown_row_is_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.ROWS, "decode", lambda *_: pytest.fail("measured"))
    with pytest.raises(
        SettingsInvalid,
        match=r"no row speed; the rows are decode, mesh, landmarks, classify, pipeline, memory",
    ):
        bench.run(Settings(), ["decode", "speed"], 1, Console(quiet=True))


def fake_row(name: str) -> list[Comparison]:
    mien = Side.of("ours", [Cost(2, 2)] * 3, peak={"state": 1.5}, found=1)
    library = Side.of("theirs", [Cost(1, 1), Cost(2, 2), Cost(3, 3)])
    return [Comparison.of(name, "a case", mien, library), Comparison.of(name, "a case", mien, mien)]


def test_rows_come_in_their_order_once_and_all_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in bench.ROWS:
        monkeypatch.setitem(bench.ROWS, name, lambda *_, name=name: fake_row(name))

    def measured(*rows: str) -> list[str]:
        results = bench.run(Settings(), rows, 1, Console(quiet=True))
        return list(dict.fromkeys(row["row"] for row in results["rows"]))

    assert measured() == ["decode", "mesh", "landmarks", "classify", "pipeline", "memory"]
    assert measured("classify", "decode", "classify") == ["decode", "classify"]


def test_the_table_shows_every_side_with_its_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.ROWS, "decode", lambda *_: fake_row("decode"))
    results = bench.run(Settings(), ["decode"], 1, Console(quiet=True))
    console = Console(width=140, file=io.StringIO())
    bench.show(results, console)
    text = console.file.getvalue()
    assert "decode: a case" in text
    assert text.count("Mien: ours") == 1
    assert "1.00 [0.60–1.40]" in next(line for line in text.splitlines() if "beside: theirs" in line)
    assert "peak: state 1.5" in text
    assert results["machine"]["cpu"] in text


def test_the_command_prints_the_documented_json() -> None:
    command = [
        sys.executable,
        "-m",
        "workers.cli",
        "bench",
        "classify",
        "decode",
        "--seconds",
        "0.5",
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    results = json.loads(done.stdout)
    assert set(results) == {"machine", "seconds", "rows", "findings"}
    assert results["findings"] == []
    assert results["seconds"] == 0.5
    assert results["machine"]["cores"] > 0
    assert results["machine"]["libraries"]["mediapipe"] == "0.10.21"
    assert [row["row"] for row in results["rows"]] == 4 * ["decode"] + 8 * ["classify"]
    for row in results["rows"]:
        assert set(row) == {"row", "case", "mien", "library", "speed_ratio", "cpu_ratio", "rounds"}
        for side in (row["mien"], row["library"]):
            assert len(side["rounds_ms"]) == len(side["rounds_cpu_ms"]) == row["rounds"] >= 3
            assert side["ms"]["p10"] <= side["ms"]["median"] <= side["ms"]["p90"]
            assert min(side["rounds_ms"]) > 0
        assert row["speed_ratio"]["p10"] <= row["speed_ratio"]["median"] <= row["speed_ratio"]["p90"]
    explained = [row for row in results["rows"] if "one batch" in row["library"]["name"]]
    assert len(explained) == 2
    for row in explained:
        assert row["mien"]["details"]["completeness_error_max"] < 1e-4
        assert row["library"]["details"]["completeness_error_max"] < 1e-3
