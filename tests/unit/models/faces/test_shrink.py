"""How much of a frame is decoded, and that nothing else changes by it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import Picture
from models.faces.canonical import CANONICAL
from models.faces.engine import CROP_PX, DetectedFace, Detection, Roi, Tile, box_xyxy_px
from models.faces.shrink import ShrunkEngine, shrink_for

ROIS = st.builds(
    Roi,
    st.floats(-100, 2000),
    st.floats(-100, 1200),
    st.floats(10, 2000),
    st.floats(-math.pi, math.pi),
)


def test_without_faces_and_without_a_search_the_frame_stays_as_it_is() -> None:
    assert shrink_for([], None) == 1


@pytest.mark.parametrize(
    ("sizes_px", "search_face_px", "shrink"),
    [
        ([100], None, 1),
        ([383], None, 1),
        ([384], None, 2),
        ([767], None, 2),
        ([768], None, 4),
        ([5000], None, 4),
        ([900, 400], None, 2),
        ([900, 90], None, 1),
        ([], 39, 1),
        ([], 40, 2),
        ([], 80, 4),
        ([400], 40, 2),
        ([400], 30, 1),
        ([900], 40, 2),
        ([300], 99, 1),
    ],
)
def test_the_smallest_face_says_how_far_to_shrink(
    sizes_px: list[float], search_face_px: float | None, shrink: int
) -> None:
    assert shrink_for([Roi(500, 500, size, 0) for size in sizes_px], search_face_px) == shrink


@given(st.lists(ROIS, min_size=1, max_size=4))
def test_every_crop_has_enough_pixels(rois: list[Roi]) -> None:
    shrink = shrink_for(rois, None)
    assert all(shrink == 1 or roi.size_px / shrink >= CROP_PX for roi in rois)


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
    return DetectedFace(landmarks_px, box_xyxy_px(landmarks_px), 0.8, 0.1)


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
