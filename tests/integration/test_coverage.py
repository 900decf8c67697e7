"""What a camera cannot read, from its pictures to `mien coverage`: small faces on one side of them."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Chain, Process, eventually, the_line

from models.faces.pictures import encode_jpeg
from models.staged.scenes import Actor, Scene, Waypoint

STAGES = ("landmarks", "classify", "state")
LIMIT_PX = 45
"""Between the outer corners of the eyes, as sent: faces on the left have less, the one on the right more."""
SEEN = 48
"""Pictures with three people: of each person an event in each, but for the first ones until all are found."""


def still(person: int, x_px: float, y_px: float, face_px: float) -> Actor:
    return Actor(person, tuple(Waypoint(at_s, x_px, y_px, face_px) for at_s in (-1, 100)))


@pytest.fixture
def hall(tmp_path: Path) -> str:
    """Pictures of 1280 px: two faces of 114 px on the left, one of 260 px on the right."""
    scene = Scene(
        "hall",
        (1280, 720),
        SEEN / 10,
        (still(0, 110, 360, 114), still(1, 330, 380, 114), still(2, 1000, 360, 260)),
    )
    folder = tmp_path / "hall"
    folder.mkdir()
    for number, frame in enumerate(scene.frames()):
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(frame.picture_rgb, 90))
    return str(folder)


def coverage(chain: Chain, *options: str) -> dict[str, Any]:
    status, out, err = chain.run("coverage", "hall", "--json", *options)
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def counted(chain: Chain, at_least: int) -> dict[str, Any]:
    """When Redis has so many faces; the stage writes them every five seconds."""

    def look() -> dict[str, Any] | None:
        found = coverage(chain) if chain.redis.keys("*:coverage:*") else None
        return found if found and found["faces"] >= at_least else None

    return eventually(look, f"{at_least} faces in the coverage")


def show(chain: Chain, camera: str, hall: str, width_px: int) -> list[dict[str, Any]]:
    """Sends the pictures at this width; the events of them, when each person has one of the last picture."""
    how = "--width", str(width_px), "--lossless", "--as-fast-as-possible"
    status, _, err = chain.run("camera", "--camera", camera, "--source", hall, *how)
    assert status == 0, err

    def events() -> list[dict[str, Any]] | None:
        found = [event for event in chain.events() if event["camera_id"] == camera]
        return found if sum(event["frame_seq"] == SEEN - 1 for event in found) == 3 else None

    return eventually(events, "events of the last picture")


@pytest.fixture
def chain(make_chain: Callable[..., Chain]) -> Chain:
    return make_chain(min_inter_ocular_px=LIMIT_PX)


def test_small_faces_on_one_side_are_told_with_what_helps(chain: Chain, hall: str, tmp_path: Path) -> None:
    chain.start_stages(*STAGES)
    found = counted(chain, len(show(chain, "hall", hall, 640)))

    assert found["picture"] == {"width_px": 640, "height_px": 360, "full_width_px": 1280}
    by_side = {"left": 0, "right": 0}
    for cell in found["cells"]:
        by_side["left" if cell["column"] < 8 else "right"] += cell["faces"]
        assert cell["read"] == (0 if cell["column"] < 8 else cell["faces"])
    assert by_side["left"] > by_side["right"] > 0
    (problem,) = found["problems"]
    assert (problem["reason"], problem["where"]) == ("small-face", "on the left")
    width_px = int(problem["advice"].partition("set --width ")[2].partition(",")[0])
    assert 640 * problem["enlarge"] <= width_px <= 1280

    of_wider = [event["abstained"] for event in show(chain, "wider", hall, width_px)]  # as it advises
    assert of_wider.count("small-face") <= len(of_wider) / 10

    status, out, err = chain.run("coverage", "hall", "--out", str(tmp_path / "map.png"), "--fov-deg", "90")
    assert status == 0, err
    assert "set --width" in " ".join(out.split())
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")

    status, out, err = chain.run("coverage", "attic")
    assert (status, out) == (66, "")
    assert "There is something of: hall" in the_line(err)
    status, _, err = chain.run("coverage", "hall", redis_url="redis://127.0.0.1:1")
    assert status == 69
    assert "does not answer" in the_line(err)


def test_a_replayed_event_counts_once_and_a_killed_worker_counts_nothing_twice(
    chain: Chain, hall: str
) -> None:
    *_, state = chain.start_stages(*STAGES)
    n_events = len(show(chain, "hall", hall, 640))
    assert counted(chain, n_events)["faces"] == n_events

    def replay(worker: Process, count: int) -> None:
        for message in chain.tail("emotions").poll()[:count]:
            chain.send("emotions", message.key(), message.value())
        eventually(
            lambda: worker.totals("mien_state_events_total", "outcome").get("fenced", 0) >= count, "a fence"
        )

    replay(state, 20)
    state.end(signal.SIGKILL)
    (state,) = chain.start_stages("state")
    replay(state, 1)
    assert state.end() == 0  # which writes what is left

    assert coverage(chain)["faces"] == n_events
