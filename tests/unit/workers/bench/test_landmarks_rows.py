"""The row `landmarks` of `mien bench`: what is compared, and the form of its answer. No time is asserted."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from models.faces.pictures import read_picture
from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers.bench import bench, landmarks_rows, scene_runs, soak
from workers.figures.timing import Finding


def test_agreement_is_that_of_the_pictures_compared() -> None:
    same, own = (finding.figures for finding in landmarks_rows.agreement_with_face_mesh(4))
    assert same["pictures"] == own["pictures"] == 4
    assert same["compared"] <= 4
    assert own["compared"] == same["compared"] - own["missed_by_engine"] > 0
    for figures in (same, own):
        assert figures["distance_percent_mean"] <= figures["distance_percent_max"] < 1.5
        assert figures["pose_deg_p95"] <= figures["pose_deg_max"] < 2


def test_speed_compares_on_the_same_frames_and_says_what_was_found() -> None:
    compared = landmarks_rows.speed(Settings(), 0.01, sizes_px=[(640, 480)], faces=[2])
    assert {c.case for c in compared} == {
        "640x480, 1 face, max_faces 1",
        "640x480, 1 face, looking out for more, swinging light",
        "640x480, 1 face, looking out for more, steady light",
        "640x480, 2 faces of 90 px",
    }
    assert [c.library.name.partition(" ")[0] for c in compared] == [
        *("decode_jpeg", "bare"),
        *("decode_jpeg", "decode_jpeg", "bare"),
        *("decode_jpeg", "decode_jpeg", "bare"),
        *("decode_jpeg", "bare"),
    ]
    for one in compared:
        faces = 2 if "2 faces" in one.case else 1
        assert one.mien.details["faces_per_frame"] == faces
        assert one.library.details.get("faces_per_frame", faces) == faces
        assert one.mien.details["frames_per_cpu_s"] == pytest.approx(1000 / one.mien.cpu_ms.median)


def test_everything_is_in_the_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[object, ...]] = []

    def fake(table: str) -> object:
        def measure(_: Settings, *arguments: object) -> object:
            asked.append((table, *arguments))
            figures = {"recall": 0.25, "way": "Mien", "face_px": 24}
            one = Finding("landmarks", table, "1280x720, 24 px", figures)
            return one if table == "soak" else [one]

        return measure

    monkeypatch.setattr(landmarks_rows, "speed", lambda *_: [])
    monkeypatch.setattr(landmarks_rows, "agreement_with_face_mesh", lambda pictures: [agreed(pictures)])
    monkeypatch.setattr(scene_runs, "small_faces", fake("small faces"))
    monkeypatch.setattr(scene_runs, "tiles", lambda number: fake("tiles")(Settings()) * (number == 2))
    monkeypatch.setattr(scene_runs, "ids", fake("ids"))
    monkeypatch.setattr(soak, "soak", fake("soak"))

    def agreed(pictures: int) -> Finding:
        return Finding("landmarks", "agreement", "own crop", {"pictures": pictures})

    results = bench.run(
        Settings(), ["landmarks"], 2.2, Console(quiet=True), soak_frames=9, plot=tmp_path / "a.png"
    )
    assert asked == [("small faces", 2), ("tiles",), ("ids", 2), ("soak", 9)]
    assert results["rows"] == []
    assert [f["table"] for f in results["findings"]] == ["agreement", "small faces", "tiles", "ids", "soak"]
    assert results["findings"][0]["figures"] == {"pictures": 240}
    console = Console(width=120, file=io.StringIO())
    bench.show(results, console)
    text = console.file.getvalue()
    assert "landmarks: small faces" in text
    assert "0.25" in text
    assert read_picture(tmp_path / "a.png", max_pixels=10**6).min() == 0


def test_a_plot_of_what_is_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="ask for that row too"):
        bench.run(Settings(), ["decode"], 1, Console(quiet=True), plot=tmp_path / "a.png")
