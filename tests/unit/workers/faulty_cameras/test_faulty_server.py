"""Made-up cameras give what the real reader can read, and each of their faults is one."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from models.faces.jpeg_passthrough import Jpeg
from streams.errors import BadPicture, SourceLost, SourceNotFound
from workers.camera.picture_changes import fingerprint
from workers.camera.sources import Source, open_source
from workers.camera.video_picture import Shot, VideoPicture
from workers.faulty_cameras import made_up_streams
from workers.faulty_cameras.faulty_server import FAULTS, FaultyServer, Sent

FPS = 50
SIZES = ((160, 96), (128, 96))
WAIT_S = 30.0  # only ever reached by a test that fails


@pytest.fixture(scope="module")
def sent() -> dict[str, Sent]:
    shown = [made_up_streams.pictures(size, 1, 40) for size in SIZES]
    jpegs = [made_up_streams.jpegs(one) for one in shown]
    streams = [made_up_streams.transport_stream(one, FPS) for one in shown]
    return {
        "mjpeg": Sent("mjpeg", *map(made_up_streams.mjpeg, jpegs)),
        "h264": Sent("h264", *streams),
        "snapshots": Sent("snapshots", *jpegs),
    }


@contextlib.contextmanager
def opened(server: FaultyServer) -> Iterator[Source]:
    source = open_source(server.url, fps=FPS, max_pixels=10**6, open_timeout_ms=2000, read_timeout_ms=700)
    with contextlib.closing(source):
        yield source


def size_of(shot: Shot | None) -> tuple[int, int]:
    if isinstance(shot, Jpeg | VideoPicture):
        return shot.size_px
    assert shot is not None
    return (shot.shape[1], shot.shape[0])


def until(server: FaultyServer, fault: Any) -> bool:
    """Whether this fault showed: the source was lost, or has the other size."""
    until_s = time.monotonic() + WAIT_S
    try:
        with opened(server) as source:
            assert size_of(source.read()) == SIZES[0]
            server.fault = fault
            while time.monotonic() < until_s:
                try:
                    if size_of(source.read()) == SIZES[1]:
                        return fault == "changes size"
                except BadPicture:
                    continue
    except SourceLost:
        return True
    return False


@pytest.mark.parametrize("kind", ["mjpeg", "h264", "snapshots"])
def test_while_it_is_well_it_can_be_read(sent: dict[str, Sent], kind: str) -> None:
    with FaultyServer(sent[kind], FPS, 0) as server, opened(server) as source:
        shots = []
        while len(shots) < 60:  # more than there are: it begins again
            with contextlib.suppress(BadPicture):  # where a video begins again, packets seem to be missing
                shots.append(source.read())

    assert {size_of(shot) for shot in shots} == {SIZES[0]}
    assert len({fingerprint(shot) for shot in shots if shot is not None}) > 30  # or it were taken for frozen


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "sends rubbish"])
@pytest.mark.parametrize("kind", ["mjpeg", "h264"])
def test_each_fault_shows(sent: dict[str, Sent], kind: str, fault: str) -> None:
    with FaultyServer(sent[kind], FPS, 0) as server:
        assert until(server, fault)


def test_what_is_sent_as_rubbish_is_no_picture(sent: dict[str, Sent]) -> None:
    with FaultyServer(sent["mjpeg"], FPS, 0) as server:
        server.fault = "sends rubbish"
        with pytest.raises((SourceLost, SourceNotFound)), opened(server):
            pass
        server.fault = None
        with opened(server) as source:
            assert size_of(source.read()) == SIZES[0]


def test_faults_come_by_the_seed_until_it_is_well(sent: dict[str, Sent]) -> None:
    with FaultyServer(sent["mjpeg"], FPS, 3, fault_rate=1e6) as server:
        until_s = time.monotonic() + WAIT_S
        while set(server.faults) != set(FAULTS):
            assert time.monotonic() < until_s
            time.sleep(0.01)
        server.be_well()
        thread = next(t for t in threading.enumerate() if t in server._threads and "misbehave" in t.name)
        thread.join(WAIT_S)
        assert server.fault is None
