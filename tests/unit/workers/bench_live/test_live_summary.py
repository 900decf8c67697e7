"""From what was counted to the row's lines."""

from array import array

import pytest

from workers.bench_live import live_summary
from workers.bench_live.event_sender import Sent
from workers.bench_live.live_summary import Span
from workers.bench_live.page_viewer import PageTaken
from workers.bench_live.stream_viewers import StreamTally


def span(cpu_s: float, *, seconds: float = 10.0, rss_mib: float = 100.0) -> Span:
    return Span(1000.5, 1000.5 + seconds, {"mien live": cpu_s, "kafka": 2.0}, 0.5, rss_mib)


def test_the_server_is_told_beside_the_same_with_fewer_viewers() -> None:
    told = live_summary.server(span(3.0, rss_mib=120.04), 100.0, none=span(1.0), one=span(1.5))

    assert told == {
        "cpu_percent": 30.0,
        "waits_for_cpu_percent": 5.0,
        "cpu_ratio_to_none": 3.0,
        "cpu_ratio_to_one": 2.0,
        "rss_mib_start": 100.0,
        "rss_mib_end": 120.0,
    }


def test_what_a_thousand_messages_cost_to_read_and_to_send() -> None:
    # 1000 messages a second: 0.1 s of CPU a second to read them, 0.2 s more to send each to 20 clients.
    assert live_summary.cost(span(1.0), span(3.0), 20, 1000.0) == {
        "read_ms": 100.0,
        "sent_to_each_viewer_ms": 10.0,
    }


def test_the_pace_is_that_of_whole_seconds_within_the_span() -> None:
    sent = Sent({1000: 7, 1001: 20, 1002: 18, 1003: 22, 1004: 5}, [0.0, 1.0, 2.0], failed=1)
    told = live_summary.pace(sent, span(1.0, seconds=3.6), 2)  # 1000.5 to 1004.1

    assert told["per_s"] == 20.0
    assert told["per_s_least"] == 18
    assert told["wanted_per_s"] == 20
    assert told["late_ms"]["p50"] == 1.0
    assert told["failed"] == 1


def test_a_second_in_which_nothing_was_sent_counts() -> None:
    told = live_summary.pace(Sent({1001: 20}, [0.0]), span(1.0, seconds=2.6), 2)

    assert (told["per_s"], told["per_s_least"]) == (10.0, 0)


def test_a_span_within_a_second_has_the_pace_of_that_second() -> None:
    told = live_summary.pace(Sent({1000: 20}, [0.0]), span(1.0, seconds=0.3), 2)

    assert (told["per_s"], told["per_s_least"]) == (20.0, 20)


def test_a_sender_that_came_to_nothing_is_no_crash() -> None:
    nothing = PageTaken([], frames_ms=[16.0], long_tasks_ms=[])

    assert live_summary.page(nothing, seconds=1.0, sent_per_s=0.0)["faces_drawn_percent"] == 0
    assert live_summary.cost(span(0.0), span(0.0), 20, 0.0) == {"read_ms": 0, "sent_to_each_viewer_ms": 0}


def test_streams_are_told_together_and_the_worst_alone() -> None:
    tallies = [StreamTally(), StreamTally()]
    tallies[0].delays_ms = array("d", [10.0, 20.0])
    tallies[1].delays_ms = array("d", [30.0])
    tallies[1].skipped = 4

    told = live_summary.streams(tallies)

    assert (told["streams"], told["events"], told["events_least"], told["skipped"]) == (2, 3, 1, 4)
    assert told["delay_ms"] == {"p50": 20.0, "p95": 29.0, "p99": 29.8, "most": 30.0}
    assert live_summary.streams([]) == {"streams": 0}


def test_the_page_is_told_by_what_was_drawn_and_how_smoothly() -> None:
    taken = PageTaken(
        delays_ms=[100.0, 200.0, 300.0, 400.0], frames_ms=[16.0] * 60, long_tasks_ms=[51.0, 70.0]
    )

    told = live_summary.page(taken, seconds=2.0, sent_per_s=4.0)

    assert told["faces_drawn_per_s"] == 2.0
    assert told["faces_drawn_percent"] == 50.0
    assert told["frames_per_s"] == 30.0
    assert (told["long_tasks"], told["long_task_ms_most"]) == (2, 70.0)
    assert told["delay_ms"]["p50"] == 250.0


@pytest.mark.parametrize(
    ("values", "expected"), [([], {}), ([5.0], {"p50": 5.0, "p95": 5.0, "p99": 5.0, "most": 5.0})], ids=str
)
def test_percentiles_of_nothing_are_nothing(values: list[float], expected: dict[str, float]) -> None:
    assert live_summary.percentiles(values) == expected
