"""Rules that ask for several faces of one camera at once: (rules, state, votes) → (state, alerts).

The faces of a camera lie in different partitions, so their votes come in any order. They are counted frame by
frame, each frame when all of its votes are there, which the caller must know. A face counts for the frames up
to `track.SPEAKS_US` after its last vote.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import msgspec

from streams.messages.alert import Alert
from workers.alerts import track
from workers.alerts.alert_engine import Vote
from workers.alerts.rules import Rule, RuleSet
from workers.alerts.track import SPEAKS_US, Look, Track

SCHEMA: Final = "mien.crowd-state/1"


class CrowdState(msgspec.Struct, array_like=True, tag=SCHEMA):
    """What must be known of a camera between two of its frames."""

    camera_id: str
    counted_us: int = 0
    """Frames up to this time are counted; votes for them come too late."""
    votes: dict[str, Vote] = {}
    """The last one of each subject."""
    tracks: dict[str, Track] = {}

    @property
    def firing(self) -> list[Alert]:
        return [t.alert for t in self.tracks.values() if t.alert]


def count(rules: RuleSet, state: CrowdState, votes: Sequence[Vote], until_us: int) -> list[Alert]:
    """Counts the frames up to this time, and resolves what is over by then; changes ``state``.

    Args:
        votes: all that were not counted yet, in any order.
        until_us: up to here no further vote is to come; one that comes nevertheless may not be counted.
    """
    crowd_rules = rules.of_camera(state.camera_id).crowd
    due = [vote for vote in votes if state.counted_us < vote.look.at_us <= until_us]
    due.sort(key=lambda vote: (vote.look.at_us, vote.look.subject_id))
    alerts: list[Alert] = []
    for at_us, frame in groupby(due, key=lambda vote: vote.look.at_us):
        alerts += _resolved(state, at_us)
        step_us = min(at_us - state.counted_us, SPEAKS_US) if state.counted_us else 0
        state.counted_us = at_us
        state.votes = {
            who: vote for who, vote in state.votes.items() if vote.look.at_us >= at_us - SPEAKS_US
        } | {vote.look.subject_id: vote for vote in frame}
        alerts += _hold(state, rules, crowd_rules, at_us, step_us)
    return alerts + _resolved(state, until_us)


def _resolved(state: CrowdState, until_us: int) -> list[Alert]:
    found = [alert for one in state.tracks.values() if (alert := track.resolve(one, until_us))]
    return sorted(found, key=lambda alert: (alert.at, alert.rule))


def _hold(
    state: CrowdState, rules: RuleSet, crowd_rules: Sequence[Rule], at_us: int, step_us: int
) -> list[Alert]:
    alerts = []
    held = set()
    for rule in crowd_rules:
        for_it = sorted(
            (vote for vote in state.votes.values() if rule.name in vote.values),
            key=lambda vote: (-vote.values[rule.name], vote.look.subject_id),
        )
        if len(for_it) < rule.subjects_at_least:
            continue
        held.add(rule.name)
        its = state.tracks.setdefault(rule.name, Track())
        mean = sum(vote.values[rule.name] for vote in for_it) / len(for_it)
        look: Look = msgspec.structs.replace(for_it[0].look, at_us=at_us)
        if fired := track.holds(
            its, rule, state.camera_id, None, mean, look, step_us, [v.look.subject_id for v in for_it]
        ):
            alerts.append(fired)
    for name in [name for name in state.tracks if name not in held]:
        its = state.tracks[name]
        track.lapses(its, rules.by_name.get(name), at_us, step_us)
        if its.forgettable(at_us):
            del state.tracks[name]
    return alerts
