"""How long one rule's condition has held for one subject (or one camera): when it fires, when it is over.

All times are event times, so the same events give the same alerts whenever they are worked on.

- A **sample** says whether the condition holds. It speaks for the time since the last one, `SPEAKS_US` at
  most; of what lies longer ago nothing is known, and it counts as not held.
- **Fires**: once the condition held for the rule's share of the last ``for``. So with ``share`` 0.8 a
  condition that holds without a break fires after 0.8 × ``for``. A ``for`` of 0 fires at once.
- **Over**: when it has not held for ``clear_for``, whether the face shows something else or is gone. That
  time is known from the samples alone, so it does not matter who notices it, nor when.
- **Cooldown**: from then on for so long it does not begin again.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from streams.messages.alert import Alert, AlertEvidence, alert_id
from streams.messages.emotion_event import Emotion, time_of
from workers.alerts.rules import Rule

SPEAKS_US: Final = 1_500_000
EVENTS_MAX: Final = 20
RUNS_MAX: Final = 200
"""Of a condition that flickers; the oldest are forgotten then, and count as not held."""

_NO_EVIDENCE: Final = AlertEvidence([], 0.0, 0.0, None, "population", {}, [], "", "")


class Look(msgspec.Struct, frozen=True, array_like=True):
    """What one event adds to the evidence."""

    at_us: int
    event_id: str
    subject_id: str
    emotion: Emotion | None
    own: bool
    regions: dict[str, float]
    actions: list[str]
    text: str
    camera: str


class Run(msgspec.Struct, array_like=True):
    """A time in which the condition held without a break, or did not."""

    began_us: int
    """When it began, also where its beginning has left the window since."""
    start_us: int
    end_us: int
    held: bool
    value_us: float
    """∫ value dt."""


class Track(msgspec.Struct, array_like=True):
    """One rule and subject. Empty until the condition holds."""

    runs: list[Run] = []
    events: list[tuple[int, str]] = []
    """Time and id of contributing events: every ``stride``-th."""
    seen: int = 0
    stride: int = 1
    peak: float = 0.0
    strongest: Look | None = None
    subjects: list[str] = []
    last_held_us: int = 0
    held_us: int = 0
    value_us: float = 0.0
    alert: Alert | None = None
    """While it fires."""
    clear_us: int = 0
    cooldown_us: int = 0
    resting_until_us: int = 0

    @property
    def over_at_us(self) -> int | None:
        """When the alert is resolved, if the condition does not hold again before; None if none fires."""
        return self.last_held_us + self.clear_us if self.alert else None

    def forgettable(self, at_us: int) -> bool:
        """Whether it says no more than a new one."""
        return not self.runs and self.alert is None and at_us >= self.resting_until_us


def holds(
    track: Track,
    rule: Rule,
    camera_id: str,
    who: str | None,
    value: float,
    look: Look,
    step_us: int,
    subjects: Sequence[str] = (),
) -> Alert | None:
    """Takes a sample that holds; the alert, if it fires now.

    Args:
        who: the subject; None where the rule asks for several of a camera.
        step_us: the sample speaks for so long.
        subjects: who was counted, where the rule asks for several.
    """
    at_us = look.at_us
    if at_us < track.resting_until_us:
        return None
    if track.alert is None:
        _extend(track, at_us, step_us, True, value)
        _trim(track, at_us - rule.for_us)
    else:
        track.held_us += step_us
        track.value_us += step_us * value
    _note(track, value, look, track.runs[0].start_us if track.runs else 0)
    for subject in subjects:
        if subject not in track.subjects and len(track.subjects) < EVENTS_MAX:
            track.subjects.append(subject)
    track.last_held_us = at_us
    if track.alert is not None:
        return None
    held = [run for run in track.runs if run.held]
    held_us = sum([run.end_us - run.start_us for run in held])
    if held_us < rule.needed_us:
        return None
    track.held_us, track.value_us = held_us, sum([run.value_us for run in held])
    track.clear_us, track.cooldown_us = rule.clear_for_us, rule.cooldown_us
    alert = _alert(track, rule, camera_id, who, value, at_us)
    track.alert = msgspec.structs.replace(alert, evidence=_NO_EVIDENCE)  # that grows until the end
    track.runs = []
    return alert


def lapses(track: Track, rule: Rule | None, at_us: int, step_us: int) -> None:
    """Takes a sample that does not hold; ``rule`` is None if there is no such rule any more."""
    if track.alert is not None or not track.runs:
        return
    if rule is None:
        _clear(track)
        return
    _extend(track, at_us, step_us, False, 0.0)
    _trim(track, at_us - rule.for_us)


def resolve(track: Track, until_us: int) -> Alert | None:
    """The resolved alert, if it is over by this time; the track begins anew."""
    over_at_us, alert = track.over_at_us, track.alert
    if alert is None or over_at_us is None or until_us < over_at_us:
        return None
    mean = track.value_us / track.held_us if track.held_us else alert.value
    resolved = msgspec.structs.replace(
        alert,
        state="resolved",
        at=time_of(over_at_us),
        value=round(mean, 6),
        evidence=_evidence(track, mean),
    )
    track.resting_until_us = over_at_us + track.cooldown_us
    _clear(track)
    return resolved


def set_back(track: Track, at_us: int) -> None:
    """The camera's clock was set back to this time: durations begin anew, an alert stays."""
    if track.alert is None:
        _clear(track)
    track.last_held_us = min(track.last_held_us, at_us)
    track.resting_until_us = min(track.resting_until_us, at_us + track.cooldown_us)


