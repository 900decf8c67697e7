"""From emotion events to alerts, subject by subject: (rules, state, event) → (state, alerts).

It knows no clock and no server: the same events in a subject's order give the same alerts, with the same ids,
however often they come and wherever the work is interrupted, as long as the state goes with it.

- An event of a frame that its run has passed is a replay, and changes nothing (`RunFence`).
- Before an event is looked at, time is moved on to it (`advance`): what is over by then is resolved. Whoever
  moves time on earlier, because the camera's other faces or a clock say that the subject is gone, gets the
  same resolved alert earlier.
- Rules that ask for several faces are decided by `workers/alerts/crowd.py`; a subject adds its `Vote`.
"""

from typing import Final, NamedTuple, Self

import msgspec

from streams.messages.alert import Alert
from streams.messages.emotion_event import EmotionEvent, captured_at_us
from workers.alerts import smoothing, track
from workers.alerts.rules import CameraRules, Circumstances, Rule, RuleSet
from workers.alerts.smoothing import Smoothing, SmoothingRule
from workers.alerts.track import SPEAKS_US, Look, Track

SCHEMA: Final = "mien.alert-state/1"
RUNS_MAX: Final = 4


class Sighting(NamedTuple):
    """An event, and what else is known of its face and its camera at that time."""

    event: EmotionEvent
    camera: str = "unknown"
    """The camera's truth: ``ok``, ``frozen`` …"""


class Mean(msgspec.Struct, array_like=True):
    """A subject's mean over the last minutes: of all samples at first, then with old ones fading."""

    since_us: int
    values: list[float]


class RunFence(msgspec.Struct, array_like=True):
    """Which frames were seen, by the rule of `streams/store/subject_fence.lua`: the last one of each run.

    Of more than `RUNS_MAX` runs the oldest is dropped; it and what is older is over for good.
    """

    last_seq: dict[int, int] = {}
    dropped_run: int = -1

    def passes(self, run: int, seq: int) -> bool:
        """Whether the frame is new; then it is seen from now on."""
        last = self.last_seq.get(run)
        if run <= self.dropped_run if last is None else seq <= last:
            return False
        self.last_seq[run] = seq
        if len(self.last_seq) > RUNS_MAX:
            self.dropped_run = min(self.last_seq)
            del self.last_seq[self.dropped_run]
        return True


class SubjectState(msgspec.Struct, array_like=True, tag=SCHEMA):
    """What must be known of a subject between two of its events."""

    camera_id: str
    subject_id: str
    fence: RunFence = msgspec.field(default_factory=RunFence)
    seen_us: int = 0
    sample_us: int = 0
    """Time of the last event that did not abstain; 0 before the first."""
    smoothing: Smoothing | None = None
    means: dict[str, Mean] = {}
    """By their length in µs."""
    tracks: dict[str, Track] = {}
    """By rule; those that say nothing are left out."""

    @classmethod
    def of(cls, event: EmotionEvent) -> Self:
        """Before the first event."""
        return cls(event.camera_id, event.subject_id, means={}, tracks={})

    @property
    def firing(self) -> list[Alert]:
        return [t.alert for t in self.tracks.values() if t.alert]


class Vote(msgspec.Struct, frozen=True, array_like=True):
    """What one face in one frame says to the rules that ask for several."""

    camera_id: str
    look: Look
    values: dict[str, float]
    """By rule, where its condition holds."""


class Outcome(NamedTuple):
    """What an event changed."""

    state: SubjectState
    alerts: list[Alert]
    vote: Vote | None = None
    applied: bool = True
    """False: a replay."""


