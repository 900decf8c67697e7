"""The engine reads faces as MediaPipe does, on pictures of the portrait in many guises."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.arrays import Picture
from models.faces import litert_engine
from models.faces.align import align as aligned
from models.faces.align import unalign
from models.faces.canonical import CANONICAL
from models.faces.engine import Landmarks, iou
from models.faces.litert_engine import LiteRtEngine
from models.judging.facemesh_reference import FaceDetectionReference, FaceMeshReference
from models.judging.landmark_agreement import SIZE_PX, Agreement, agreement, difference, varied

COUNT = 40
FACE_PX = (CANONICAL * 100 + [300, 200, 0]).astype(np.float32)


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as made:
        yield made


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return list(varied(COUNT, seed=3))


@pytest.fixture(scope="module")
def found(engine: LiteRtEngine, pictures: list[Picture]) -> Agreement:
    with FaceMeshReference(pictures[0]) as reference:
        return agreement(engine, reference, pictures)


def test_almost_every_face_is_found_by_both(found: Agreement) -> None:
    assert found.pictures == COUNT
    assert found.missed_by_engine + found.missed_by_reference <= 2
    assert len(found.own_crop) >= COUNT - 2


def test_on_the_same_crop_it_is_the_same_network(found: Agreement) -> None:
    assert len(found.same_crop) >= COUNT - 2
    assert max(d.distance for d in found.same_crop) < 0.0005
    assert max(d.pose_deg for d in found.same_crop) < 0.1


def test_on_its_own_crop_it_sees_the_same_face(found: Agreement) -> None:
    """A crop is made from the look before; two that began differently may settle a little apart."""
    distances = [d.distance for d in found.own_crop]
    assert np.mean(distances) < 0.004
    assert np.percentile(distances, 95) < 0.015
    assert max(d.pose_deg for d in found.own_crop) < 2


def test_detections_are_those_of_mediapipe_where_no_pixel_is_resampled(
    engine: LiteRtEngine, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert_engine, "MIN_DETECTION_SCORE", 0.6)  # as MediaPipe's graph
    small = [np.ascontiguousarray(p[::2, ::2][24:216, 64:256]) for p in pictures[:20]]
    assert small[0].shape == (192, 192, 3)
    compared = 0
    with FaceDetectionReference() as reference:
        for picture in small:
            ours, theirs = engine.detect(picture), reference.detect(picture)
            assert len(ours) == len(theirs)
            for mine, (score, box) in zip(ours, theirs, strict=True):
                assert mine.score == pytest.approx(score, abs=0.001)
                np.testing.assert_allclose(mine.box_xyxy_px, box, atol=0.02)
                compared += 1
    assert compared >= 10


def test_detections_in_large_pictures_are_those_of_mediapipe_about(
    engine: LiteRtEngine, pictures: list[Picture]
) -> None:
    """The picture is sampled at other places on the way to 192 px."""
    overlaps = []
    with FaceDetectionReference() as reference:
        for picture in pictures:
            for _, box in reference.detect(picture):
                theirs = np.array(box, dtype=np.float32)
                overlaps.append(max(iou(theirs, d.box_xyxy_px) for d in engine.detect(picture)))
    assert len(overlaps) > COUNT / 2
    assert min(overlaps) > 0.75
    assert np.median(overlaps) > 0.93


def test_a_known_difference_is_measured() -> None:
    moved = FACE_PX + np.array([3, 4, 0], dtype=np.float32)  # 5 px of 100
    assert difference(FACE_PX, moved).distance == pytest.approx(0.05, rel=1e-3)
    assert difference(FACE_PX, moved).pose_deg == pytest.approx(0, abs=0.01)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], dtype=np.float32)
    face = aligned(FACE_PX[None])
    turned = unalign(face._replace(rotation=turn @ face.rotation))[0]
    assert difference(FACE_PX, turned).pose_deg == pytest.approx(np.degrees(np.arcsin(0.6)), abs=0.01)


def test_the_same_seed_gives_the_same_pictures_and_another_seed_others() -> None:
    one, again, other = (list(varied(2, seed)) for seed in (1, 1, 2))
    assert one[0].shape == (SIZE_PX[1], SIZE_PX[0], 3)
    np.testing.assert_array_equal(one, again)
    assert (one[0] != other[0]).any()
    assert (one[0] != one[1]).any()


class Blind:
    """A reference that finds nothing."""

    def landmarks_px(self, _: Picture) -> list[Landmarks]:
        return []


def test_what_one_side_misses_is_counted(engine: LiteRtEngine, pictures: list[Picture]) -> None:
    missed = agreement(engine, Blind(), [*pictures[:2], np.zeros((480, 640, 3), dtype=np.uint8)])
    assert missed == Agreement(3, 0, 2, [], [])
