"""A picture is made once for all who look, and waited for by the first."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from models.faces.pictures import encode_jpeg
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.live_pictures import live_pictures, picture_making
from workers.live_pictures.frame_reader import FrameReader
from workers.live_pictures.live_pictures import LivePictures
from workers.live_pictures.picture_book import PictureBook

JPEG = encode_jpeg(np.zeros((48, 64, 3), np.uint8))


class Pictures:
    def __init__(self, reader: type[FrameReader] = FrameReader, **changes: Any) -> None:
        settings = Settings(live_frames=True, **changes)
        self.book = PictureBook()
        self.pictures = LivePictures(settings, self.book, reader(settings, self.book, cast(Any, None)))

    def frame(self, seq: int, jpeg: bytes = JPEG) -> None:
        self.book.look("lobby-1", live_pictures.time.monotonic())
        self.book.take_frame(Frame("lobby-1", seq, seq, (64, 48), "live", "", jpeg), 0.0)  # long ago


async def test_the_first_who_looks_waits_for_a_picture() -> None:
    told = Pictures()
    asking = asyncio.ensure_future(told.pictures.newest("lobby-1", shown=True))
    await asyncio.sleep(0)
    told.frame(1)
    found = await asking

    assert found is not None
    assert (found.frame.seq, found.faces) == (1, "shown")


async def test_there_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_pictures, "FIRST_S", 0.0)
    told = Pictures()
    assert await told.pictures.newest("lobby-1", shown=False) is None
    told.frame(1, b"GIF89a")
    assert await told.pictures.newest("lobby-1", shown=True) is None


async def test_it_is_made_once_for_all_who_look(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Pictures()
    made = []

    def counted(*asked: Any) -> bytes:
        made.append(asked)
        return JPEG

    monkeypatch.setattr(picture_making, "picture", counted)
    told.frame(1)
    await asyncio.gather(*(told.pictures.newest("lobby-1", shown=shown) for shown in (True, False) * 5))
    assert [asked[0].hide for asked in made] == ["nothing", "everything"]
    told.frame(2)
    await asyncio.gather(*(told.pictures.newest("lobby-1", shown=True) for _ in range(5)))

    assert len(made) == 3


@pytest.mark.parametrize(("hide", "faces"), [("faces", "hidden"), ("everything", "whole")])
async def test_where_everything_is_to_be_hidden_it_is(
    make_landmarks: Callable[..., Landmarks], hide: str, faces: str
) -> None:
    told = Pictures(live_frames_hide=hide)
    told.frame(1)
    told.pictures.take_face(make_landmarks(frame_seq=1, captured_at_us=1))
    found = await told.pictures.newest("lobby-1", shown=False)

    assert found is not None
    assert found.faces == faces


async def test_nothing_is_left_when_nobody_looks_any_more() -> None:
    class Reader(FrameReader):
        async def keep_reading(self, ended: Callable[[], None]) -> None:
            ended()

    told = Pictures(Reader)
    told.frame(1)
    await told.pictures.newest("lobby-1", shown=True)
    assert told.pictures.kept == 1
    await told.pictures.keep_reading()

    assert told.pictures.kept == 0