def step(rules: RuleSet, rule: SmoothingRule, state: SubjectState | None, sighting: Sighting) -> Outcome:
    """Works on one event. ``state`` is used up: go on with the one in the outcome."""
    event = sighting.event
    state = state or SubjectState.of(event)
    if not state.fence.passes(event.run, event.frame_seq):
        return Outcome(state, [], applied=False)
    at_us = captured_at_us(event)
    alerts = advance(state, at_us)
    if at_us < state.seen_us:
        for one in state.tracks.values():
            track.set_back(one, at_us)
    state.seen_us = at_us
    if event.emotion is None:
        return Outcome(state, alerts)
    first = not state.sample_us
    step_us = 0 if first else min(max(at_us - state.sample_us, 0), SPEAKS_US)
    state.sample_us = at_us
    own = event.explanation.baseline == "subject"
    probabilities = _smoothed(state, rule, event, at_us, own)
    camera_rules = rules.of_camera(event.camera_id)
    facing = Circumstances(at_us, event.confidence, own, event.still, sighting.camera)
    found = _holding(camera_rules, state, probabilities, facing)
    _learn(camera_rules, state, probabilities, at_us, step_us)
    look: Look | None = None
    votes: dict[str, float] = {}
    held: set[str] = set()
    for one_rule, value in found:
        look = look or _look(sighting, at_us, own)
        if one_rule.is_crowd:
            votes[one_rule.name] = value
            continue
        held.add(one_rule.name)
        its = state.tracks.get(one_rule.name)
        if its is None:
            its = state.tracks[one_rule.name] = Track()
        fired = track.holds(its, one_rule, event.camera_id, event.subject_id, value, look, step_us)
        if fired:
            alerts.append(fired)
    for name in [name for name in state.tracks if name not in held]:
        its = state.tracks[name]
        track.lapses(its, rules.by_name.get(name), at_us, step_us)
        if its.forgettable(at_us):
            del state.tracks[name]
    vote = None
    if camera_rules.crowd:
        its_look = look if look and votes else _look(sighting, at_us, own, briefly=True)
        vote = Vote(event.camera_id, its_look, votes)
    return Outcome(state, alerts, vote)


def advance(state: SubjectState, until_us: int) -> list[Alert]:
    """Moves a subject's time on: the alerts that are resolved by then, in the order of that."""
    resolved = [alert for one in state.tracks.values() if (alert := track.resolve(one, until_us))]
    return sorted(resolved, key=lambda alert: (alert.at, alert.rule)) if resolved else resolved


def _smoothed(
    state: SubjectState, rule: SmoothingRule, event: EmotionEvent, at_us: int, own: bool
) -> list[float]:
    yaw_deg, pitch_deg = event.pose.yaw, event.pose.pitch
    if state.smoothing is None:
        state.smoothing = Smoothing.before(yaw_deg, pitch_deg, at_us)
    probabilities = msgspec.structs.astuple(event.probabilities)
    return smoothing.update(state.smoothing, rule, probabilities, yaw_deg, pitch_deg, at_us, own)


def _holding(
    camera_rules: CameraRules, state: SubjectState, probabilities: list[float], facing: Circumstances
) -> list[tuple[Rule, float]]:
    """The rules whose condition holds, with their numbers."""
    found = []
    for group in camera_rules.groups:
        means = None
        if group.over_us:
            mean = state.means.get(str(group.over_us))
            if mean is not None and facing.at_us - mean.since_us >= group.over_us:
                means = mean.values
        value, count = group.holding(probabilities, means)
        found += [(rule, value) for rule in group.rules[:count] if rule.counts(facing)]
    return found


def _learn(
    camera_rules: CameraRules, state: SubjectState, probabilities: list[float], at_us: int, step_us: int
) -> None:
    """Takes a sample into the subject's own means; those that no rule needs any more are forgotten."""
    if len(state.means) > len(camera_rules.overs_us):
        state.means = {name: mean for name, mean in state.means.items() if int(name) in camera_rules.overs_us}
    for over_us in camera_rules.overs_us:
        mean = state.means.get(str(over_us))
        if mean is None or at_us < mean.since_us:
            state.means[str(over_us)] = Mean(at_us, list(probabilities))
            continue
        share = step_us / max(min(at_us - mean.since_us, over_us), step_us, 1)
        mean.values = [m + share * (p - m) for m, p in zip(mean.values, probabilities, strict=True)]


def _look(sighting: Sighting, at_us: int, own: bool, *, briefly: bool = False) -> Look:
    event = sighting.event
    why = event.explanation
    return Look(
        at_us,
        event.event_id,
        event.subject_id,
        event.emotion,
        own,
        {} if briefly else why.regions,
        [] if briefly else [action.name for action in why.actions],
        "" if briefly else why.text,
        sighting.camera,
    )
