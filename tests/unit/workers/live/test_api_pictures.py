"""Who gets a picture of a camera, with which faces, and what is written down."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest

from models.faces.pictures import encode_jpeg
from streams.health import Health
from streams.messages.camera_truth import CameraTruth
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers.access.access_file import AccessBook
from workers.access.signed_tokens import Signer
from workers.access.viewers import token_hash
from workers.live import api_pictures, live_app
from workers.live.live_context import Live
from workers.live_pictures import live_pictures

ACCESS = f"""people:
  - {{name: vera, role: viewer, cameras: [lobby-*], token_sha256: {token_hash("vera")}}}
  - {{name: anna, role: reviewer, cameras: [lobby-*], token_sha256: {token_hash("anna")}}}
  - {{name: root, role: admin, token_sha256: {token_hash("root")}}}
"""
AT_US = 1_764_000_000_123_456
MakeLive = Callable[..., Live]


@pytest.fixture
def make_live(
    tmp_path: Path, make_landmarks: Callable[..., Landmarks], monkeypatch: pytest.MonkeyPatch
) -> MakeLive:
    """A server that knows the cameras lobby-1 and hall, and has a picture with a face of each."""
    monkeypatch.setattr(live_pictures, "FIRST_S", 0.0)

    def make(**changes: Any) -> Live:
        path = tmp_path / "access.yaml"
        path.write_text(ACCESS)
        settings = Settings(**{"live_access_file": path, "live_frames": True} | changes)
        nothing = cast(Any, None)
        live = Live(
            settings, AccessBook(path), Signer(b"a secret of 16 b"), Health("kafka"),
            producer=nothing, subjects=nothing, neutral_faces=nothing, coverage=nothing,
        )  # fmt: skip
        now = datetime.now(UTC)
        jpeg = encode_jpeg(np.zeros((48, 64, 3), np.uint8))
        now_s = live_pictures.time.monotonic()
        for camera in ("lobby-1", "hall"):
            live.reader.truths[camera] = CameraTruth(camera, 0, now, "ok", now, {})
            live.frames.look(camera, now_s)
            live.frames.take_frame(Frame(camera, 7, AT_US, (64, 48), "live", "", jpeg, 5), now_s)
            for seq in (7, 8):
                live.frames.take_face(
                    make_landmarks(camera_id=camera, frame_seq=seq, run=5, captured_at_us=AT_US), now_s
                )
        return live

    return make


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for module in (api_pictures, live_app):
        monkeypatch.setattr(module.log, "info", lambda event, **about: lines.append({"event": event} | about))
    return lines


async def ask(live: Live, who: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(live_app.application(live)),
        base_url="http://localhost:8080/api/v1",
        headers={"authorization": f"Bearer {who}"},
    ) as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("role", "shown_to"),
    [("admin", {"root"}), ("reviewer", {"anna", "root"}), ("nobody", set())],
    ids=["admin", "reviewer", "nobody"],
)
async def test_faces_are_hidden_but_from_the_role_that_may_see_them(
    make_live: MakeLive, role: str, shown_to: set[str]
) -> None:
    live = make_live(live_reveal_role=role)
    for who in ("vera", "anna", "root"):
        hidden = await ask(live, who, "/cameras/lobby-1/picture")
        shown = await ask(live, who, "/cameras/lobby-1/picture?faces=shown")
        me = (await ask(live, who, "/me")).json()

        assert (hidden.status_code, hidden.headers["x-mien-faces"]) == (200, "hidden")
        assert shown.status_code == (200 if who in shown_to else 403), who
        assert (me["pictures"], me["may_show_faces"]) == (True, who in shown_to)
        if who in shown_to:
            assert shown.headers["x-mien-faces"] == "shown"


async def test_a_picture_says_which_frame_it_is_and_is_kept_by_nobody(make_live: MakeLive) -> None:
    answer = await ask(make_live(), "vera", "/cameras/lobby-1/picture")

    assert answer.content.startswith(b"\xff\xd8\xff")
    about = {
        "content-type": "image/jpeg",
        "cache-control": "no-store",
        "x-mien-frame-seq": "7",
        "x-mien-run": "5",
        "x-mien-captured-at": "2025-11-24T16:00:00.123456Z",
    }
    assert {name: answer.headers[name] for name in about} == about


@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("vera", "/cameras/hall/picture"),
        ("vera", "/cameras/nobody/picture"),
        ("root", "/cameras/nobody/picture"),
    ],
)
async def test_a_camera_that_is_none_or_not_ones_own_has_no_picture(
    make_live: MakeLive, who: str, path: str
) -> None:
    live = make_live()
    answer = await ask(live, who, path)

    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no such camera, or it is not yours to see."
    assert "nobody" not in live.frames.looked_at(live_pictures.time.monotonic())


async def test_without_frames_there_are_none(make_live: MakeLive) -> None:
    live = make_live(live_frames=False)
    answer = await ask(live, "root", "/cameras/lobby-1/picture?faces=shown")
    me = (await ask(live, "root", "/me")).json()

    assert answer.status_code == 404
    assert "mien live --frames" in answer.json()["detail"]
    assert (me["pictures"], me["may_show_faces"]) == (False, False)


async def test_a_camera_without_a_picture_yet_has_none_yet(make_live: MakeLive) -> None:
    live = make_live()
    live.reader.truths["lobby-2"] = live.reader.truths["lobby-1"]
    answer = await ask(live, "vera", "/cameras/lobby-2/picture")

    assert (answer.status_code, answer.content) == (204, b"")


async def test_each_look_at_faces_is_written_down_once_a_minute(
    make_live: MakeLive, told: list[dict[str, Any]]
) -> None:
    live = make_live()
    for _ in range(3):
        await ask(live, "root", "/cameras/lobby-1/picture?faces=shown")
        await ask(live, "vera", "/cameras/lobby-1/picture")
    await ask(live, "root", "/cameras/hall/picture?faces=shown")
    await ask(live, "vera", "/cameras/lobby-1/picture?faces=shown")

    about = {"event": "picture", "who": "root", "role": "admin", "faces": "shown"}
    refused = told.pop()
    assert told == [
        about | {"camera": "lobby-1"},
        {"event": "picture", "who": "vera", "role": "viewer", "camera": "lobby-1", "faces": "hidden"},
        about | {"camera": "hall"},
    ]
    assert (refused["event"], refused["who"], refused["status"]) == ("access", "vera", 403)
