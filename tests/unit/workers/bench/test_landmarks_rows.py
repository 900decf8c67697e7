"""The row `landmarks` of `mien bench`: right arithmetic and the form of its answer. No time is asserted."""

import io
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import read_picture
from models.staged import scenes
from models.staged.scenes import SceneFrame, TrueFace
from streams.errors import SettingsInvalid
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.bench import bench, landmarks_rows, scene_runs, soak
from workers.bench.scene_runs import Recall
from workers.bench.timing import Finding


def _frame(*boxes: tuple[float, ...]) -> SceneFrame:
    faces = tuple(TrueFace(n, np.array(box, np.float32), 1.0) for n, box in enumerate(boxes))
    return SceneFrame(np.zeros((2, 2, 3), np.uint8), faces)


def _boxes(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array(boxes, np.float64).reshape(-1, 4)


def test_recall_counts_faces_found_in_any_frame_and_boxes_that_are_nobody_s() -> None:
    a, b, nobody = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0), (200.0, 0.0, 210.0, 10.0)
    scene = scenes.standing(2, 40, (640, 480))
    recall = Recall()
    recall.look(_frame(a, b), _boxes(a, b), _boxes(a))
    recall.look(_frame(a, b), _boxes(a, b), _boxes(nobody))
    recall.end_scene(scene)
    recall.look(_frame(a, b), _boxes(a, b), _boxes(a, b))
    recall.look(_frame(a, b), _boxes(a, b), _boxes())
    recall.end_scene(scene)
    assert recall.figures() == {"recall": 3 / 4, "false_boxes_per_frame": 1 / 4}


def test_boxes_are_cut_off_at_the_border_as_messages_are() -> None:
    frame = _frame((-5.0, 2.0, 20.0, 90.0))
    assert scene_runs.true_boxes_px(frame, (64, 48)).tolist() == [[0, 2, 20, 48]]
    assert scene_runs.true_boxes_px(_frame(), (64, 48)).shape == (0, 4)
    assert scene_runs.boxes_px([], (64, 48)).shape == (0, 4)


def test_the_stage_sees_a_scene_where_it_is_and_names_who_is_in_it() -> None:
    scene = scenes.standing(2, 110, (640, 480), seconds=0.5, seed=1)
    with LiteRtEngine() as engine:
        judged = list(scene_runs.judge(Settings(), engine, [scene, scene]))
    assert len(judged) == 10
    assert [frame.true_ids for frame in judged] == [[0, 1]] * 5 + [[2, 3]] * 5
    ids = [set(frame.found_ids) for frame in judged]
    assert all(len(one) == 2 for one in ids)
    assert ids[0] == ids[4] != ids[5]  # another scene, another camera
    assert scene_runs.id_scores(judged)[1:6] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("kind", ["crossing, at most half hidden", "crossing, more than half hidden"])
def test_who_crosses_and_is_not_fully_hidden_keeps_the_id(kind: str) -> None:
    with LiteRtEngine() as engine:
        frames = scene_runs.judge(Settings(), engine, [scenes.KINDS[kind](0)])
        scores = scene_runs.id_scores(islice(frames, 45))  # the first of two crossings
    assert (scores.switches, scores.shared_ids) == (0, 0)
    assert scores.idf1 > 0.95


def test_small_faces_are_counted_for_each_way() -> None:
    findings = scene_runs.small_faces(Settings(), 1, sizes_px=[(640, 480)], face_sizes_px=[12, 80])
    recall = {(f.figures["face_px"], f.figures["way"]): f.figures["recall"] for f in findings}
    assert set(recall) == {(px, way) for px in (12, 80) for way in ("FaceMesh", "whole frame", "Mien")}
    assert {recall[12, way] for way in ("FaceMesh", "whole frame", "Mien")} == {0.0}
    assert recall[80, "Mien"] > 0.9


def test_a_detector_finds_less_in_tiles_that_are_larger() -> None:
    findings = scene_runs.tiles(1, face_sizes_px=[32])
    recall = {f.case: f.figures["recall"] for f in findings}
    assert next(iter(recall)) == "side 4 × face"
    assert recall["side 4 × face"] == 1.0
    assert recall["side 20 × face"] < 1.0
    assert all(f.figures["faces"] == 6 for f in findings)
    assert list(recall)[-1] == "side 20 × face"  # 640 px of the picture's 720
    assert len(scene_runs.tiles(1, face_sizes_px=[160])) == 1


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


def test_a_soak_samples_memory_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "CAMERAS", 4)
    monkeypatch.setattr(soak, "CAMERA_LASTS_FRAMES", 5)
    seen: list[str] = []

    class Counted(soak.StageCamera):
        def see(self, jpeg: bytes, size_px: tuple[int, int]) -> list[Landmarks]:
            seen.append(self._camera_id)
            return super().see(jpeg, size_px)

    monkeypatch.setattr(soak, "StageCamera", Counted)
    finding = soak.soak(Settings(), 10)
    assert len(seen) == 4 * (1 + 10)
    assert set(seen) == {f"soak-{number}" for number in range(8)}  # two went, and two again
    assert finding.figures["frames"] == 40
    assert finding.figures["faces"] > 0
    assert finding.figures["rss_mib_last"] > 50
    assert finding.figures["threads_last"] >= 1


def test_a_slope_is_that_of_the_line() -> None:
    assert soak.slope([(0, 5), (10, 7), (20, 9)]) == pytest.approx(0.2)
    assert soak.slope([(0, 1), (1, 2), (2, 1), (3, 2)]) == pytest.approx(0.2)
    assert soak.slope([(3, 4)]) == 0


def test_threads_are_counted() -> None:
    go = threading.Event()
    before = soak.thread_count()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        assert soak.thread_count() == before + 1
    finally:
        go.set()
        thread.join()


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
