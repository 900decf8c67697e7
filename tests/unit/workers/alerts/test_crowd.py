"""Several faces at once: counted frame by frame, in whatever order their votes come."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_sightings import CALM, FEAR, SMOOTHING, START_US, See, rules_of

from streams.messages.alert import Alert
from workers.alerts import alert_engine, crowd
from workers.alerts.alert_engine import SubjectState, Vote
from workers.alerts.crowd import CrowdState

RULES = rules_of(
    "  - {name: crowd, emotions: [fear], probability: 0.6, for: 1s, subjects_at_least: 2, clear_for: 2s}\n"
)
LATEST_US = 2_000_000
"""How late votes are here, at most."""
Shown = Sequence[dict[str, float] | None]
_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(CrowdState)


def votes_of(see: See, *shown: Shown) -> list[list[Vote]]:
    """The votes of each subject."""
    found = []
    for i, show in enumerate(shown):
        state: SubjectState | None = None
        votes = []
        for sighting in see(show, subject=str(i)):
            outcome = alert_engine.step(RULES, SMOOTHING, state, sighting)
            state = outcome.state
            assert outcome.alerts == []
            votes += [outcome.vote] if outcome.vote else []
        found.append(votes)
    return found


def count(votes: Sequence[Vote], until_s: float = 1000) -> list[Alert]:
    return crowd.count(RULES, CrowdState("lobby-1"), votes, START_US + round(until_s * 1e6))


@pytest.mark.parametrize(
    ("shown", "states"),
    [
        ([[FEAR] * 30], []),
        ([[FEAR] * 30, [CALM] * 30], []),
        ([[FEAR] * 30, [FEAR] * 30], ["firing", "resolved"]),
        ([[FEAR] * 30 + [CALM] * 30, [CALM] * 30 + [FEAR] * 30], []),  # not at once
        ([[FEAR] * 30, [CALM] * 10 + [FEAR] * 20, [FEAR] * 30], ["firing", "resolved"]),
        ([[FEAR] * 60, [FEAR, None, None, None] * 15], ["firing", "resolved"]),  # counts on for a while
    ],
)
def test_as_many_as_the_rule_asks_for(see: See, shown: list[Shown], states: list[str]) -> None:
    alerts = count([vote for votes in votes_of(see, *shown) for vote in votes])

    assert [alert.state for alert in alerts] == states
    assert all(alert.subject_id is None and alert.camera_id == "lobby-1" for alert in alerts)


def test_its_evidence_names_who_was_counted(see: See) -> None:
    votes = votes_of(see, [FEAR] * 30, [CALM] * 30, [FEAR] * 30)
    alert = count([vote for its in votes for vote in its])[0]

    assert alert.evidence.subjects == ["lobby-1:0", "lobby-1:2"]
    assert alert.summary.startswith("2 faces or more: fear for 1 s (")


@settings(max_examples=25)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([FEAR, CALM, None]), st.integers(1, 30)), min_size=1, max_size=5),
        min_size=2,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_votes_come_does_not_matter(
    see: See, shows: list[list[tuple[dict[str, float] | None, int]]], chance: random.Random
) -> None:
    """Nor does an interruption, nor a vote that comes again."""
    shown = [[p for p, frames in show for _ in range(frames)] for show in shows]
    votes = [vote for its in votes_of(see, *shown) for vote in its]
    expected = count(votes)
    arriving = sorted(votes, key=lambda vote: vote.look.at_us + chance.randrange(LATEST_US))
    state = CrowdState("lobby-1")
    alerts: list[Alert] = []
    come: list[Vote] = []
    for vote in arriving:
        come.append(vote)
        if chance.random() < 0.2:
            until_us = max(one.look.at_us for one in come) - LATEST_US
            state = _unpacker.decode(_packer.encode(state))
            alerts += crowd.count(RULES, state, come + chance.sample(come, len(come) // 2), until_us)
    alerts += crowd.count(RULES, state, come, START_US + 1_000_000_000)

    assert alerts == expected
