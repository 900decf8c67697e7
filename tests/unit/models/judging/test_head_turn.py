"""A turned head is seen to be turned, by the face mesh itself and on a drawn face."""

from collections.abc import Iterator

import numpy as np
import pytest
from skimage import data

from models.arrays import Picture
from models.faces.align import align
from models.faces.canonical import CANONICAL, MIRROR
from models.faces.engine import find_faces
from models.faces.head_pose import pose_deg
from models.faces.litert_engine import LiteRtEngine
from models.judging.head_turn import turned

PORTRAIT: Picture = np.ascontiguousarray(data.astronaut()[0:256, 100:356])


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as made:
        yield made


def seen_pose(engine: LiteRtEngine, picture: Picture) -> tuple[float, float]:
    (face,) = find_faces(engine, picture)
    yaw, pitch, _ = pose_deg(align(face.landmarks_px[None]).rotation)[0].tolist()
    return yaw, pitch


def test_no_turn_is_the_same_picture(engine: LiteRtEngine) -> None:
    (face,) = find_faces(engine, PORTRAIT)
    same = turned(PORTRAIT, face.landmarks_px)
    assert np.abs(same.astype(int) - PORTRAIT).max() <= 2


@pytest.mark.parametrize(("yaw_deg", "pitch_deg"), [(25, 0), (-25, 0), (0, 20), (0, -20)], ids=str)
def test_the_mesh_sees_the_turn(engine: LiteRtEngine, yaw_deg: float, pitch_deg: float) -> None:
    (face,) = find_faces(engine, PORTRAIT)
    yaw, pitch = seen_pose(engine, PORTRAIT)

    seen_yaw, seen_pitch = seen_pose(
        engine, turned(PORTRAIT, face.landmarks_px, yaw_deg=yaw_deg, pitch_deg=pitch_deg)
    )

    # The mesh's depth is flatter than a face, so it sees less than the whole turn.
    for turn, change in ((yaw_deg, seen_yaw - yaw), (pitch_deg, seen_pitch - pitch)):
        if turn:
            assert 0.4 < change / turn < 1.3
        else:
            assert abs(change) < 12


@pytest.mark.parametrize("yaw_deg", [-40.0, -15.0, 15.0, 40.0])
def test_each_point_is_drawn_where_its_rotation_takes_it(yaw_deg: float) -> None:
    landmarks_px = (CANONICAL * 80 + [128, 128, 0]).astype(np.float32)
    nose = landmarks_px[4]
    picture = np.full((256, 256, 3), 60, np.uint8)
    y, x = np.mgrid[:256, :256]
    picture[(x - nose[0]) ** 2 + (y - nose[1]) ** 2 < 9] = 255
    angle = np.radians(-yaw_deg)
    centre = landmarks_px[[234, 454]].mean(0)
    away = nose - centre
    expected_x = centre[0] + np.cos(angle) * away[0] + np.sin(angle) * away[2]

    spot = turned(picture, landmarks_px, yaw_deg=yaw_deg)[..., 0] > 150

    assert np.nonzero(spot)[1].mean() == pytest.approx(expected_x, abs=1.5)
    assert np.sign(expected_x - nose[0]) == np.sign(yaw_deg)


def test_left_and_right_are_mirror_images() -> None:
    symmetric = ((CANONICAL + CANONICAL[MIRROR] * [-1, 1, 1]) / 2 * 80 + [127.5, 128, 0]).astype(np.float32)
    y, x = np.mgrid[:256, :256]
    waves = 128 + 60 * np.cos((x - 127.5) / 9) * np.cos(y / 7)
    picture = waves.astype(np.uint8)[..., None].repeat(3, axis=2)

    right = turned(picture, symmetric, yaw_deg=20)
    left = turned(picture, symmetric, yaw_deg=-20)

    difference = np.abs(right[:, ::-1].astype(int) - left)
    assert difference.mean() < 2  # Delaunay's choice of diagonals is not symmetric
    assert np.abs(right.astype(int) - picture).mean() > 5


def test_what_lies_far_from_the_head_stays() -> None:
    landmarks_px = (CANONICAL * 40 + [128, 128, 0]).astype(np.float32)
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    after = turned(picture, landmarks_px, yaw_deg=30, pitch_deg=-10)
    assert np.array_equal(after[:20], picture[:20])
    assert not np.array_equal(after[100:150, 100:150], picture[100:150, 100:150])


@pytest.mark.parametrize("angles", [{"yaw_deg": 90}, {"pitch_deg": -120}, {"yaw_deg": float("nan")}], ids=str)
def test_a_face_turned_away_is_refused(angles: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="within ±90"):
        turned(PORTRAIT, CANONICAL * 80, **angles)
