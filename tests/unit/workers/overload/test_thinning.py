"""Which frames are left out under load: whose limit is passed, and never all of a camera's, nor a file's."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.frame_message import PRIORITIES, Frame, Priority
from workers.overload.thinning import BUSY_FROM, LEAST_EVERY_US, USES, Thinner, is_left_out, limit_us, use

MAX_AGE_US = 3_000_000
NOW_US = 1_764_000_000_000_000
MS = 1000


def frame(camera_id: str = "a", *, at_us: int, **changes: Any) -> Frame:
    return Frame(camera_id, 1, at_us, (320, 240), "live", "", b"x")._replace(**changes)


def thinning(*, busy: bool = True) -> Thinner:
    made = Thinner(MAX_AGE_US, now_s=0.0)
    be_at_work(made, 0.09 if busy else 0.05, 0.01 if busy else 0.05)
    return made


def be_at_work(thinner: Thinner, work_s: float, pause_s: float) -> None:
    """For five seconds."""
    now_s = 0.0
    while now_s < 5:
        now_s += pause_s
        thinner.looks(now_s)
        now_s += work_s
        thinner.worked(now_s)


def test_uses_are_in_order_and_each_has_a_later_limit() -> None:
    in_order = [use(priority, face_in_view=face) for face, priority in product((False, True), PRIORITIES)]
    limits = [limit_us(one, MAX_AGE_US) for one in in_order]

    assert in_order == list(range(USES))
    assert limits == [250_000, 500_000, 750_000, 1_000_000, 1_250_000, 1_500_000]
    assert limits[-1] == MAX_AGE_US // 2


@pytest.mark.parametrize(
    ("priority", "face", "late_ms", "left_out"),
    [
        ("low", False, 250, False),
        ("low", False, 251, True),
        ("normal", False, 251, False),
        ("normal", False, 501, True),
        ("high", False, 501, False),
        ("high", False, 751, True),
        ("low", True, 751, False),
        ("low", True, 1001, True),
        ("normal", True, 1001, False),
        ("normal", True, 1251, True),
        ("high", True, 1500, False),
        ("high", True, 1501, True),
        ("low", False, -5, False),
    ],
)
def test_the_limits(priority: Priority, face: bool, late_ms: int, left_out: bool) -> None:
    use_ = use(priority, face_in_view=face)

    assert is_left_out(use_, late_ms * MS, 100 * MS, MAX_AGE_US) is left_out


@pytest.mark.parametrize(
    ("since_last_us", "left_out"),
    [
        (None, False),
        (0, True),
        (LEAST_EVERY_US - 1, True),
        (LEAST_EVERY_US, False),
        (-1, False),  # its clock was set back
    ],
)
def test_a_camera_is_looked_at_now_and_then_however_late_it_is(
    since_last_us: int | None, left_out: bool
) -> None:
    assert is_left_out(0, MAX_AGE_US, since_last_us, MAX_AGE_US) is left_out


@given(
    st.sampled_from(PRIORITIES),
    st.sampled_from(PRIORITIES),
    st.booleans(),
    st.integers(0, 3_000_000),
    st.none() | st.integers(-10, 2 * LEAST_EVERY_US),
)
def test_no_frame_is_left_out_while_one_of_lower_priority_and_equal_use_is_kept(
    one: Priority, other: Priority, face: bool, late_us: int, since_last_us: int | None
) -> None:
    higher, lower = sorted((one, other), key=PRIORITIES.index, reverse=True)

    def left_out(priority: Priority, *, face: bool) -> bool:
        return is_left_out(use(priority, face_in_view=face), late_us, since_last_us, MAX_AGE_US)

    assert left_out(lower, face=face) or not left_out(higher, face=face)
    assert left_out(higher, face=False) or not left_out(lower, face=True)


frames = st.lists(
    st.tuples(
        st.integers(1, 400 * MS),  # since the camera's frame before
        st.integers(0, MAX_AGE_US),  # its age when it is looked at
        st.sampled_from(PRIORITIES),
        st.booleans(),
        st.sampled_from(["live", "file"]),
    ),
    max_size=60,
)


@given(frames, st.booleans())
def test_files_are_whole_and_no_camera_is_unseen_for_long(of_camera: list[Any], busy: bool) -> None:
    made, again = thinning(busy=busy), thinning(busy=busy)
    at_us = last_us = NOW_US
    assert made.takes(frame(at_us=at_us), 0, at_us, face_in_view=False)
    again.takes(frame(at_us=at_us), 0, at_us, face_in_view=False)
    for since_us, age_us, priority, face, source in of_camera:
        at_us += since_us
        one = frame(at_us=at_us, priority=priority, source=source)
        taken = made.takes(one, 0, at_us + age_us, face_in_view=face)
        assert taken is again.takes(one, 0, at_us + age_us, face_in_view=face)
        assert taken or (busy and source == "live" and at_us - last_us < LEAST_EVERY_US)
        if taken and source == "live":
            last_us = at_us


def test_a_partition_that_waits_longer_decides_for_all() -> None:
    made = thinning()
    for camera_id in ("quiet", "busy"):
        made.takes(frame(camera_id, at_us=NOW_US), 0, NOW_US, face_in_view=False)
    fresh = frame("quiet", at_us=NOW_US + 500 * MS)
    assert made.takes(fresh, 1, NOW_US + 510 * MS, face_in_view=False)

    made.takes(frame("busy", at_us=NOW_US + 10 * MS), 0, NOW_US + 610 * MS, face_in_view=True)
    assert made.late_us(NOW_US + 620 * MS) == 600 * MS
    fresh = frame("quiet", at_us=NOW_US + 600 * MS)
    assert not made.takes(fresh, 1, NOW_US + 620 * MS, face_in_view=False)

    fresh = frame("quiet", at_us=NOW_US + 1_400 * MS)  # nothing came of the other for a while
    assert made.late_us(NOW_US + 1_610 * MS) == 20 * MS
    assert made.takes(fresh, 1, NOW_US + 1_610 * MS, face_in_view=False)


def test_a_worker_that_keeps_up_leaves_nothing_out_whatever_a_cameras_clock_says() -> None:
    made = thinning(busy=False)
    taken = [
        made.takes(
            frame(at_us=NOW_US + n * 100 * MS), 0, NOW_US + n * 100 * MS + 1_900 * MS, face_in_view=False
        )
        for n in range(20)
    ]

    assert all(taken)


@pytest.mark.parametrize(("work_s", "pause_s", "busy"), [(0.09, 0.01, True), (0.05, 0.05, False)])
def test_busy_is_who_is_at_work_most_of_the_time(work_s: float, pause_s: float, busy: bool) -> None:
    made = Thinner(MAX_AGE_US, now_s=0.0)
    made.takes(frame(at_us=NOW_US), 0, NOW_US, face_in_view=False)
    be_at_work(made, work_s, pause_s)
    late = frame(at_us=NOW_US + 10 * MS)

    assert (work_s / (work_s + pause_s) >= BUSY_FROM) is busy
    assert made.takes(late, 0, NOW_US + 1_000 * MS, face_in_view=False) is not busy


@pytest.mark.parametrize(("every_s", "busy"), [(0.0001, True), (0.1, False)])
def test_to_leave_frames_out_is_work_too_but_not_to_wait_for_them(every_s: float, busy: bool) -> None:
    """Else a worker that once was busy would leave out a late camera's frames for ever."""
    made, now_s = thinning(), 5.0
    made.takes(frame(at_us=NOW_US), 0, NOW_US, face_in_view=False)
    while now_s < 7:
        made.looks(now_s)
        now_s += every_s
    late = frame(at_us=NOW_US + 10 * MS)

    assert made.takes(late, 0, NOW_US + 1_000 * MS, face_in_view=False) is not busy


def test_cameras_that_are_gone_are_forgotten() -> None:
    made = thinning()
    for n in range(1_000):
        at_us = NOW_US + n * 1_000 * MS
        made.takes(frame(f"camera-{n}", at_us=at_us), 0, at_us, face_in_view=False)

    assert len(made._last_us) <= 61
