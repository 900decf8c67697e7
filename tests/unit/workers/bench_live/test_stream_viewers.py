"""What a client of the stream counts: whatever pieces the bytes come in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.faces.landmark_set import LandmarkSet
from streams.messages import emotion_event
from workers.bench_live import made_up_events
from workers.bench_live.made_up_events import MadeUpFaces
from workers.bench_live.stream_viewers import StreamTally
from workers.live_feed import server_sent_events

AT_US = 1_764_000_000_000_000
LATER_S = AT_US / 1e6 + 0.25
FACES = MadeUpFaces(LandmarkSet.load(), AT_US)


def sse(camera: int, seq: int) -> bytes:
    """An emotion event, as `mien live` sends it."""
    _, value, _ = emotion_event.encode(FACES.seen(camera, seq, AT_US).event)
    return server_sent_events.event("emotion", value)


STREAM = b"".join(
    [
        server_sent_events.RETRY,
        sse(0, 5),
        server_sent_events.event("points", b'{"captured_at":"2026-11-29T10:00:00Z"}'),
        sse(1, 9),
        server_sent_events.HEARTBEAT,
        server_sent_events.event("gap", b'{"skipped":12}'),
        sse(0, 8),
        server_sent_events.event("camera", b"{}"),
        server_sent_events.event("alert", b"{}"),
        server_sent_events.position({("emotions", 0): 7}),
    ]
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_all_is_counted_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    tally, places = StreamTally(), [0, *sorted(cuts), len(STREAM)]
    for begin, end in pairwise(places):
        tally.take(STREAM[begin:end], LATER_S)

    assert list(tally.delays_ms) == pytest.approx([250.0] * 3, abs=0.01)
    assert (tally.points, tally.others, tally.skipped) == (1, 2, 12)
    assert tally.missing == 2  # camera 0's frames 6 and 7


def test_what_came_before_it_begins_is_not_counted() -> None:
    tally = StreamTally()
    tally.take(STREAM + sse(0, 100)[:40], LATER_S)
    tally.begin()
    tally.take(sse(0, 100)[40:] + sse(0, 101), LATER_S)

    assert len(tally.delays_ms) == 2
    assert (tally.points, tally.others, tally.skipped, tally.missing) == (0, 0, 0, 0)


def test_an_event_that_tells_no_time_is_no_delay() -> None:
    tally = StreamTally()
    tally.take(server_sent_events.event("emotion", b'{"camera_id":"a"}'), LATER_S)

    assert (len(tally.delays_ms), tally.others) == (0, 1)


def test_cameras_have_names_that_sort() -> None:
    names = [made_up_events.camera_name(camera) for camera in range(200)]
    assert names == sorted(set(names))
