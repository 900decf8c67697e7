"""What came of late: in order, bounded a camera, and a count of what is not here any more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.live_feed import live_feed
from workers.live_feed.live_feed import OVERHEAD_BYTES, Kind, LiveFeed

SSE = b"x" * 100


def everything(_camera: str) -> bool:
    return True


def feed(records: int = 1_000, keep_s: float = 1e9) -> LiveFeed:
    made = LiveFeed(ring_bytes=records * (len(SSE) + OVERHEAD_BYTES), keep_s=keep_s)
    made.begin("emotions", 0, 0)
    made.begin("emotions", 1, 0)
    return made


def add(
    to: LiveFeed, camera: str, offset: int, partition: int = 0, came_s: float = 0, kind: Kind = "emotions"
) -> None:
    to.add(kind, partition, offset, camera, SSE, came_s)


def test_who_asks_gets_what_came_since_in_order_and_only_of_what_may_be_seen() -> None:
    made = feed()
    add(made, "a", 0)
    seen = made.now()
    for offset, camera in enumerate("babc", start=1):
        add(made, camera, offset)

    records, lost = made.take(seen, lambda camera: camera != "c")
    assert [(record.camera_id, record.offset) for record in records] == [("b", 1), ("a", 2), ("b", 3)]
    assert lost == 0
    assert made.take(seen, everything) == ([], 0)


def test_a_busy_camera_pushes_nothing_of_a_quiet_one_out_and_what_it_loses_is_counted() -> None:
    made = feed(records=3)
    seen = made.now()
    add(made, "quiet", 0)
    for offset in range(1, 11):
        add(made, "busy", offset)

    records, lost = made.take(seen, everything)
    assert [record.offset for record in records] == [0, 8, 9, 10]
    assert lost == 7


def test_what_is_too_old_goes_but_a_cameras_last_one_stays() -> None:
    made = feed(keep_s=10)
    add(made, "a", 0, came_s=100)
    add(made, "b", 1, came_s=100)
    add(made, "a", 2, came_s=111)

    records, lost = made.since({("emotions", 0): 0}, everything)
    assert [record.offset for record in records] == [1, 2]
    assert lost == 1
    assert made.last_event_s() == {"a": 111, "b": 100}


def test_a_client_that_comes_back_gets_what_it_had_not() -> None:
    made = feed()
    for offset in range(3):
        add(made, "a", offset, partition=0)
        add(made, "b", offset, partition=1)
    before = dict(made.positions)
    add(made, "a", 3, partition=0)
    add(made, "b", 3, partition=1)

    assert [record.camera_id for record in made.since(before, everything)[0]] == ["a", "b"]
    assert made.since({("emotions", 0): 2}, everything)[0][0].offset == 2
    assert made.since({("alerts", 0): 2}, everything) == ([], 0)  # another topic's
    assert made.since({("emotions", 0): 99}, everything) == ([], 0)  # of a topic that was made again


def test_what_was_before_a_server_began_is_a_gap() -> None:
    made = LiveFeed(ring_bytes=10_000, keep_s=60)
    made.begin("emotions", 0, 50)
    made.pass_over("emotions", 0, 50)  # unreadable: nothing to be missed
    add(made, "a", 51)
    made.begin("alerts", 0, 5)
    made.pass_over("alerts", 0, 5, too_old=True)

    assert made.since({("emotions", 0): 40}, everything)[1] == 10
    assert made.since({("emotions", 0): 50}, everything)[1] == 0
    assert made.since({("alerts", 0): 5}, everything)[1] == 1
    assert made.positions == {("emotions", 0): 52, ("alerts", 0): 6}


def test_made_up_cameras_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "CAMERAS_MAX", 3)
    made = feed()
    for offset, camera in enumerate("abcad"):
        add(made, camera, offset)

    records, lost = made.since({("emotions", 0): 0}, everything)
    assert [record.camera_id for record in records] == ["a", "c", "a", "d"]
    assert lost == 2  # at most


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), max_size=60), st.integers(1, 8), st.data()
)
def test_whatever_comes_is_given_once_or_counted(
    came: list[tuple[str, int]], size: int, data: st.DataObject
) -> None:
    made = feed(records=size)
    seen = made.now()
    offsets = [0, 0]
    given_out: list[int] = []
    lost = 0
    for camera, partition in came:
        add(made, camera, offsets[partition], partition)
        offsets[partition] += 1
        if data.draw(st.booleans()):
            records, more = made.take(seen, everything)
            given_out += [record.number for record in records]
            lost += more
    records, more = made.take(seen, everything)
    given_out += [record.number for record in records]

    assert len(given_out) + lost + more == len(came)
    assert len(set(given_out)) == len(given_out)
