"""When an alert fires and when it is over: by a table; and that events that come again change none of it."""

import random
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_sightings import CALM, FEAR, SMOOTHING, START_US, See, rules_of

from streams.messages.alert import Alert
from streams.messages.emotion_event import captured_at_us, time_of
from workers.alerts import alert_engine
from workers.alerts.alert_engine import RunFence, Sighting, SubjectState
from workers.alerts.rules import RuleSet

RULE = "  - {name: fear, emotions: [fear], probability: 0.6, for: 2s, clear_for: 3s%s}\n"
_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(SubjectState)
Shown = Sequence[dict[str, float] | None]


def work(rules: RuleSet, sightings: Sequence[Sighting], until_s: float | None = None) -> list[Alert]:
    """The alerts of one subject; its state is packed and unpacked between any two events, as in Redis."""
    state: SubjectState | None = None
    alerts = []
    for sighting in sightings:
        outcome = alert_engine.step(rules, SMOOTHING, state, sighting)
        state = _unpacker.decode(_packer.encode(outcome.state))
        alerts += outcome.alerts
    if until_s is not None and state is not None:
        alerts += alert_engine.advance(state, START_US + round(until_s * 1e6))
    return alerts


def told(alerts: Sequence[Alert]) -> list[tuple[str, float]]:
    """State and second of each."""
    return [(alert.state, (alert.at - time_of(START_US)) / timedelta(seconds=1)) for alert in alerts]


def table(name: str, shown: Shown, options: str, until_s: float, *expected: tuple[str, float]) -> object:
    return pytest.param(shown, options, until_s, list(expected), id=name)


@pytest.mark.parametrize(
    ("shown", "options", "until_s", "expected"),
    [
        table("calm", [CALM] * 50, "", 60),
        table("too short", [CALM] * 20 + [FEAR] * 18 + [CALM] * 30, "", 60),
        table("sustained", [CALM] * 20 + [FEAR] * 40, "", 6, ("firing", 4.4)),
        table("then over", [CALM] * 20 + [FEAR] * 40 + [CALM] * 60, "", 12, ("firing", 4.4), ("resolved", 9.3)),  # noqa: E501
        table("then gone", [CALM] * 20 + [FEAR] * 40, "", 60, ("firing", 4.4), ("resolved", 8.9)),
        table("gone, not over yet", [CALM] * 20 + [FEAR] * 40, "", 8.8, ("firing", 4.4)),
        table("again within clear_for", [FEAR] * 40 + [CALM] * 20 + [FEAR] * 20, "", 8, ("firing", 2.2)),
        table("abstentions say nothing", [FEAR, None] * 20, "", 4, ("firing", 2.4)),
        table("only abstentions", [None] * 60, "", 60),
        table(
            "a lapse begins anew", [FEAR] * 15 + [CALM] * 10 + [FEAR] * 30, "", 6, ("firing", 4.9)
        ),
        table("but not with a share", [FEAR] * 15 + [CALM] * 10 + [FEAR] * 30, ", share: 0.5", 6, ("firing", 1.2)),  # noqa: E501
        table("at once", [FEAR] * 5, ", for: 0s", 1, ("firing", 0.2)),
        table(
            "cooldown", ([FEAR] * 30 + [CALM] * 40) * 3, ", cooldown: 4s", 21,
            ("firing", 2.2), ("resolved", 6.3), ("firing", 16.6), ("resolved", 19.9),
        ),
    ],
)  # fmt: skip
def test_when_an_alert_fires_and_is_over(
    see: See, shown: Shown, options: str, until_s: float, expected: list[tuple[str, float]]
) -> None:
    text = RULE % options if ", for" not in options else (RULE % "").replace("for: 2s", "for: 0s")

    found = told(work(rules_of(text), see(shown), until_s))

    assert [state for state, _ in found] == [state for state, _ in expected]
    assert [s for _, s in found] == pytest.approx([s for _, s in expected], abs=0.31)


@pytest.mark.parametrize(
    ("options", "seen", "fires"),
    [
        ("", {}, True),
        (", own_neutral: true", {"own": True}, True),
        (", own_neutral: true", {"own": False}, False),
        (", min_confidence: 0.9", {"confidence": 0.95}, True),
        (", min_confidence: 0.9", {"confidence": 0.85}, False),
        ("", {"still": True}, False),
        (", include_still: true", {"still": True}, True),
        ("", {"camera_is": "frozen"}, False),
        ("", {"camera_is": "unknown"}, True),
        (", include_untrue_cameras: true", {"camera_is": "frozen"}, True),
        (", cameras: [lobby-*]", {"camera": "lobby-9"}, True),
        (", cameras: [lobby-*]", {"camera": "hall"}, False),
        (", schedule: {time_zone: UTC, hours: [{days: thu, from: 08:00, to: 09:00}]}", {}, True),
        (", schedule: {time_zone: UTC, hours: [{days: thu, from: 09:00, to: 10:00}]}", {}, False),
        (", subjects_at_least: 2", {}, False),
    ],
)
def test_what_counts(see: See, options: str, seen: dict[str, object], fires: bool) -> None:
    found = work(rules_of(RULE % options), see([FEAR] * 40, **seen))

    assert [alert.state for alert in found] == ["firing"] * fires


