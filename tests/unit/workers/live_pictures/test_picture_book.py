"""Which frame may be shown, and what of it is hidden."""

from collections.abc import Callable

import pytest

from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import FaceBox, Landmarks
from workers.live_pictures.picture_book import (
    LOOK_S,
    SETTLE_S,
    WAIT_S,
    Chosen,
    PictureBook,
)

BOX, OTHER = FaceBox(0.1, 0.1, 0.2, 0.2), FaceBox(0.6, 0.1, 0.2, 0.2)


class Told:
    """A book, and what a camera and the chain tell it: a frame each 0.1 s."""

    def __init__(self, make_landmarks: Callable[..., Landmarks], held_bytes_max: int = 10**6) -> None:
        self.book = PictureBook(held_bytes_max)
        self._make = make_landmarks
        self.book.look("lobby-1", 0.0)

    def frame(self, seq: int, now_s: float, camera: str = "lobby-1", run: int = 0, size: int = 100) -> None:
        frame = Frame(camera, seq, seq * 100_000, (64, 48), "live", "", bytes(size), run)
        self.book.take_frame(frame, now_s)

    def face(self, seq: int, now_s: float, box: FaceBox = BOX, camera: str = "lobby-1", run: int = 0) -> None:
        told = self._make(camera_id=camera, frame_seq=seq, captured_at_us=seq * 100_000, face=box, run=run)
        self.book.take_face(told, now_s)

    def hidden(self, now_s: float, camera: str = "lobby-1") -> tuple[int, object] | None:
        return _said(self.book.newest(camera, shown=False, now_s=now_s))

    def shown(self, now_s: float, camera: str = "lobby-1") -> tuple[int, object] | None:
        return _said(self.book.newest(camera, shown=True, now_s=now_s))


def _said(chosen: Chosen | None) -> tuple[int, object] | None:
    return chosen and (chosen.frame.seq, chosen.hide)


@pytest.fixture
def told(make_landmarks: Callable[..., Landmarks]) -> Told:
    return Told(make_landmarks)


def test_a_frame_waits_for_its_faces_and_they_for_one_another(told: Told) -> None:
    told.frame(1, 0.0)
    assert told.hidden(0.1) is None
    told.face(1, 0.2)
    assert told.hidden(0.3) is None
    told.face(1, 0.3, OTHER)

    assert told.hidden(0.3 + SETTLE_S) == (1, (BOX, OTHER))
    assert told.shown(0.3) == (1, "nothing")


def test_what_is_shown_is_the_newest_whose_faces_can_be_drawn_over_it(told: Told) -> None:
    told.frame(1, 0.0)
    told.face(1, 0.1)
    told.frame(2, 0.3)

    assert told.shown(0.2 + SETTLE_S) == (1, "nothing")
    told.frame(3, 0.1 + WAIT_S)
    assert told.shown(0.4 + WAIT_S) == (3, "nothing")  # none comes to later ones: the newest of all


def test_a_face_of_a_later_frame_says_that_all_of_one_have_come(told: Told) -> None:
    for seq in (1, 2):
        told.frame(seq, seq / 10)
        told.face(seq, seq / 10 + 0.01)

    assert told.hidden(0.22) == (1, (BOX, BOX))


def test_faces_may_come_before_their_frame(told: Told) -> None:
    told.face(1, 0.0)
    told.frame(1, 0.1)

    assert told.hidden(SETTLE_S) == (1, (BOX,))


def test_a_frame_whose_faces_do_not_come_is_hidden_as_a_whole(told: Told) -> None:
    told.frame(1, 0.0)

    assert told.hidden(WAIT_S - 0.01) is None
    assert told.hidden(WAIT_S) == (1, "everything")
    told.face(1, WAIT_S + 0.1)  # late, but then they are known
    assert told.hidden(WAIT_S + 0.1 + SETTLE_S) == (1, (BOX,))


def test_a_face_that_left_is_followed_by_pictures_that_are_hidden_as_a_whole(told: Told) -> None:
    told.frame(1, 0.1)
    told.face(1, 0.1)
    for seq in range(2, 31):
        told.frame(seq, seq / 10)

    assert told.hidden(3.05) == (10, "everything")


def test_a_face_that_is_lost_for_a_moment_is_hidden_where_it_was(told: Told) -> None:
    for seq, boxes in {1: [BOX, OTHER], 5: [BOX], 6: [BOX], 30: [OTHER]}.items():
        told.frame(seq, seq / 10)
        for box in boxes:
            told.face(seq, seq / 10, box)

    chosen = told.book.newest("lobby-1", shown=False, now_s=3.05)

    assert chosen is not None
    assert chosen.frame.seq == 6
    assert set(chosen.hide) == {BOX, OTHER}


def test_another_run_with_the_same_number_is_another_frame(told: Told) -> None:
    told.face(1, 0.0, run=5)
    told.frame(1, 0.1, run=6)

    assert told.hidden(1.0) is None


def test_of_cameras_that_nobody_looks_at_nothing_is_kept(told: Told) -> None:
    told.frame(1, 0.0, camera="hall")
    told.face(1, 0.0, camera="hall")
    assert told.shown(1.0, camera="hall") is None
    assert told.book.looked_at(LOOK_S - 0.1) == ["lobby-1"]

    told.frame(1, 1.0)
    assert told.book.looked_at(LOOK_S) == []
    assert told.shown(LOOK_S) is None


def test_frames_that_will_not_be_shown_are_let_go(told: Told) -> None:
    for seq in range(100):
        told.frame(seq, seq / 10)
    before = told.book.held_bytes
    for seq in range(100, 200):
        told.frame(seq, seq / 10)
        told.face(seq, seq / 10)

    assert before == 100 * (WAIT_S * 10 + 1)
    assert told.book.held_bytes <= 100 * 4


def test_no_more_bytes_are_held_than_may_be(make_landmarks: Callable[..., Landmarks]) -> None:
    told = Told(make_landmarks, held_bytes_max=1000)
    told.book.look("hall", 0.0)
    told.frame(1, 0.0, size=300)
    for seq in range(8):
        told.frame(seq, seq / 100, camera="hall", size=200)
        assert told.book.held_bytes <= 1000

    assert told.shown(0.1) == (1, "nothing")  # the quiet camera has what it had
    told.frame(9, 0.1, size=2000)
    assert told.book.held_bytes <= 1000
    assert told.shown(0.1) is None
    assert told.shown(0.1, camera="hall") == (7, "nothing")
