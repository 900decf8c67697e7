"""Scenes through the landmarks stage: recall, false boxes and ids are counted right. No time is asserted."""

from itertools import islice

import numpy as np
import pytest

from models.faces.litert_engine import LiteRtEngine
from models.staged import scenes
from models.staged.scenes import SceneFrame, TrueFace
from streams.settings import Settings
from workers.bench import scene_runs
from workers.bench.scene_runs import Recall


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