def test_several_emotions_count_together(see: See) -> None:
    torn = {"fear": 0.48, "sadness": 0.48, "neutral": 0.04}
    both = RULE.replace("[fear]", "[fear, sadness]") % ""

    assert work(rules_of(RULE % ""), see([torn] * 40)) == []
    assert len(work(rules_of(both), see([torn] * 40))) == 1


CHANGE = "  - {name: change, emotions: [happiness], change: %s, over: 5s, for: 1s}\n"
HAPPY = {"happiness": 0.95, "neutral": 0.05}


@pytest.mark.parametrize(
    ("change", "shown", "fires"),
    [
        ("0.4", [CALM] * 60 + [HAPPY] * 30, True),
        ("0.4", [HAPPY] * 90, False),  # always so
        ("0.4", [CALM] * 30 + [HAPPY] * 15, False),  # not known for 5 s yet
        ("-0.4", [HAPPY] * 60 + [CALM] * 30, True),
        ("-0.4", [CALM] * 60 + [HAPPY] * 30, False),
    ],
)
def test_a_change_is_one_against_the_subjects_own_last_minutes(
    see: See, change: str, shown: Shown, fires: bool
) -> None:
    found = work(rules_of(CHANGE % change), see(shown))

    assert len(found) == fires


def test_an_alert_carries_its_evidence(see: See) -> None:
    (alert,) = work(rules_of(RULE % ", severity: critical, labels: {team: desk}"), see([FEAR] * 40))

    assert (alert.camera_id, alert.subject_id, alert.severity) == ("lobby-1", "lobby-1:a", "critical")
    assert (alert.labels, alert.threshold) == ({"team": "desk"}, 0.6)
    assert alert.evidence.mean == alert.value
    assert 0.6 <= alert.value <= alert.evidence.peak <= 1
    assert (alert.evidence.emotion, alert.evidence.baseline, alert.evidence.camera) == (
        "fear",
        "subject",
        "ok",
    )
    assert alert.evidence.regions == {"mouth": 0.75, "cheeks": 0.25}
    ids = [one.event.event_id for one in see([FEAR] * 40)]
    assert set(alert.evidence.events) <= set(ids)
    assert 5 <= len(alert.evidence.events) <= 20
    assert alert.summary.startswith("Fear for 2 s (")
    assert alert.summary.endswith("own neutral face.")


def test_evidence_of_a_long_alert_is_bounded_and_of_all_its_time(see: See) -> None:
    fired, resolved = work(rules_of(RULE % ""), see([FEAR] * 3000), 600)
    seqs = [see([FEAR] * 3000)[i].event.event_id for i in (0, 2999)]

    assert resolved.alert_id == fired.alert_id
    assert 10 <= len(resolved.evidence.events) <= 20
    assert resolved.evidence.events[0] != seqs[0] or fired.started_at == time_of(START_US)
    assert resolved.evidence.events[-1] not in fired.evidence.events


def test_a_rule_that_is_gone_still_resolves_what_it_raised(see: See) -> None:
    sightings = see([FEAR] * 30 + [CALM] * 60)
    state: SubjectState | None = None
    alerts = []
    for i, sighting in enumerate(sightings):
        rules = rules_of(RULE % "") if i < 30 else rules_of((RULE % "").replace("name: fear", "name: other"))
        outcome = alert_engine.step(rules, SMOOTHING, state, sighting)
        state = outcome.state
        alerts += outcome.alerts

    assert [(alert.rule, alert.state) for alert in alerts] == [("fear", "firing"), ("fear", "resolved")]
    assert state is not None
    assert state.tracks == {}


def test_a_clock_that_is_set_back_ends_nothing_for_an_hour(see: See) -> None:
    before = see([FEAR] * 15, first=36_000)  # an hour later than what follows
    after = [
        one._replace(event=msgspec.structs.replace(one.event, frame_seq=40_000 + i))
        for i, one in enumerate(see([FEAR] * 40))
    ]

    assert [alert.state for alert in work(rules_of(RULE % ""), [*before, *after])] == ["firing"]


def test_each_run_of_a_camera_has_its_own_numbers() -> None:
    fence = RunFence()
    frames = [(0, 5), (0, 5), (7, 1), (0, 6), (7, 1), (7, 2), (8, 0), (9, 0), (10, 0), (0, 7), (7, 3)]

    assert [fence.passes(*frame) for frame in frames] == [
        True, False, True, True, False, True, True, True, True,
        False, True,  # of more than four runs the oldest is over
    ]  # fmt: skip
    assert fence.dropped_run == 0