def _clear(track: Track) -> None:
    track.runs, track.events, track.subjects = [], [], []
    track.seen, track.stride = 0, 1
    track.peak, track.strongest, track.alert = 0.0, None, None
    track.held_us, track.value_us = 0, 0.0


def _extend(track: Track, at_us: int, step_us: int, held: bool, value: float) -> None:
    runs = track.runs
    if not runs:  # the first one that holds: from now on
        runs.append(Run(at_us, at_us, at_us, held, 0.0))
        return
    if runs[-1].end_us < at_us - step_us:  # nothing was known in between
        if runs[-1].held:
            runs.append(Run(runs[-1].end_us, runs[-1].end_us, at_us - step_us, False, 0.0))
        else:
            runs[-1].end_us = at_us - step_us
    if runs[-1].held == held:
        runs[-1].end_us = at_us
        runs[-1].value_us += value * step_us
    else:
        runs.append(Run(at_us - step_us, at_us - step_us, at_us, held, value * step_us))
    del runs[:-RUNS_MAX]


def _trim(track: Track, start_us: int) -> None:
    """Forgets what lies before the window, and then what did not hold at its beginning."""
    runs = track.runs
    gone = 0
    for run in runs:
        if run.end_us >= start_us and run.held:
            break
        gone += 1
    del runs[:gone]
    if not runs:
        _clear(track)
        return
    first = runs[0]
    if first.start_us < start_us:
        length_us = first.end_us - first.start_us
        first.value_us *= (first.end_us - start_us) / length_us if length_us else 1.0
        first.start_us = start_us


def _note(track: Track, value: float, look: Look, window_us: int) -> None:
    if track.strongest is None or value > track.peak or track.strongest.at_us < window_us:
        track.peak, track.strongest = value, look
    if track.events and track.events[0][0] < window_us:
        track.events = [event for event in track.events if event[0] >= window_us]
    if track.seen % track.stride == 0:
        if len(track.events) == EVENTS_MAX:
            track.events = track.events[::2]
            track.stride *= 2
        if track.seen % track.stride == 0:
            track.events.append((look.at_us, look.event_id))
    track.seen += 1


def _alert(track: Track, rule: Rule, camera_id: str, who: str | None, value: float, at_us: int) -> Alert:
    started_us = track.runs[0].began_us
    mean = track.value_us / track.held_us if track.held_us else value
    return Alert(
        alert_id=alert_id(rule.name, who or camera_id, started_us),
        rule=rule.name,
        severity=rule.severity,
        state="firing",
        camera_id=camera_id,
        subject_id=who,
        started_at=time_of(started_us),
        at=time_of(at_us),
        summary=_summary(track, rule, mean, at_us - started_us),
        value=round(mean, 6),
        threshold=rule.threshold,
        labels=rule.labels,
        evidence=_evidence(track, mean),
    )


def _evidence(track: Track, mean: float) -> AlertEvidence:
    look = track.strongest
    assert look is not None  # noqa: S101  # nosec B101  # a sample that held was noted
    return AlertEvidence(
        events=[event_id for _, event_id in track.events],
        peak=round(track.peak, 6),
        mean=round(mean, 6),
        emotion=look.emotion,
        baseline="subject" if look.own else "population",
        regions=look.regions,
        actions=look.actions,
        text=look.text,
        camera=look.camera,
        subjects=list(track.subjects),
    )


def _summary(track: Track, rule: Rule, mean: float, lasted_us: int) -> str:
    """``Fear or sadness for 4 s (0.82), own neutral face.``"""
    words = " or ".join(rule.emotions)
    if rule.change is not None and rule.over_us is not None:
        moved = f"up by {mean:.2f}" if rule.change > 0 else f"down by {mean:.2f}"
        what = f"{words} {moved} against the last {_time(rule.over_us)}, for {_time(lasted_us)}"
    else:
        what = f"{words} for {_time(lasted_us)} ({mean:.2f})"
    if rule.is_crowd:
        what = f"{rule.subjects_at_least} faces or more: {what}"
    own = track.strongest is not None and track.strongest.own
    return f"{what[0].upper()}{what[1:]}, {'own' if own else 'average'} neutral face."


def _time(us: int) -> str:
    return f"{us / 60e6:g} min" if us >= 60e6 else f"{us / 1e6:.3g} s"
