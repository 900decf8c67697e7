"""How much of a frame is decoded, and that nothing else changes by it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.canonical import CANONICAL
from models.faces import CROP_PX, DetectedFace, Detection, Picture, Roi, Tile, box_xyxy_px
from models.views import WHOLE, ShrunkEngine, View, view_of

ROIS = st.builds(
    Roi,
    st.floats(-100, 2000),
    st.floats(-100, 1200),
    st.floats(10, 2000),
    st.floats(-math.pi, math.pi),
)


def test_without_faces_the_whole_frame_is_decoded() -> None:
    assert view_of([]) == WHOLE == View(1, None)


@pytest.mark.parametrize(
    ("sizes_px", "shrink"),
    [
        ([100], 1),
        ([383], 1),
        ([384], 2),
        ([767], 2),
        ([768], 4),
        ([5000], 4),
        ([900, 400], 2),
        ([900, 90], 1),
    ],
)
def test_the_smallest_face_says_how_far_to_shrink(sizes_px: list[float], shrink: int) -> None:
    assert view_of([Roi(500, 500, size, 0) for size in sizes_px]).shrink == shrink


@pytest.mark.parametrize(
    ("sizes_px", "search_face_px", "shrink"),
    [([], 39, 1), ([], 40, 2), ([], 80, 4), ([400], 40, 2), ([400], 30, 1), ([900], 40, 2), ([300], 99, 1)],
)
def test_a_search_sees_all_rows_and_its_smallest_face(
    sizes_px: list[float], search_face_px: float, shrink: int
) -> None:
    rois = [Roi(500, 500, size, 0) for size in sizes_px]
    assert view_of(rois, search_face_px) == View(shrink, None)


@given(st.lists(ROIS, min_size=1, max_size=4))
def test_every_crop_lies_in_the_rows_with_enough_pixels(rois: list[Roi]) -> None:
    shrink, rows_px = view_of(rois)
    assert rows_px is not None
    assert rows_px >= 1
    for x, y, size_px, angle in rois:
        assert shrink == 1 or size_px / shrink >= CROP_PX
        half = size_px / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        assert (half @ turn.T + [x, y])[:, 1].max() < max(rows_px, 1)


class Recorder:
    """An engine that sees a face wherever it is asked to."""

    def __init__(self) -> None:
        self.rois: list[Roi] = []
        self.tiles: list[Tile | None] = []

    def detect(self, _: Picture, tile_xyxy_px: Tile | None = None) -> list[Detection]:
        self.tiles.append(tile_xyxy_px)
        return [Detection(Roi(10, 20, 30, 0.5), np.array([1, 2, 3, 4], dtype=np.float32), 0.9)]

    def mesh(self, _: Picture, rois: list[Roi]) -> list[DetectedFace | None]:
        self.rois += rois
        return [None, *(_face(roi) for roi in rois[1:])]


def _face(roi: Roi) -> DetectedFace:
    landmarks_px = (CANONICAL * roi.size_px + [roi.center_x_px, roi.center_y_px, 0]).astype(np.float32)
    return DetectedFace(landmarks_px, box_xyxy_px(landmarks_px), 0.8)


def test_crops_go_in_and_faces_come_out_in_px_of_the_frame() -> None:
    inner = Recorder()
    engine = ShrunkEngine(inner, 2)
    roi = Roi(100.5, 200.5, 80, 0.3)
    nothing, face = engine.mesh(np.zeros((2, 2, 3), dtype=np.uint8), [roi, roi])
    assert inner.rois == [Roi(50, 100, 40, 0.3)] * 2
    assert nothing is None
    assert face is not None
    np.testing.assert_allclose(face.landmarks_px, _face(roi).landmarks_px, atol=1e-4)
    np.testing.assert_allclose(face.box_xyxy_px, box_xyxy_px(face.landmarks_px), atol=1e-4)
    assert face.presence == 0.8


def test_tiles_go_in_and_detections_come_out_in_px_of_the_frame() -> None:
    inner = Recorder()
    (found,) = ShrunkEngine(inner, 4).detect(np.zeros((2, 2, 3), dtype=np.uint8), (8, 13, 399, 400))
    assert inner.tiles == [(2, 3, 100, 100)]
    assert found.roi == Roi(41.5, 81.5, 120, 0.5)
    np.testing.assert_allclose(found.box_xyxy_px, [5.5, 9.5, 13.5, 17.5])
    assert found.score == 0.9


def test_one_pixel_for_one_changes_nothing() -> None:
    inner = Recorder()
    roi = Roi(100.5, 200.5, 80, 0.3)
    ShrunkEngine(inner, 1).mesh(np.zeros((2, 2, 3), dtype=np.uint8), [roi])
    assert inner.rois == [roi]
