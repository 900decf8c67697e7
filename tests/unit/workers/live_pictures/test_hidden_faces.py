"""Hidden faces are not to be found any more, by the chain's own detector, and all else stays as it was."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import Picture
from models.faces.engine import find_faces
from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg, encode_jpeg
from models.staged.portrait import photograph
from streams.messages.landmarks_message import FaceBox
from workers.live_pictures.hidden_faces import CELLS, MARGIN, hide_everything, hide_faces

WALL = (201, 193, 192)
FACE_HEIGHT_PX = 108
"""Of the portrait, as the mesh has it."""


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as made:
        yield made


def scene(face_px: int, turn_deg: float = 0.0) -> Picture:
    """The portrait before a wall, with a face so high."""
    zoom = face_px / FACE_HEIGHT_PX
    side = round(512 * zoom)
    portrait = cv2.resize(photograph(), (side, side), interpolation=cv2.INTER_AREA)
    height, width = max(480, side), max(640, side)
    picture = np.full((height, width, 3), WALL, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    picture[top : top + side, left : left + side] = portrait
    turning = cv2.getRotationMatrix2D((width / 2, height / 2), turn_deg, 1.0)
    return np.asarray(cv2.warpAffine(picture, turning, (width, height), borderValue=WALL), np.uint8)


def boxes(engine: LiteRtEngine, picture: Picture) -> list[FaceBox]:
    """As the landmarks stage tells them."""
    height, width = picture.shape[:2]
    found = [face.box_xyxy_px.tolist() for face in find_faces(engine, picture)]
    return [
        FaceBox(x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height) for x0, y0, x1, y1 in found
    ]


def enlarged(picture: Picture, box: FaceBox) -> Picture:
    """The face with its surroundings alone, as somebody would look closer."""
    height, width = picture.shape[:2]
    reach = max(box.w * width, box.h * height)
    x, y = (box.x + box.w / 2) * width, (box.y + box.h / 2) * height
    part = picture[max(0, round(y - reach)) : round(y + reach), max(0, round(x - reach)) : round(x + reach)]
    return np.asarray(cv2.resize(part, (320, 320), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("face_px", [40, 60, 90, 130, 200, 300, 400])
@pytest.mark.parametrize("turn_deg", [0, 25])
def test_no_face_is_found_where_one_was_hidden(engine: LiteRtEngine, face_px: int, turn_deg: int) -> None:
    picture = scene(face_px, turn_deg)
    found = boxes(engine, picture)
    assert len(found) == 1
    assert find_faces(engine, enlarged(picture, found[0]))

    hidden = decode_jpeg(encode_jpeg(hide_faces(picture, found)), max_bytes=10**8, max_pixels=10**8)

    assert find_faces(engine, hidden) == []
    assert find_faces(engine, enlarged(hidden, found[0])) == []


@pytest.mark.parametrize("face_px", [40, 130, 400])
def test_no_face_is_found_where_everything_was_hidden(engine: LiteRtEngine, face_px: int) -> None:
    picture = scene(face_px)
    found = boxes(engine, picture)

    hidden = hide_everything(picture)

    assert find_faces(engine, hidden) == []
    assert find_faces(engine, enlarged(hidden, found[0])) == []


def test_of_a_face_no_more_is_left_than_a_few_means() -> None:
    """Whatever the face was: one with other details and the same means gives the same picture."""
    rng = np.random.default_rng(3)
    cell = 16
    side = CELLS * cell  # the box with its margin, cut into cells without rest
    face = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    other = face.reshape(CELLS, cell, CELLS, cell, 3)[:, ::-1, :, ::-1].reshape(side, side, 3)
    box = FaceBox(*([MARGIN / (1 + 2 * MARGIN)] * 2), *([1 / (1 + 2 * MARGIN)] * 2))

    assert not np.array_equal(face, other)
    assert np.array_equal(hide_faces(face, [box]), hide_faces(other, [box]))


_ANY = st.floats(-1.5, 2.5)


@settings(max_examples=60)
@given(
    box=st.builds(FaceBox, _ANY, _ANY, st.floats(0, 3), st.floats(0, 3)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_whatever_is_outside_a_box_with_its_margin_stays(box: FaceBox, size: tuple[int, int]) -> None:
    height, width = size
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = picture.copy()

    hidden = hide_faces(picture, [box])

    assert np.array_equal(picture, before)
    assert hidden.shape == picture.shape
    rows, columns = np.nonzero((hidden != picture).any(axis=2))
    for pixels, length, begin, extent in ((columns, width, box.x, box.w), (rows, height, box.y, box.h)):
        if pixels.size:
            assert pixels.min() + 1 > (begin - MARGIN * extent) * length - 1e-6
            assert pixels.max() < (begin + extent + MARGIN * extent) * length + 1e-6
