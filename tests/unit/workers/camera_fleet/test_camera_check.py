"""`mien cameras check`, on sources that are really read, with an engine that sees what it is told to."""

import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_videos import shades, write_video
from rich.console import Console
from typer.testing import CliRunner

from models.faces.engine import FaceEngine
from models.faces.pictures import encode_jpeg
from models.staged import camera_scenes
from streams.errors import BadPicture, SettingsInvalid, SourceLost
from streams.settings import Settings
from workers import cli
from workers.camera_fleet import camera_check
from workers.camera_fleet.camera_check import Faces, Look, chosen, look_at, refuse_unread, show
from workers.camera_fleet.camera_list import Camera


class SeesNothing:
    """An engine without networks."""

    def detect(self, *_: Any) -> list[Any]:
        return []

    def mesh(self, *_: Any) -> list[Any]:
        return []


def sees_nothing() -> Faces:
    engine: FaceEngine = SeesNothing()
    return Faces(engine, Settings())


class Live:
    """A camera that gives these pictures again and again, a hundred a second."""

    live, fps, at_s, codec = True, None, None, "h264"

    def __init__(self, shots: list[Any]) -> None:
        self._shots: Iterator[Any] = itertools.cycle(shots)

    def read(self) -> Any:
        camera_check.time.sleep(0.01)
        shot = next(self._shots)
        if isinstance(shot, Exception):
            raise shot
        return shot

    def close(self) -> None: ...


def rgb(grey: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.repeat(grey[:, :, None], 3, axis=2)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], Look]:
    def look(shots: list[Any]) -> Look:
        monkeypatch.setattr(camera_check, "open_source", lambda *_, **__: Live(shots))
        return look_at(Camera(id="one", source="rtsp://10.0.0.1/x"), Settings(), 0.4, sees_nothing())

    return look


def room(n: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rgb(camera_scenes.as_seen(camera_scenes.place(1), rng)) for _ in range(n)]


def test_a_camera_is_told_as_it_is(look: Callable[[list[Any]], Look]) -> None:
    found = look(room(100))

    assert (found.error, found.codec, found.faces, found.truth) == (None, "h264", 0, "ok")
    assert found.source == "rtsp://10.0.0.1/x"
    assert found.size_px is not None
    assert found.fps is not None
    assert found.pictures > 2
    assert found.fps > 5


@pytest.mark.parametrize(
    ("make", "truth"),
    [
        (lambda: [rgb(np.full((90, 160), n % 3, np.uint8)) for n in range(60)], "dark"),
        (lambda: [rgb(np.full((90, 160), 100 + n, np.uint8)) for n in range(100)], "covered"),
        (lambda: room(1), "frozen"),
    ],
    ids=["dark", "covered", "frozen"],
)
def test_what_is_amiss_with_its_picture_is_told(
    look: Callable[[list[Any]], Look], make: Callable[[], list[Any]], truth: str
) -> None:
    if truth == "dark":  # three pictures that repeat are no frozen camera: a dark one is dark
        assert look(make()[:1] + make()).truth == truth
    else:
        assert look(make()).truth == truth


def test_pictures_that_are_refused_are_counted(look: Callable[[list[Any]], Look]) -> None:
    broken = BadPicture("rtsp://10.0.0.1/x sent a picture that is not whole", reason="corrupt")
    some, all_ = look([broken, *room(3)]), look([broken])

    assert (some.error, some.refused > 0) == (None, True)
    assert all_.error == "In 0.4 s rtsp://10.0.0.1/x sent a picture that is not whole"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("nothing.mp4", "'nothing.mp4' does not exist"),
        ("rtsp://127.0.0.1:9/x", "nothing listens at this port"),
        ("demo:nothing", "nothing"),
    ],
)
def test_one_that_cannot_be_opened_says_why(source: str, error: str) -> None:
    found = look_at(Camera(id="one", source=source), Settings(), 0.4, sees_nothing())

    assert error in str(found.error)
    assert found.size_px is None


def test_files_are_told_too(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", shades(20), fps=10)
    (tmp_path / "one.jpg").write_bytes(encode_jpeg(shades(1)[0]))
    video, picture = (
        look_at(Camera(id="one", source=str(tmp_path / name)), Settings(), 5, sees_nothing())
        for name in ("a.mp4", "one.jpg")
    )

    assert (video.codec, video.size_px, video.pictures, video.fps) == ("h264", (64, 48), 20, 10)
    assert (picture.codec, picture.size_px, picture.pictures) == (None, (64, 48), 1)


def test_those_that_are_meant_are_chosen() -> None:
    cameras = [
        Camera(id="lobby", source="0", group="front"),
        Camera(id="yard", source="1", enabled=False),
        Camera(id="desk-1", source="2"),
    ]

    assert [c.id for c in chosen(cameras, [])] == ["lobby", "desk-1"]
    assert [c.id for c in chosen(cameras, ["front", "yard"])] == ["lobby", "yard"]
    with pytest.raises(SettingsInvalid, match="--only cellar means no camera"):
        chosen(cameras, ["desk-*", "cellar"])


def test_what_is_wrong_stands_below_the_table() -> None:
    out = io.StringIO()
    looks = [
        Look("lobby", "front", "0", (640, 480), "h264", 9.96, 50, 2, 1, "ok"),
        Look("yard", None, error="it is off"),
    ]
    show(looks, Console(file=out, width=120))

    assert "640×480" in out.getvalue()
    assert "lobby: 2 pictures refused\nyard: it is off\n" in out.getvalue()
    with pytest.raises(SourceLost, match="1 of 2 cameras cannot be read: yard"):
        refuse_unread(looks)
    refuse_unread(looks[:1])


def test_the_verb_ends_with_69_if_one_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("cameras: [{id: face, source: demo:calm}, {id: gone, source: nothing.mp4, group: far}]")
    run = CliRunner().invoke
    good = run(cli.app, ["cameras", "check", str(path), "--only", "face", "--seconds", "0.6", "--json"])
    bad = run(cli.app, ["cameras", "check", str(path), "--only", "far", "--json"])

    (face,) = json.loads(good.stdout)
    assert (good.exit_code, face["faces"], face["truth"], face["size_px"]) == (0, 1, "ok", [640, 480])
    assert isinstance(bad.exception, SourceLost)
    assert "does not exist" in json.loads(bad.stdout)[0]["error"]
