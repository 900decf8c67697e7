"""What is counted of faces, by camera and moment, and what is kept of it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.emotion_event import EMOTIONS, Emotion
from workers.live_feed import activity_book
from workers.live_feed.activity_book import BUCKET_S, KEEP_S, ActivityBook, ActivityBucket

NOW_S = 1_764_000_000.0
"""The begin of a bucket of any length that divides a minute."""

events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.floats(-KEEP_S, activity_book.AHEAD_S),
        st.sampled_from([*EMOTIONS, None]),
    ),
    max_size=60,
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW_S + seconds, UTC)


def test_the_most_frequent_emotion_of_each_while_is_told() -> None:
    book = ActivityBook()
    seen: list[tuple[float, Emotion | None]] = [
        (0.1, "fear"), (3, "happiness"), (9.9, "happiness"), (5, None), (10, None), (-1, "anger"),
    ]  # fmt: skip
    for seconds, emotion in seen:
        book.take("lobby", NOW_S + seconds, emotion, NOW_S + 20)

    assert book.of_camera("lobby", NOW_S, NOW_S + 20, 10).buckets == [
        ActivityBucket(at(0), 4, "happiness", {"happiness": 2, "fear": 1}),
        ActivityBucket(at(10), 1, None, {}),
    ]
    assert book.of_camera("nobody", NOW_S, NOW_S + 20, 10).buckets == []


@given(events)
def test_every_event_of_the_hour_is_counted_once_in_any_order(
    seen: list[tuple[str, float, Emotion | None]],
) -> None:
    book = ActivityBook()
    for camera, seconds, emotion in seen:
        book.take(camera, NOW_S + seconds, emotion, NOW_S)
    oldest_s = NOW_S + max((seconds for _, seconds, _ in seen), default=0.0) - KEEP_S + BUCKET_S

    for camera in ("a", "b"):
        for bucket_s in (2, 20, 600):
            found = book.of_camera(camera, NOW_S - KEEP_S, NOW_S + 60, bucket_s).buckets
            assert [bucket.at for bucket in found] == sorted({bucket.at for bucket in found})
            kept = [
                emotion for name, seconds, emotion in seen if name == camera and NOW_S + seconds >= oldest_s
            ]
            assert len(kept) <= sum(bucket.events for bucket in found) <= len(seen)
            for emotion in EMOTIONS:
                assert sum(bucket.emotions.get(emotion, 0) for bucket in found) >= kept.count(emotion)


@pytest.mark.parametrize("seconds", [-KEEP_S - 1, activity_book.AHEAD_S + 1, float("nan")])
def test_what_is_too_old_or_of_a_clock_that_is_off_counts_nowhere(seconds: float) -> None:
    book = ActivityBook()
    book.take("lobby", NOW_S + seconds, "fear", NOW_S)

    assert book.cameras() == []


def test_an_hour_is_kept_and_what_comes_later_takes_its_place() -> None:
    book = ActivityBook()
    for seconds in (0, KEEP_S - BUCKET_S, KEEP_S):
        book.take("lobby", NOW_S + seconds, "fear", NOW_S + seconds)
    book.take("lobby", NOW_S, "fear", NOW_S + KEEP_S)  # an hour late, where another stands now

    found = book.of_camera("lobby", 0, NOW_S + KEEP_S, BUCKET_S).buckets
    assert [(bucket.at, bucket.events) for bucket in found] == [(at(KEEP_S - BUCKET_S), 1), (at(KEEP_S), 1)]


def test_a_count_has_an_end_and_so_has_the_number_of_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_book, "CAMERAS_MAX", 2)
    monkeypatch.setattr(activity_book, "_COUNT_MAX", 3)
    book = ActivityBook()
    for seconds, camera in enumerate(["quiet", *["busy"] * 5, "new"]):
        book.take(camera, NOW_S + 2 * seconds, "fear", NOW_S + 20)
        book.take("busy", NOW_S, "fear", NOW_S + 20)

    assert book.cameras() == ["busy", "new"]
    assert book.of_camera("busy", NOW_S, NOW_S + 1, 2).buckets[0].events == 3
