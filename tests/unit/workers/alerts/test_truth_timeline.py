"""What was true of a camera at the time of a picture, whenever that is asked."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.messages.camera_truth import CAMERA_STATES, HEARTBEAT_S, CameraState, CameraTruth
from streams.messages.emotion_event import time_of
from workers.alerts.truth_timeline import CAMERAS_MAX, SILENT_US, SPANS_MAX, TAKES_EFFECT_US, TruthTimeline

START_US = 1_764_000_000_000_000
BEAT_US = round(HEARTBEAT_S * 1e6)


def truth(at_us: int, state: CameraState, camera: str = "a") -> CameraTruth:
    return CameraTruth(camera, 1, time_of(START_US + at_us), state, time_of(START_US), {})


def timeline(*told: tuple[int, CameraState]) -> TruthTimeline:
    made = TruthTimeline()
    for at_us, state in told:
        made.add(truth(at_us, state))
    return made


def at(made: TruthTimeline, at_us: int, camera: str = "a") -> str:
    return made.at(camera, START_US + at_us)


def test_before_anything_was_told_and_of_other_cameras_nothing_is_known() -> None:
    made = timeline((0, "dark"))

    assert at(made, -1) == at(made, TAKES_EFFECT_US - 1) == at(made, TAKES_EFFECT_US, "b") == "unknown"
    assert at(made, TAKES_EFFECT_US) == "dark"


def test_a_state_is_in_force_a_little_after_it_was_told_so_that_all_know_it_by_then() -> None:
    made = timeline((0, "ok"), (10_000_000, "dark"), (20_000_000, "ok"))

    assert [at(made, us) for us in (11_999_999, 12_000_000, 21_999_999, 22_000_000)] == [
        *("ok", "dark", "dark", "ok")
    ]


def test_who_is_silent_is_lost_until_told_otherwise() -> None:
    made = timeline((0, "ok"), (BEAT_US, "ok"))
    last_us = BEAT_US + SILENT_US + TAKES_EFFECT_US
    assert (at(made, last_us), at(made, last_us + 1)) == ("ok", "lost")

    made.add(truth(10 * BEAT_US, "ok"))
    assert at(made, last_us + 1) == "lost"  # as it was before it was heard again
    assert at(made, 10 * BEAT_US + TAKES_EFFECT_US) == "ok"


def test_where_kafka_has_compacted_events_away_silence_is_not_known() -> None:
    made = timeline((0, "ok"))
    made.add(truth(20 * BEAT_US, "ok"), whole=False)

    assert at(made, 10 * BEAT_US) == "unknown"
    assert at(made, 20 * BEAT_US + TAKES_EFFECT_US) == "ok"


def test_a_clock_that_was_set_back_tells_the_time_that_is_to_come() -> None:
    made = timeline((0, "ok"), (50_000_000, "dark"), (40_000_000, "ok"))

    assert at(made, 55_000_000) == "ok"


def test_it_stays_small() -> None:
    made = TruthTimeline()
    for number in range(3 * SPANS_MAX):
        made.add(truth(number, "ok" if number % 2 else "dark"))
        made.add(truth(number * BEAT_US, "ok", "steady"))
    for number in range(CAMERAS_MAX + 5):
        made.add(truth(0, "dark", f"c{number}"))

    assert at(made, 3 * SPANS_MAX - 1 + TAKES_EFFECT_US) == "ok"
    assert at(made, 5 * BEAT_US, "steady") == "ok"
    assert at(made, TAKES_EFFECT_US, "c0") == "dark"
    assert at(made, TAKES_EFFECT_US, f"c{CAMERAS_MAX + 4}") == "unknown"


@given(
    st.lists(st.tuples(st.integers(1, 40_000_000), st.sampled_from(CAMERA_STATES)), max_size=30), st.data()
)
def test_live_and_in_a_replay_every_picture_has_the_same_state(
    steps: list[tuple[int, CameraState]], data: st.DataObject
) -> None:
    """Live, who works on a picture knows what was told until `TAKES_EFFECT_US` before it, maybe more."""
    told, now_us = [], 0
    for step_us, state in steps:
        now_us += step_us
        told.append((now_us, state))
    asked_us = data.draw(st.integers(0, now_us + 200_000_000))
    known = [one for one in told if one[0] <= asked_us - TAKES_EFFECT_US]

    live = timeline(*told[: data.draw(st.integers(len(known), len(told)))])

    assert at(live, asked_us) == at(timeline(*told), asked_us)
    assert all(a < b for (a, _), (b, _) in pairwise(told))