def test_what_is_no_longer_of_use_is_not_kept(see: See) -> None:
    state: SubjectState | None = None
    rules = rules_of(RULE % "" + CHANGE % "0.9")
    for sighting in see([CALM] * 20 + [FEAR] * 30 + [CALM] * 60):
        state = alert_engine.step(rules, SMOOTHING, state, sighting).state

    assert state is not None
    assert state.tracks == {}
    assert len(_packer.encode(state)) < 500


SHOWS = st.lists(
    st.tuples(st.sampled_from([FEAR, CALM, HAPPY, None]), st.integers(1, 40)), min_size=1, max_size=8
)
TWO_RULES = rules_of(
    RULE % ", share: 0.7, cooldown: 3s" + CHANGE % "0.3" + (RULE % "").replace("name: fear", "name: strict")
)


def flat(shows: list[tuple[dict[str, float] | None, int]]) -> Shown:
    return [p for p, frames in shows for _ in range(frames)]


@settings(max_examples=25)
@given(SHOWS, st.randoms(use_true_random=False))
def test_replays_change_nothing(
    see: See, shows: list[tuple[dict[str, float] | None, int]], chance: random.Random
) -> None:
    """A worker that dies repeats from any earlier place on, as often as it likes."""
    sightings = see(flat(shows))
    expected = work(TWO_RULES, sightings, 1000)
    told_twice: list[Sighting] = []
    for i, sighting in enumerate(sightings):
        told_twice.append(sighting)
        if chance.random() < 0.1:
            told_twice += sightings[chance.randrange(i + 1) : i + 1]

    assert work(TWO_RULES, told_twice, 1000) == expected
    assert work(TWO_RULES, sightings * 3, 1000) == expected


@settings(max_examples=25)
@given(SHOWS, st.randoms(use_true_random=False))
def test_a_restart_at_any_point_gives_the_same_alerts_once(
    see: See, shows: list[tuple[dict[str, float] | None, int]], chance: random.Random
) -> None:
    """Killed after it sent and before it wrote, it sends the same message again, which its id tells."""
    sightings = see(flat(shows))
    expected = work(TWO_RULES, sightings, 1000)
    kept: bytes | None = None
    sent: dict[tuple[str, str], Alert] = {}
    at = 0
    while at < len(sightings):
        end = min(len(sightings), at + chance.randint(1, 20))
        state = _unpacker.decode(kept) if kept else None
        for sighting in sightings[at:end]:
            outcome = alert_engine.step(TWO_RULES, SMOOTHING, state, sighting)
            state = outcome.state
            for alert in outcome.alerts:
                assert sent.setdefault((alert.alert_id, alert.state), alert) == alert
        if chance.random() < 0.7:  # else it dies here
            assert state is not None
            kept = _packer.encode(state)
            at = max(0, end - chance.randint(0, 5))  # offsets are committed later than the state is written
    state = _unpacker.decode(kept) if kept else SubjectState.of(sightings[0].event)
    for alert in alert_engine.advance(state, START_US + 1_000_000_000):
        sent[alert.alert_id, alert.state] = alert

    assert list(sent.values()) == expected


@settings(max_examples=25)
@given(SHOWS, st.randoms(use_true_random=False))
def test_it_does_not_matter_who_notices_that_time_goes_on(
    see: See, shows: list[tuple[dict[str, float] | None, int]], chance: random.Random
) -> None:
    """Other faces of the camera move its time on, up to the subject's next event."""
    gaps = see(flat(shows))
    sightings = [one for one in gaps if chance.random() < 0.5 or one.event.frame_seq % 70 < 30]
    expected = work(TWO_RULES, sightings, 1000)
    state: SubjectState | None = None
    alerts: list[Alert] = []
    for sighting in sightings:
        if state is not None:
            last_us, next_us = state.seen_us, captured_at_us(sighting.event)
            alerts += alert_engine.advance(state, chance.randint(last_us, next_us))
        outcome = alert_engine.step(TWO_RULES, SMOOTHING, state, sighting)
        state = outcome.state
        alerts += outcome.alerts
    if state is not None:
        alerts += alert_engine.advance(state, START_US + 1_000_000_000)

    assert alerts == expected


@settings(max_examples=25)
@given(st.lists(SHOWS, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_different_subjects_in_a_partition_does_not_matter(
    see: See, shows: list[list[tuple[dict[str, float] | None, int]]], chance: random.Random
) -> None:
    queues = [see(flat(show), subject=str(i)) for i, show in enumerate(shows)]
    expected = [alert for queue in queues for alert in work(TWO_RULES, queue)]
    states: dict[str, SubjectState] = {}
    alerts: list[Alert] = []
    left = [list(queue) for queue in queues]
    while any(left):
        sighting = chance.choice([queue for queue in left if queue]).pop(0)
        outcome = alert_engine.step(TWO_RULES, SMOOTHING, states.get(sighting.event.subject_id), sighting)
        states[sighting.event.subject_id] = outcome.state
        alerts += outcome.alerts

    assert sorted(alerts, key=lambda a: (a.subject_id or "", a.at, a.rule)) == sorted(
        expected, key=lambda a: (a.subject_id or "", a.at, a.rule)
    )
