"""`mien alerts test`: rules against made-up faces, and the alerts that they must give. No server is needed.

A file names the rules and what cameras see; docs/alerting.md shows one. The faces run through the same engine
as the stage's, frame by frame.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from streams.messages.alert import Alert, AlertState
from streams.messages.emotion_event import (
    EMOTIONS,
    Emotion,
    EmotionEvent,
    Explanation,
    Model,
    Probabilities,
    captured_at_us,
    time_of,
)
from streams.messages.landmarks_message import FaceBox, Pose
from streams.settings import Settings
from workers.alerts import alert_engine, crowd, rule_file
from workers.alerts.alert_engine import Sighting, SubjectState, Vote
from workers.alerts.crowd import CrowdState
from workers.alerts.rules import Duration, RuleSet
from workers.alerts.smoothing import SmoothingRule
from workers.marked_yaml import Document, read_text

AT_TOLERANCE_US: Final = 500_000
"""How far from its time an expected alert may come: smoothing takes a fraction of a second."""
START: Final = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC)
"""A Monday; where a test says nothing else."""


def _time(text: Any) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(str(text))
    except ValueError as exc:
        raise ValueError(f"{text!r} is no time; write it as 2026-01-05T09:00:00+01:00") from exc
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone; write it as 2026-01-05T09:00:00+01:00")
    return found


class Face(BaseModel):
    """A face that shows the same for some time."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    subject: str = Field("a", pattern="^[A-Za-z0-9._-]{1,16}$")
    camera: str = Field("camera", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    from_us: Duration = Field(0, alias="from")
    to_us: Duration = Field(alias="to")
    fps: float = Field(10.0, ge=0.1, le=60)
    shows: dict[Emotion, Annotated[float, Field(ge=0, le=1)]] = {}
    """Probabilities; what is left over is neutral's."""
    confidence: float | None = Field(None, ge=0, le=1)
    abstains: bool = False
    own_neutral: bool = True
    still: bool = False
    camera_is: str = "ok"

    @model_validator(mode="after")
    def _makes_sense(self) -> "Face":
        if sum(self.shows.values()) > 1 + 1e-9:
            raise ValueError("the probabilities of one face are more than 1 together")
        if self.to_us <= self.from_us:
            raise ValueError("to must be later than from")
        return self


class Expected(BaseModel):
    """An alert that must come."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rule: str
    state: AlertState = "firing"
    at_us: Duration = Field(alias="at")
    camera: str = "camera"
    subject: str | None = None


class Case(BaseModel):
    """One test."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    start: Annotated[datetime.datetime, BeforeValidator(_time)] = START
    faces: list[Face] = Field(min_length=1)
    until_us: Duration | None = Field(None, alias="until")
    """The time goes on to here after the last frame."""
    alerts: list[Expected] = []


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rules: str
    tests: list[Case] = Field(min_length=1)


class Verdict(msgspec.Struct, frozen=True):
    """What became of a test: both lists are empty if it passed."""

    name: str
    missing: list[str]
    unexpected: list[str]


def run(settings: Settings, path: Path) -> list[Verdict]:
    """Runs the tests of a file.

    Raises:
        SourceNotFound: if it, or the file of rules that it names, cannot be read.
        FileInvalid: if one of them cannot be used.
    """
    document = Document(read_text(path), str(path))
    try:
        file = _File.model_validate(document.value)
    except ValidationError as exc:
        raise document.invalid(exc) from exc
    rules = rule_file.read(path.parent / file.rules)
    unknown: list[tuple[tuple[str | int, ...], str]] = [
        (("tests", i, "alerts", j, "rule"), f"{path.parent / file.rules} has no rule {expected.rule}")
        for i, case in enumerate(file.tests)
        for j, expected in enumerate(case.alerts)
        if expected.rule not in rules.by_name
    ]
    if unknown:
        raise document.refused(unknown)
    return [_verdict(case, _alerts(rules, SmoothingRule.of(settings), case)) for case in file.tests]


def replay(rules: RuleSet, rule: SmoothingRule, sightings: Sequence[Sighting], until_us: int) -> list[Alert]:
    """The alerts of sightings in their order, as the stage would send them; then time goes on to the end."""
    subjects: dict[str, SubjectState] = {}
    votes: dict[str, list[Vote]] = {}
    alerts: list[Alert] = []
    for sighting in sightings:
        who = sighting.event.subject_id
        outcome = alert_engine.step(rules, rule, subjects.get(who), sighting)
        subjects[who] = outcome.state
        alerts += outcome.alerts
        if outcome.vote:
            votes.setdefault(outcome.vote.camera_id, []).append(outcome.vote)
    for state in subjects.values():
        alerts += alert_engine.advance(state, until_us)
    for camera_id, its_votes in votes.items():
        alerts += crowd.count(rules, CrowdState(camera_id), its_votes, until_us)
    return sorted(alerts, key=lambda alert: (alert.at, alert.rule, alert.subject_id or ""))


def _alerts(rules: RuleSet, rule: SmoothingRule, case: Case) -> list[Alert]:
    start_us = (case.start - time_of(0)) // datetime.timedelta(microseconds=1)
    sightings = [
        _sighting(face, start_us, face.from_us + round(frame * 1e6 / face.fps))
        for face in case.faces
        for frame in range(round((face.to_us - face.from_us) * face.fps / 1e6))
    ]
    sightings.sort(key=lambda one: one.event.captured_at)
    until_us = captured_at_us(sightings[-1].event) if sightings else start_us
    if case.until_us is not None:
        until_us = max(until_us, start_us + case.until_us)
    return replay(rules, rule, sightings, until_us)


def _sighting(face: Face, start_us: int, at_us: int) -> Sighting:
    shown: dict[str, float] = {name: face.shows.get(name, 0.0) for name in EMOTIONS}
    shown["neutral"] += max(0.0, 1 - sum(shown.values()))
    top = max(EMOTIONS, key=lambda name: shown[name])
    subject_id = f"{face.camera}:{face.subject}"
    event = EmotionEvent(
        event_id=f"{subject_id}@{at_us // 1000}ms",
        camera_id=face.camera,
        subject_id=subject_id,
        frame_seq=(start_us + at_us) // 1000,
        captured_at=time_of(start_us + at_us),
        face=FaceBox(0.4, 0.4, 0.2, 0.2),
        pose=Pose(0.0, 0.0, 0.0),
        emotion=None if face.abstains else top,
        confidence=shown[top] if face.confidence is None else face.confidence,
        abstained="low-confidence" if face.abstains else None,
        probabilities=Probabilities(**shown),
        explanation=Explanation(
            method="integrated-gradients",
            target=top,
            baseline="subject" if face.own_neutral else "population",
            score_change=0.0,
            completeness_error=0.0,
            landmarks=[],
            regions={},
            text="",
            attributions=[],
        ),
        model=Model("made-up", "0", "none"),
        still=face.still,
    )
    return Sighting(event, face.camera_is)


def _verdict(case: Case, alerts: Sequence[Alert]) -> Verdict:
    left = list(alerts)
    missing = []
    for expected in case.alerts:
        its = next((alert for alert in left if _is(expected, alert, case.start)), None)
        if its is None:
            who = f"{expected.camera}:{expected.subject}" if expected.subject else expected.camera
            missing.append(f"{expected.rule} {expected.state} at {expected.at_us / 1e6:g} s, {who}")
        else:
            left.remove(its)
    return Verdict(case.name, missing, [_line(alert, case.start) for alert in left])


def _is(expected: Expected, alert: Alert, start: datetime.datetime) -> bool:
    at_us = (alert.at - start) // datetime.timedelta(microseconds=1)
    subject = alert.subject_id and alert.subject_id.partition(":")[2]
    return (
        (alert.rule, alert.state, alert.camera_id) == (expected.rule, expected.state, expected.camera)
        and (expected.subject is None or subject == expected.subject)
        and abs(at_us - expected.at_us) <= AT_TOLERANCE_US
    )


def _line(alert: Alert, start: datetime.datetime) -> str:
    at_s = (alert.at - start).total_seconds()
    return f"{alert.rule} {alert.state} at {at_s:.2f} s, {alert.subject_id or alert.camera_id}"
