"""The row `cameras-soak` of `mien bench`: its cameras, and what is made of its samples."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from streams.errors import ServiceUnavailable
from workers.bench import cameras_soak
from workers.bench.chain_soak import Sample
from workers.camera_fleet import camera_list
from workers.faulty_cameras import made_up_streams
from workers.local import metrics_scrape


def test_cameras_of_each_kind_are_written_as_cameras_yaml_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make: Callable[..., Any] = made_up_streams.pictures
    monkeypatch.setattr(made_up_streams, "pictures", lambda size, number: make(size, number, 4))
    with ExitStack() as stack:
        servers, entries = cameras_soak._sources(stack, tmp_path, 5, 10.0)
        cameras = camera_list.parse("cameras: " + json.dumps(entries), "c.yaml")

    assert [camera.id for camera in cameras] == ["mjpeg-0", "h264-1", "snapshots-2", "file-3", "mjpeg-4"]
    assert [camera.id for camera in cameras if camera.repeat] == ["file-3"]
    assert {camera.id: camera.source for camera in cameras if not camera.repeat} == {
        name: server.url for name, server in servers.items()
    }


def test_sums_are_of_moments_at_which_all_cameras_had_a_process() -> None:
    taken = {
        "a": [Sample(0.0, 10, 1, 3), Sample(1.0, 20, 2, 4), Sample(2.0, 30, 3, 5)],
        "b": [Sample(1.0, 5, 1, 1), Sample(2.0, 6, 1, 1)],
        "mien cameras": [Sample(1.0, 100, 100, 100)],
    }

    assert cameras_soak._together(taken, [{"id": "a"}, {"id": "b"}]) == [
        Sample(1.0, 25, 3, 5),
        Sample(2.0, 36, 4, 6),
    ]


def page(*cameras: str) -> list[metrics_scrape.Sample]:
    labels = {"outcome": "published"}
    return [metrics_scrape.Sample(cameras_soak.FRAMES, {"camera": one, **labels}, 3.0) for one in cameras]


@pytest.mark.parametrize(
    ("pages", "there"),
    [
        ([page("a"), [], page("a", "b")], {"a": 3, "b": 3}),
        ([page("a")] * 3, {"a": 3}),
    ],
    ids=["one did not answer at once", "one does not answer"],
)
def test_who_is_not_on_a_page_is_asked_for_again(
    pages: list[list[metrics_scrape.Sample]], there: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was counted as stuck."""
    left = list(pages)
    monkeypatch.setattr(metrics_scrape, "samples", lambda *_: left.pop(0))
    now_s = iter(range(0, 1000, 20))
    monkeypatch.setattr(cameras_soak.time, "monotonic", lambda: next(now_s))
    monkeypatch.setattr(cameras_soak.time, "sleep", lambda _: None)
    fleet = cameras_soak._Fleet(MagicMock(), 1, Path("log"))

    found = fleet.page([{"id": "a"}, {"id": "b"}])

    assert cameras_soak.totals(found, cameras_soak.FRAMES, outcome="published") == there
    assert not left


def test_no_page_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_scrape, "samples", lambda *_: [])
    monkeypatch.setattr(cameras_soak, "PAGE_TIMEOUT_S", 0.0)
    monkeypatch.setattr(cameras_soak, "LEAST_EVERY_S", 0.0)

    with pytest.raises(ServiceUnavailable, match="no metrics"):
        cameras_soak._Fleet(MagicMock(), 1, Path("log")).page([{"id": "a"}])


def test_the_processes_of_cameras_are_found_by_their_arguments() -> None:
    code = "import sys; print('there', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "camera", "--camera=lobby"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        assert dict(cameras_soak._cameras_of(os.getpid())) == {"lobby": child.pid}
        child.communicate()
