"""The real engine on the astronaut portrait (NASA, public domain) that scikit-image ships."""

import os
import subprocess
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import Picture
from models.faces.engine import DetectedFace, Roi, find_faces
from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg, encode_jpeg
from models.faces.shrink import ShrunkEngine, shrink_for
from models.faces.tracking import CameraTracker, track
from models.judging.facemesh_reference import FaceMeshReference
from models.native_stderr import native_stderr_held_back

ASTRONAUT: Picture = skimage.data.astronaut()
HEAD = ASTRONAUT[10:230, 110:330]
FACE_SHARE = 95 / 220
"""The face's width in HEAD."""


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as engine:
        yield engine


def scene(*heads: tuple[float, float, float, bool]) -> Picture:
    """640x480 with heads at (centre x, centre y, face width px, mirrored)."""
    picture = np.full((480, 640, 3), 127, dtype=np.uint8)
    for x, y, face_px, mirrored in heads:
        side = round(face_px / FACE_SHARE)
        head = cv2.resize(HEAD[:, ::-1] if mirrored else HEAD, (side, side), interpolation=cv2.INTER_AREA)
        left, top = round(x - side / 2), round(y - side / 2)
        x0, y0, x1, y1 = max(0, left), max(0, top), min(640, left + side), min(480, top + side)
        picture[y0:y1, x0:x1] = head[y0 - top : y1 - top, x0 - left : x1 - left]
    return picture


def width_px(face: DetectedFace) -> float:
    return float(face.box_xyxy_px[2] - face.box_xyxy_px[0])


def eyes_px(face: DetectedFace) -> float:
    return float(np.linalg.norm(face.landmarks_px[263] - face.landmarks_px[33]))


def test_finds_the_one_face_of_the_portrait(engine: LiteRtEngine) -> None:
    (face,) = find_faces(engine, ASTRONAUT)
    assert face.landmarks_px.shape == (468, 3)
    assert face.landmarks_px.dtype == np.float32
    assert face.presence > 0.9
    np.testing.assert_allclose(face.box_xyxy_px, [178, 69, 273, 177], atol=4)
    right_eye, left_eye, chin, nose_tip = face.landmarks_px[[33, 263, 152, 1]]
    assert right_eye[0] < left_eye[0]
    assert right_eye[1] < nose_tip[1] < chin[1]
    assert nose_tip[2] < right_eye[2]  # nearer the camera


@pytest.mark.parametrize("cut_px", [0, 90], ids=["whole", "forehead cut off"])
@pytest.mark.parametrize("tilt_deg", [0, 10, -25, 40])
def test_on_the_same_crop_the_landmarks_are_those_of_facemesh(
    engine: LiteRtEngine, tilt_deg: int, cut_px: int
) -> None:
    """FaceMesh in video mode makes its crop from the landmarks it gave before, as tracking does."""
    turn = cv2.getRotationMatrix2D((226, 123), tilt_deg, 1)
    picture = np.asarray(cv2.warpAffine(ASTRONAUT, turn, (512, 512)), dtype=np.uint8)
    picture = np.ascontiguousarray(picture[cut_px:, : 512 - cut_px])
    with FaceMeshReference(np.zeros_like(picture)) as reference:
        (before,), (after,) = reference.landmarks_px(picture), reference.landmarks_px(picture)
    (face,) = engine.mesh(picture, [Roi.around(before)])
    assert face is not None
    assert np.abs(face.landmarks_px - after).max() < 0.001 * eyes_px(face)
    assert np.abs(before - after).max() > 0.01 * eyes_px(face)  # so the crop did matter


@pytest.mark.parametrize("tilt_deg", [-60, -40, -25, 25, 40, 60])
def test_a_tilted_head_is_found_with_the_same_shape(engine: LiteRtEngine, tilt_deg: int) -> None:
    turn = cv2.getRotationMatrix2D((226, 123), tilt_deg, 1)
    picture = np.asarray(cv2.warpAffine(ASTRONAUT, turn, (512, 512)), dtype=np.uint8)
    (upright,), (tilted,) = find_faces(engine, ASTRONAUT), find_faces(engine, picture)
    expected = upright.landmarks_px[:, :2] @ turn[:, :2].T + turn[:, 2]
    distances = np.linalg.norm(tilted.landmarks_px[:, :2] - expected, axis=1)
    assert np.median(distances) < 0.03 * eyes_px(upright)


