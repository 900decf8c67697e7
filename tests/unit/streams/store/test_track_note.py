"""Tracks as text beside an offset: what fits, and what others wrote there."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.store import track_note
from streams.store.camera_track_store import CameraTracks, TrackRecord

TRACK = TrackRecord(
    "yard:abcd2345", (100.0, 80.0, 90.0, 0.1), (70.0, 50.0, 130.0, 110.0), (12.0, -3.0, 0.01), 7
)
RECORD = CameraTracks(7, (TRACK,), 5, 90)


@given(st.dictionaries(st.text(max_size=200), st.integers(0, 9), max_size=40))
def test_what_comes_first_and_fits_is_read_again(faces_by_camera: dict[str, int]) -> None:
    cameras = {
        camera_id: CameraTracks(7, (TRACK,) * faces, 5, 90) for camera_id, faces in faces_by_camera.items()
    }
    note = track_note.write(cameras)
    back = track_note.read(note)

    assert len(note) <= track_note.NOTE_MAX
    assert note.isascii()
    assert list(back.items()) == list(cameras.items())[: len(back)]
    if len(back) < len(cameras):
        next_one = list(cameras.items())[len(back)]
        more = msgspec.msgpack.encode([*back.items(), next_one])
        assert len(more) * 5 / 4 > track_note.NOTE_MAX - 10


def test_sixteen_cameras_with_a_face_each_fit() -> None:
    cameras = {f"camera-{i:02}": RECORD for i in range(40)}
    assert 16 <= len(track_note.read(track_note.write(cameras))) < 40


def test_nobody_in_view_is_no_text() -> None:
    assert track_note.write({}) == ""
    assert track_note.read("") == {}


@pytest.mark.parametrize("note", ["consumed by kcat", "{}", "\u00e9", "0" * 4096, " ", "}" * 50])
def test_another_programs_text_says_nothing(note: str) -> None:
    assert track_note.read(note) == {}


def test_numbers_that_one_cannot_calculate_with_are_left_out() -> None:
    wild = msgspec.structs.replace(TRACK, roi=(1e300, 1.0, 1.0, 0.0))
    cameras = {"yard": RECORD, "wild": msgspec.structs.replace(RECORD, tracks=(TRACK, wild))}
    assert list(track_note.read(track_note.write(cameras))) == ["yard"]
