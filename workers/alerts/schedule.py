"""When a rule is on duty: hours of the week in a time zone."""

import datetime
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN


def _zone(name: Any) -> ZoneInfo:
    if isinstance(name, ZoneInfo):
        return name
    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError) as exc:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(_NO_ZONE.format(name)) from exc
    except KeyError as exc:
        raise ValueError(_NO_ZONE.format(name)) from exc


_NO_ZONE = "there is no time zone {!r}; write one as Europe/Berlin or UTC"


def _days(text: Any) -> frozenset[int]:
    """``mon-fri``, ``sat,sun``, ``fri-mon``, ``all`` → 0 (Monday) to 6."""
    if not isinstance(text, str):
        raise ValueError("write days as mon-fri, sat,sun or all")  # noqa: TRY004  # pydantic reports it with its place
    if text.strip() == "all":
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = (name.strip().lower() for name in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"{part.strip()!r} is no day; write mon-fri, sat,sun or all")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(found)


def _minute(text: Any) -> int:
    """``"08:30"`` → 510; up to ``"24:00"``."""
    hours, colon, minutes = str(text).partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and int(minutes) < 60):
        raise ValueError(f"{text!r} is no time of day; write it as 08:30")
    minute = int(hours) * 60 + int(minutes)
    if minute > DAY_MIN:
        raise ValueError(f"{text!r} is later than 24:00")
    return minute


class Hours(BaseModel):
    """From one time of day to another, on some days; over midnight it belongs to the day it begins on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[frozenset[int], BeforeValidator(_days)] = frozenset(range(7))
    begin_min: Annotated[int, BeforeValidator(_minute), Field(alias="from")]
    end_min: Annotated[int, BeforeValidator(_minute), Field(alias="to")]

    def covers(self, weekday: int, minute: int) -> bool:
        """Whether this local time lies in it; the end does not."""
        for day in self.days:
            since_begin = ((weekday - day) * DAY_MIN + minute - self.begin_min) % WEEK_MIN
            length = self.end_min - self.begin_min
            if since_begin < (length if length > 0 else length + DAY_MIN):
                return True
        return False


class Schedule(BaseModel):
    """The hours of a week."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)]
    hours: list[Hours] = Field(min_length=1)

    def covers(self, at_us: int) -> bool:
        """Whether this time, in µs since the epoch, lies in one of the hours."""
        minute = at_us // 60_000_000
        if minute not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            local = datetime.datetime.fromtimestamp(minute * 60, self.time_zone)
            weekday, of_day = local.weekday(), local.hour * 60 + local.minute
            self._known[minute] = any(hours.covers(weekday, of_day) for hours in self.hours)
        return self._known[minute]

    @cached_property
    def _known(self) -> dict[int, bool]:
        """Answers by minute: a thousand faces ask for the same one."""
        return {}