@pytest.mark.parametrize("face_px", [60, 100, 200])
def test_small_and_large_faces_are_found_at_their_place(engine: LiteRtEngine, face_px: int) -> None:
    (face,) = find_faces(engine, scene((400, 240, face_px, False)))
    assert width_px(face) == pytest.approx(face_px, rel=0.15)
    assert (face.box_xyxy_px[0] + face.box_xyxy_px[2]) / 2 == pytest.approx(400, abs=0.15 * face_px)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_best_detection_comes_first_and_the_largest_face(engine: LiteRtEngine, mirrored: bool) -> None:
    picture = scene((120, 240, 60, False), (450, 240, 160, False))
    picture = picture[:, ::-1] if mirrored else picture
    scores = [detection.score for detection in engine.detect(picture)]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    large, small = find_faces(engine, picture)
    assert width_px(large) > 2 * width_px(small)
    assert large.box_xyxy_px[::2].mean() == pytest.approx(640 - 450 if mirrored else 450, abs=20)


def test_mirroring_the_picture_mirrors_the_landmarks(engine: LiteRtEngine) -> None:
    (face,) = find_faces(engine, scene((300, 240, 120, False)))
    (mirrored,) = find_faces(engine, scene((300, 240, 120, False))[:, ::-1])
    # The right eye's corner of one is the left eye's of the other.
    assert mirrored.landmarks_px[263, 0] == pytest.approx(640 - face.landmarks_px[33, 0], abs=3)


def test_a_face_cut_by_the_border_is_still_meshed(engine: LiteRtEngine) -> None:
    (face,) = find_faces(engine, scene((605, 240, 140, False)))
    assert face.box_xyxy_px[2] > 640


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((480, 640, 3), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8),
        np.ascontiguousarray(ASTRONAUT[300:, :200]),
        np.zeros((1, 1, 3), dtype=np.uint8),
    ],
    ids=["black", "noise", "a sleeve", "one pixel"],
)
def test_no_face_gives_none(engine: LiteRtEngine, picture: Picture) -> None:
    assert find_faces(engine, picture) == []


def test_a_crop_without_a_face_gives_none_in_its_place(engine: LiteRtEngine) -> None:
    (face,) = find_faces(engine, ASTRONAUT)
    nothing, again = engine.mesh(ASTRONAUT, [Roi(400, 450, 100, 0), Roi.around(face.landmarks_px)])
    assert nothing is None
    assert again is not None
    assert engine.mesh(ASTRONAUT, []) == []


def test_the_engine_keeps_nothing_between_pictures(engine: LiteRtEngine) -> None:
    one, other = scene((200, 200, 120, False)), scene((450, 300, 70, True))
    (before,) = find_faces(engine, one)
    find_faces(engine, other)
    (after,) = find_faces(engine, one)
    np.testing.assert_array_equal(before.landmarks_px, after.landmarks_px)


def far_scene() -> Picture:
    """1920x1080 with one face of 40 px at (900, 300)."""
    picture = np.full((1080, 1920, 3), 127, dtype=np.uint8)
    picture[60:540, 580:1220] = scene((320, 240, 40, False))
    return picture


def test_a_face_too_small_for_the_whole_picture_is_found_in_a_tile(engine: LiteRtEngine) -> None:
    picture = far_scene()
    assert find_faces(engine, picture) == []
    (face,) = find_faces(engine, picture, tiles_xyxy_px=[(0, 0, 360, 360), (700, 100, 1060, 460)])
    assert width_px(face) == pytest.approx(40, rel=0.2)
    assert (face.box_xyxy_px[0::2].mean(), face.box_xyxy_px[1::2].mean()) == pytest.approx((900, 300), abs=10)


def test_what_two_tiles_show_is_one_face(engine: LiteRtEngine) -> None:
    tiles = [None, (0, 0, 400, 400), (100, 20, 512, 432)]
    assert len(find_faces(engine, ASTRONAUT, tiles_xyxy_px=tiles)) == 1


