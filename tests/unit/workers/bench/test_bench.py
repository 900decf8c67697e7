"""`mien bench`: its rows, and the form of its answer. Nothing here asserts a time."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers.bench import bench
from workers.figures.timing import Comparison, Cost, Side

ROOT = Path(__file__).parents[4]


def test_a_machine_names_its_cpu(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some: CPU @ 2 GHz\nmodel name\t: other\n")
    assert bench.cpu_model(cpuinfo) == "Some: CPU @ 2 GHz"
    assert bench.cpu_model(tmp_path / "none")


def test_an_unknown_row_is_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.ROWS, "decode", lambda *_: pytest.fail("measured"))
    with pytest.raises(
        SettingsInvalid,
        match=r"the rows are camera, .*, memory, chain-soak, cameras-soak, truth",
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

    assert measured() == [name for name in bench.ROWS if name not in bench.ONLY_NAMED]
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
