"""`mien live --frames` on real Kafka: who gets whose pictures, what is hidden, and when they are read."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from harness import Chain, eventually
from live_page import ACCESS, Page

from models.arrays import Picture
from models.faces.engine import find_faces
from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg

READ, NOT_READ = "pictures are read", "pictures are not read any more"


@pytest.fixture
def make_page(chain: Chain, tmp_path: Path) -> Callable[..., Page]:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    return lambda **changes: Page(chain, **{"live_access_file": path, "live_frames": True} | changes)


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as made:
        yield made


def start_camera(chain: Chain, camera: str) -> None:
    chain.start("camera", "--camera", camera, "--source", "demo:calm", "--fps", "5", "--repeat")


def picture(page: Page, name: str, path: str) -> httpx.Response:
    with page.client(name) as client:
        return client.get(path)


def picture_with(page: Page, name: str, path: str, faces: str) -> httpx.Response:
    """The first one whose faces are like that."""
    answers: list[httpx.Response] = []

    def look() -> bool:
        answers.append(picture(page, name, path))
        return answers[-1].headers.get("x-mien-faces") == faces

    eventually(look, lambda: f"{answers[-1].status_code} {answers[-1].headers} {page.process.err}")
    return answers[-1]


def pixels(jpeg: bytes) -> Picture:
    return decode_jpeg(jpeg, max_bytes=10**7, max_pixels=10**7)


def published(chain: Chain, camera: str, seq: str) -> bytes:
    """The frame as the camera wrote it."""
    (found,) = [
        bytes(message.value())
        for message in chain.tail("frames").poll()
        if message.key() == camera.encode() and dict(message.headers())["seq"] == seq.encode()
    ]
    return found


def test_faces_are_hidden_and_shown_to_who_may_see_them(
    chain: Chain, make_page: Callable[..., Page], engine: LiteRtEngine
) -> None:
    chain.start_stages("landmarks")
    page = make_page()
    for camera in ("a-1", "b-1"):
        start_camera(chain, camera)
    eventually(lambda: len(page.get("root", "/cameras")["items"]) == 2, lambda: page.process.err)
    assert READ not in page.process.err  # nobody has looked

    hidden = picture_with(page, "anna", "/cameras/a-1/picture", "hidden")
    shown = picture_with(page, "root", "/cameras/a-1/picture?faces=shown", "shown")
    truth = pixels(published(chain, "a-1", hidden.headers["x-mien-frame-seq"]))
    seen = pixels(hidden.content)

    (face,) = find_faces(engine, truth)
    assert find_faces(engine, seen) == []
    assert len(find_faces(engine, pixels(shown.content))) == 1
    x0, y0, x1, y1 = face.box_xyxy_px.round().astype(int).tolist()
    off = np.abs(seen.astype(int) - truth).mean(axis=2)
    assert off[y0:y1, x0:x1].mean() > 10 * off[: y0 // 4].mean()

    for path in ("/cameras/a-1/picture", "/cameras/nobody/picture"):
        assert page.get("ben", path, 404)["detail"] == "There is no such camera, or it is not yours to see."
    assert picture_with(page, "ben", "/cameras/b-1/picture", "hidden").status_code == 200
    assert page.get("anna", "/cameras/a-1/picture?faces=shown", 403)["status"] == 403
    assert page.get("", "/cameras/a-1/picture", 401)["status"] == 401
    assert page.get("root", "/me")["may_show_faces"] is True
    looks = re.findall(
        r"picture .*camera=(\S+) .*faces=(\S+) .*role=(\S+) .*who=(\S+)", plain(page.process.err)
    )
    assert ("a-1", "shown", "admin", "root") in looks
    assert [who for _, faces, _, who in looks if faces == "shown"] == ["root"]
    assert len(set(looks)) == len(looks) == 3  # one each, however often they asked

    eventually(lambda: NOT_READ in page.process.err, lambda: page.process.err)
    picture_with(page, "anna", "/cameras/a-1/picture", "hidden")
    assert page.process.err.count(READ) == 2


def plain(log: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", log)


def test_without_landmarks_a_picture_is_hidden_as_a_whole(
    chain: Chain, make_page: Callable[..., Page], engine: LiteRtEngine
) -> None:
    page, off = make_page(), make_page(live_frames=False)
    start_camera(chain, "a-1")
    for one in (page, off):
        eventually(lambda one=one: one.get("root", "/cameras")["items"], lambda: page.process.err)
    hidden = picture_with(page, "anna", "/cameras/a-1/picture", "whole")

    assert find_faces(engine, pixels(hidden.content)) == []
    assert find_faces(engine, pixels(published(chain, "a-1", hidden.headers["x-mien-frame-seq"])))
    assert "mien live --frames" in off.get("root", "/cameras/a-1/picture", 404)["detail"]
    assert READ not in off.process.err


def test_pictures_that_leave_no_camera_cannot_be_shown(chain: Chain) -> None:
    changes: dict[str, Any] = {"frames": "none", "live_frames": True}
    status, _, err = chain.run("live", **changes)

    assert status == 78
    assert "MIEN_LIVE_FRAMES shows pictures" in err
    assert "Traceback" not in err
