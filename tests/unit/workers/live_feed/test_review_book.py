"""Alerts and verdicts in memory: in any order, twice, and bounded."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.alert import Alert, AlertEvidence
from streams.messages.emotion_event import time_of
from streams.messages.verdict import Verdict, VerdictWord
from workers.live_feed import review_book
from workers.live_feed.review_book import ReviewBook, alert_place, filled, verdict_place

EVIDENCE = AlertEvidence([], 0.9, 0.8, "fear", "subject", {}, [], "", "ok")


def alert(number: int = 0, state: str = "firing", camera: str = "lobby-1") -> Alert:
    at = time_of(number * 1_000_000)
    return Alert(
        f"alert-{number}", "fear", "warning", state, camera, None, at, at, "Fear.", 0.8, 0.6, {}, EVIDENCE
    )


def verdict(number: int = 0, word: VerdictWord = "confirmed", by: str = "anna", at_s: int = 0) -> Verdict:
    return Verdict(f"alert-{number}", word, by, time_of(at_s * 1_000_000))


def book(alerts: Sequence[Alert] = (), verdicts: Sequence[Verdict] = ()) -> ReviewBook:
    made = ReviewBook()
    for one in alerts:
        made.take_alert(one)
    for said in verdicts:
        made.take_verdict(said)
    return made


def test_a_resolved_alert_stays_resolved_in_any_order() -> None:
    firing, resolved = alert(), alert(state="resolved")
    for order in ([firing, resolved], [resolved, firing], [firing, resolved, firing]):
        found = book(order).alert("alert-0")
        assert found
        assert found.alert == resolved
        assert list(book(order).firing()) == []
    assert list(book([firing]).firing()) == [firing]


@given(st.permutations([verdict(word="confirmed", at_s=1), verdict(word="rejected", by="ben", at_s=2)] * 2))
def test_the_newest_verdict_counts_whenever_it_comes(order: list[Verdict]) -> None:
    found = book([alert()], order).alert("alert-0")

    assert found
    assert found.verdict == "rejected"
    assert [said.by for said in found.verdicts] == ["ben", "anna"]


@given(st.lists(st.integers(0, 30), unique=True), st.integers(1, 7))
def test_pages_give_each_alert_once_the_newest_first(numbers: list[int], limit: int) -> None:
    made = book([alert(number) for number in numbers], [verdict(number) for number in numbers])
    seen: list[str] = []
    said: list[str] = []
    before = None
    while page := made.alerts(lambda _: True, before=before, limit=limit):
        seen += [one.alert.alert_id for one in page]
        before = alert_place(page[-1].alert)
    before = None
    while verdicts := made.verdicts(lambda _: True, before=before, limit=limit):
        said += [one.alert_id for one in verdicts]
        before = verdict_place(verdicts[-1])

    assert seen == [f"alert-{number}" for number in sorted(numbers, reverse=True)]
    assert sorted(said) == sorted(seen)


def test_filters_are_asked_of_each() -> None:
    made = book([alert(0), alert(1, camera="ward-1")], [verdict(0)])

    assert [r.alert.alert_id for r in made.alerts(lambda r: r.verdict is None, before=None, limit=9)] == [
        "alert-1"
    ]
    assert made.verdicts(lambda said: said.by == "ben", before=None, limit=9) == []


def test_rule_camera_and_emotion_come_from_the_alert_where_they_are_left_out() -> None:
    made = book([alert()])
    said = verdict()

    assert filled(said, alert()) == msgspec.structs.replace(
        said, rule="fear", camera_id="lobby-1", emotion="fear"
    )
    assert made.filled(said) == filled(said, alert())
    assert made.filled(verdict(7)) == verdict(7)
    assert (made.camera_of(said), made.camera_of(verdict(7))) == ("lobby-1", None)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_book, "ALERTS_MAX", 2)
    monkeypatch.setattr(review_book, "REVIEWED_MAX", 2)
    monkeypatch.setattr(review_book, "VERDICTS_OF_ONE_MAX", 3)
    made = book(
        [alert(number) for number in range(5)],
        [verdict(number, at_s=at_s) for number in range(5) for at_s in range(5)],
    )

    assert made.alert("alert-2") is None
    assert made.alert("alert-3") is not None
    assert [len(said) for said in made.by_alert()] == [3, 3]


def test_who_opened_an_alert_is_told_the_last_one_first_and_no_more_than_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(review_book, "OPENED_BY_MAX", 2)
    monkeypatch.setattr(review_book, "ALERTS_MAX", 2)
    made = book([alert(0), alert(1)])
    for second, by in enumerate(["anna", "ben", "carl", "ben"]):
        made.take_opened("alert-0", by, time_of(second * 1_000_000))
    found = made.alert("alert-0")
    assert found
    assert [(one.by, one.at) for one in found.opened] == [
        ("ben", time_of(3_000_000)), ("carl", time_of(2_000_000)),
    ]  # fmt: skip

    for number in (1, 2):  # of more alerts than are kept, the first is forgotten
        made.take_opened(f"alert-{number}", "anna", time_of(0))
    found = made.alert("alert-0")
    assert found
    assert found.opened == []
