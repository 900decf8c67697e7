"""Hours of the week, where they are: over midnight, and when clocks are put forward."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from workers.alerts.schedule import Schedule


def covers(local: str, days: str, begin: str, end: str, zone: str = "Europe/Berlin") -> bool:
    schedule = Schedule.model_validate(
        {"time_zone": zone, "hours": [{"days": days, "from": begin, "to": end}]}
    )
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    return schedule.covers(round(at.timestamp() * 1e6))


@pytest.mark.parametrize(
    ("local", "days", "begin", "end", "on"),
    [
        ("2026-01-05T08:00", "mon-fri", "08:00", "18:00", True),
        ("2026-01-05T07:59", "mon-fri", "08:00", "18:00", False),
        ("2026-01-05T18:00", "mon-fri", "08:00", "18:00", False),  # the end lies outside
        ("2026-01-10T12:00", "mon-fri", "08:00", "18:00", False),  # a Saturday
        ("2026-01-10T12:00", "sat,sun", "08:00", "18:00", True),
        ("2026-01-05T23:00", "mon", "22:00", "06:00", True),
        ("2026-01-06T05:59", "mon", "22:00", "06:00", True),  # Monday's night ends on Tuesday
        ("2026-01-05T05:00", "mon", "22:00", "06:00", False),
        ("2026-01-05T05:00", "sun", "22:00", "06:00", True),  # over the end of the week
        ("2026-01-11T12:00", "fri-mon", "08:00", "18:00", True),
        ("2026-01-07T12:00", "fri-mon", "08:00", "18:00", False),
        ("2026-01-07T23:59", "all", "00:00", "24:00", True),
        ("2026-07-06T08:00", "mon", "08:00", "09:00", True),  # summer time: an hour earlier in UTC
    ],
)
def test_hours(local: str, days: str, begin: str, end: str, on: bool) -> None:
    assert covers(local, days, begin, end) is on


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"time_zone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"time_zone": "../etc/passwd"}, "no time zone"),
        ({"hours": []}, "at least 1"),
        ({"hours": [{"days": "someday", "from": "08:00", "to": "09:00"}]}, "'someday' is no day"),
        ({"hours": [{"days": "mon", "from": "8", "to": "09:00"}]}, "'8' is no time of day"),
        ({"hours": [{"days": "mon", "from": "08:61", "to": "09:00"}]}, "'08:61' is no time of day"),
        ({"hours": [{"days": "mon", "from": "08:00", "to": "24:01"}]}, "later than 24:00"),
        ({"hours": [{"days": 3, "from": "08:00", "to": "24:00"}]}, "mon-fri"),
    ],
)
def test_what_is_no_schedule(change: dict[str, Any], said: str) -> None:
    good = {"time_zone": "UTC", "hours": [{"days": "mon", "from": "08:00", "to": "09:00"}]}
    with pytest.raises(ValidationError) as caught:
        Schedule.model_validate(good | change)

    assert said in str(caught.value)