@given(st.integers(-900, 900), st.integers(-900, 900), st.integers(-900, 900), st.integers(-900, 900))
@settings(max_examples=30, deadline=None)
def test_a_tile_is_cut_at_the_border_or_refused(
    engine: LiteRtEngine, x0: int, y0: int, x1: int, y1: int
) -> None:
    if max(x0, 0) < min(x1, 512) and max(y0, 0) < min(y1, 512):
        inside = (max(x0, 0), max(y0, 0), min(x1, 512), min(y1, 512))
        found, same = (engine.detect(ASTRONAUT, tile) for tile in ((x0, y0, x1, y1), inside))
        assert [d.roi for d in found] == [d.roi for d in same]
    else:
        with pytest.raises(ValueError, match="no pixel"):
            engine.detect(ASTRONAUT, (x0, y0, x1, y1))


def test_a_picture_at_half_its_size_gives_the_same_landmarks_in_px_of_the_frame(engine: LiteRtEngine) -> None:
    head = np.asarray(cv2.resize(HEAD, (900, 900), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    frame = np.concatenate([head, head[::-1]])
    (face,) = find_faces(engine, frame, max_faces=1)
    roi = Roi.around(face.landmarks_px)
    assert shrink_for([roi], None) == 2
    jpeg = encode_jpeg(frame, 95)
    half = decode_jpeg(jpeg, max_bytes=10**9, max_pixels=10**9, shrink=2)
    (whole_face,), (half_face,) = engine.mesh(frame, [roi]), ShrunkEngine(engine, 2).mesh(half, [roi])
    assert whole_face is not None
    assert half_face is not None
    apart = np.linalg.norm(half_face.landmarks_px - whole_face.landmarks_px, axis=1)
    assert apart.mean() < 0.003 * eyes_px(whole_face)
    (found,) = ShrunkEngine(engine, 2).detect(half)
    assert found.roi.center_x_px == pytest.approx(roi.center_x_px, abs=0.1 * roi.size_px)


@pytest.mark.parametrize("face_px", [90, 140, 220])
def test_a_blurred_face_is_less_sharp_however_large_it_is(engine: LiteRtEngine, face_px: int) -> None:
    sharp = scene((320, 240, face_px, False))
    pictures = [sharp, *(cv2.GaussianBlur(sharp, (0, 0), share * face_px) for share in (0.01, 0.02, 0.04))]
    values = [find_faces(engine, np.asarray(picture, np.uint8))[0].sharpness for picture in pictures]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.01
    assert values[-1] < 0.0039


@pytest.mark.parametrize("tilt_deg", [-40, 25])
def test_a_tilted_head_is_as_sharp(engine: LiteRtEngine, tilt_deg: int) -> None:
    picture = scene((320, 240, 140, False))
    turn = cv2.getRotationMatrix2D((320, 240), tilt_deg, 1)
    tilted = np.asarray(cv2.warpAffine(picture, turn, (640, 480), flags=cv2.INTER_CUBIC), np.uint8)
    (upright,), (turned,) = (find_faces(engine, p) for p in (picture, tilted))
    assert turned.sharpness == pytest.approx(upright.sharpness, rel=0.25)


def test_the_product_does_not_import_mediapipe() -> None:
    code = (
        "import sys, models.faces.litert_engine, workers.cli, workers.stages.landmarks\n"
        "with models.faces.litert_engine.LiteRtEngine():\n"
        "    assert 'mediapipe' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_two_moving_faces_keep_their_ids(engine: LiteRtEngine) -> None:
    tracker = CameraTracker("cam")
    for i in range(12):
        picture = scene((150 + 6 * i, 200 + 2 * i, 90, False), (500 - 6 * i, 240, 75, True))
        tracked = track(engine, tracker, picture, i, 1_000_000 + 100_000 * i)
        left, right = sorted(tracked, key=lambda t: t.face.box_xyxy_px[0])
        if i == 0:
            first = left.subject_id, right.subject_id
        assert (left.subject_id, right.subject_id) == first
        assert left.subject_id != right.subject_id


def test_nothing_is_printed_or_warned_about() -> None:
    code = (
        "import numpy, models.faces.litert_engine, models.faces.engine\n"
        "with models.faces.litert_engine.LiteRtEngine() as engine:\n"
        "    models.faces.engine.find_faces(engine, numpy.zeros((480, 640, 3), numpy.uint8))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_native_code_said_is_shown_when_it_failed(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with native_stderr_held_back():
            os.write(2, b"the native reason\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with native_stderr_held_back():
        os.write(2, b"noise\n")
    assert capfd.readouterr().err == "the native reason\n"
