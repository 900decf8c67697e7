"""Alerts, and what people said of them: as the topics have it, in memory. Without Kafka or clocks."""

from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import nlargest
from typing import Annotated, Final

import msgspec

from streams.messages.alert import Alert
from streams.messages.camera_truth import time_us
from streams.messages.verdict import PersonName, Verdict, VerdictWord

ALERTS_MAX: Final = 20_000
REVIEWED_MAX: Final = 100_000
"""Alerts with verdicts; of more, those are forgotten that were reviewed first."""
VERDICTS_OF_ONE_MAX: Final = 100
OPENED_BY_MAX: Final = 50
"""People; of more, those are forgotten who looked longest ago."""


class Opened(msgspec.Struct, frozen=True):
    """Somebody looked at an alert."""

    by: PersonName
    at: Annotated[datetime, msgspec.Meta(description="the last time")]


class ReviewedAlert(msgspec.Struct, frozen=True):
    """An alert with what people said of it."""

    alert: Alert
    """As it was told last: firing, or resolved."""
    verdict: VerdictWord | None
    """The newest one."""
    verdicts: list[Verdict]
    """All, the newest first."""
    opened: Annotated[
        list[Opened], msgspec.Meta(description="who looked at it alone, here and since the start")
    ] = []


class ReviewBook:
    """Takes alerts and verdicts in any order, also twice."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self._verdicts: dict[str, list[Verdict]] = {}
        self._opened: dict[str, dict[PersonName, datetime]] = {}

    def take_alert(self, alert: Alert) -> None:
        known = self._alerts.get(alert.alert_id)
        if known is None or known.state == "firing":
            self._alerts[alert.alert_id] = alert
        if len(self._alerts) > ALERTS_MAX:
            del self._alerts[next(iter(self._alerts))]

    def take_verdict(self, verdict: Verdict) -> None:
        known = self._verdicts.setdefault(verdict.alert_id, [])
        if verdict not in known:
            known.append(verdict)
            known.sort(key=lambda one: one.at, reverse=True)
            del known[VERDICTS_OF_ONE_MAX:]
        if len(self._verdicts) > REVIEWED_MAX:
            del self._verdicts[next(iter(self._verdicts))]

    def take_opened(self, alert_id: str, by: PersonName, at: datetime) -> None:
        """Somebody looked at an alert that is known."""
        known = self._opened.setdefault(alert_id, {})
        known.pop(by, None)
        known[by] = at
        if len(known) > OPENED_BY_MAX:
            del known[next(iter(known))]
        if len(self._opened) > ALERTS_MAX:
            del self._opened[next(iter(self._opened))]

    def alert(self, alert_id: str) -> ReviewedAlert | None:
        alert = self._alerts.get(alert_id)
        return self._reviewed(alert) if alert else None

    def alerts(
        self, wanted: Callable[[ReviewedAlert], bool], *, before: tuple[int, str] | None, limit: int
    ) -> list[ReviewedAlert]:
        """The newest that are wanted, the newest first; with ``before`` those that stand behind it."""

        def candidates() -> Iterator[ReviewedAlert]:
            for alert in self._alerts.values():
                if before is None or alert_place(alert) < before:
                    reviewed = self._reviewed(alert)
                    if wanted(reviewed):
                        yield reviewed

        return nlargest(limit, candidates(), key=lambda reviewed: alert_place(reviewed.alert))

    def firing(self) -> Iterator[Alert]:
        return (alert for alert in self._alerts.values() if alert.state == "firing")

    def unreviewed(self) -> int:
        """How many alerts nobody has judged."""
        return sum(alert_id not in self._verdicts for alert_id in self._alerts)

    def verdicts(
        self, wanted: Callable[[Verdict], bool], *, before: tuple[int, str] | None, limit: int
    ) -> list[Verdict]:
        """As :meth:`alerts`."""
        candidates = (
            verdict
            for of_one in self._verdicts.values()
            for verdict in of_one
            if (before is None or verdict_place(verdict) < before) and wanted(verdict)
        )
        return nlargest(limit, candidates, key=verdict_place)

    def camera_of(self, verdict: Verdict) -> str | None:
        """The camera of a verdict's alert, if it is known."""
        if verdict.camera_id:
            return verdict.camera_id
        alert = self._alerts.get(verdict.alert_id)
        return alert.camera_id if alert else None

    def by_alert(self) -> Iterator[list[Verdict]]:
        """The verdicts on each alert, the newest first."""
        return iter(self._verdicts.values())

    def filled(self, verdict: Verdict) -> Verdict:
        """With rule, camera and emotion of its alert, where another program left them out."""
        alert = self._alerts.get(verdict.alert_id)
        return filled(verdict, alert) if alert and verdict.rule is None else verdict

    def _reviewed(self, alert: Alert) -> ReviewedAlert:
        said = self._verdicts.get(alert.alert_id, [])
        opened = [Opened(by, at) for by, at in reversed(self._opened.get(alert.alert_id, {}).items())]
        return ReviewedAlert(alert, said[0].verdict if said else None, list(said), opened)


def filled(verdict: Verdict, alert: Alert) -> Verdict:
    """With rule, camera and emotion of its alert."""
    return msgspec.structs.replace(
        verdict, rule=alert.rule, camera_id=alert.camera_id, emotion=alert.evidence.emotion
    )


def alert_place(alert: Alert) -> tuple[int, str]:
    """Where an alert stands in time: µs since the epoch, and its id."""
    return time_us(alert.started_at), alert.alert_id


def verdict_place(verdict: Verdict) -> tuple[int, str]:
    return time_us(verdict.at), f"{verdict.alert_id} {verdict.by}"
