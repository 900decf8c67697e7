from datetime import UTC, datetime, timedelta

import pytest

from streams.messages.camera_truth import CameraState, CameraTruth
from workers.truth.state_spans import SPANS_MAX, StateSpans

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def truth(at_s: float, state: CameraState, since_s: float) -> CameraTruth:
    return CameraTruth("lobby", 1, at(at_s), state, at(since_s), {})


def spans(
    told: list[CameraTruth], now_s: float, since_s: float = -1e6
) -> list[tuple[str, float, float | None]]:
    kept = StateSpans()
    for one in told:
        kept.take(one)
    return [
        (
            span.state,
            (span.since - T0).total_seconds(),
            None if span.until is None else (span.until - T0).total_seconds(),
        )
        for span in kept.between(at(since_s), at(now_s), at(now_s))
    ]


@pytest.mark.parametrize(
    ("told", "now_s", "expected"),
    [
        pytest.param([], 0, [], id="nothing was told"),
        pytest.param([(0, "ok", -5)], 10, [("ok", -5, None)], id="it still is"),
        pytest.param(
            [(0, "ok", 0), (30, "ok", 0), (40, "frozen", 35)],
            50,
            [("ok", 0, 35), ("frozen", 35, None)],
            id="a state ends where the next began",
        ),
        pytest.param(
            [(0, "ok", 0), (30, "ok", 0)],
            200,
            [("ok", 0, 30), ("lost", 30, None)],
            id="lost: silent until now",
        ),
        pytest.param(
            [(0, "ok", 0), (200, "ok", 0)],
            210,
            [("ok", 0, 0), ("lost", 0, 200), ("ok", 200, None)],
            id="lost for a while",
        ),
        pytest.param(
            [(0, "ok", 0), (10, "dark", -50)],
            20,
            [("ok", 0, 0), ("dark", 0, None)],
            id="a beginning before the one before",
        ),
        pytest.param(
            [(0, "ok", 0), (10, "dark", 5), (10, "dark", 5), (0, "ok", 0)],
            20,
            [("ok", 0, 5), ("dark", 5, None)],
            id="twice",
        ),
    ],
)
def test_spans(
    told: list[tuple[float, CameraState, float]],
    now_s: float,
    expected: list[tuple[str, float, float | None]],
) -> None:
    assert spans([truth(*one) for one in told], now_s) == expected


def test_only_those_that_touch_the_time_asked_for() -> None:
    told = [truth(0, "ok", 0), truth(10, "dark", 10), truth(20, "ok", 20)]

    assert spans(told, 30, since_s=15) == [("dark", 10, 20), ("ok", 20, None)]


def test_the_oldest_are_forgotten() -> None:
    told = [truth(number, "dark" if number % 2 else "ok", number) for number in range(SPANS_MAX + 50)]

    found = spans(told, SPANS_MAX + 60)
    assert len(found) == SPANS_MAX + 1
    assert found[-1] == ("dark", SPANS_MAX + 49, None)
