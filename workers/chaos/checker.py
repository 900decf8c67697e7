"""What a run's log shows, by anomaly: a pure function that knows nothing of faults, as in Jepsen's Kafka
workload (jepsen.tests.kafka, https://github.com/jepsen-io/jepsen).

Every picture shows one face, so every frame that Kafka took has one face, one event and one subject.

    lost              frames without an event; frames that a camera says Kafka took and that it has not
    twice in topic    records of mien.landmarks, of mien.emotions beyond the first of a frame and subject
    twice in effect   events that Redis counted more than the fold of the topic does
    lost in effect    … and fewer
    out of order      events that came once and are fenced: an older one behind a newer one of its run
    two ids           frames with two subjects; one frame with two event ids
    ids changed       how often two frames that follow each other in a camera's run have different subjects
    offsets back      how often a group's committed offset was less than before
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from workers.chaos.faults import GRACEFUL
from workers.chaos.run_log import FaceSeen, FrameId, ProcessSeen, RoundLog, RunLog
from workers.chaos.scorecard import Growth, Recovery, Scorecard, Twice

RECOVERED_WITHIN_S = 15.0
"""Beyond the session time-out: the promise of docs/chaos.md."""
BATCH_MAX = 64
"""Messages that a worker has in hand, at most: the most that one fault may have done twice."""


def check(log: RunLog) -> Scorecard:
    """The scorecard of a run."""
    frames = {seen.frame for seen in log.frames}
    with_face = {seen.frame for seen in log.landmarks}
    with_event = {seen.frame for seen in log.emotions}
    expected, distinct = fold(log.emotions), _distinct(log.emotions)
    counted = {kept.subject_id: kept.events for kept in log.kept}
    subjects = expected.keys() | counted.keys()
    twice = {"landmarks": repeats(log.landmarks), "emotions": repeats(log.emotions)}
    recoveries = [r.recovered_s - r.mended_s for r in log.rounds if r.recovered_s is not None]
    card = Scorecard(
        seed=log.seed,
        rounds=len(log.rounds),
        seconds=max((seen.at_s for seen in log.frames), default=0.0),
        frames_sent=len(frames),
        events_expected=len(frames),
        lost_by_kafka=_lost_by_kafka(log, frames),
        lost_by_landmarks=len(frames - with_face),
        lost=len(frames - with_event),
        twice_in_topic={
            name: Twice(len(times), _most_in_a_fault(times, log)) for name, times in twice.items()
        },
        twice_in_effect=sum(max(0, counted.get(s, 0) - expected.get(s, 0)) for s in subjects),
        lost_in_effect=sum(max(0, expected.get(s, 0) - counted.get(s, 0)) for s in subjects),
        out_of_order=sum(distinct[s] - expected.get(s, 0) for s in distinct),
        frames_with_two_ids=len(two_ids(log.landmarks) | two_ids(log.emotions)),
        events_with_two_ids=_events_with_two_ids(log.emotions),
        ids_changed=ids_changed(log.emotions),
        offsets_back=_offsets_back(log),
        dead_lettered=dict(Counter(f"{letter.stage}: {letter.reason}" for letter in log.dead_letters)),
        longest_gap_s=_longest_gap_s(log.emotions),
        not_recovered=[" + ".join(r.faults) for r in log.rounds if r.recovered_s is None],
        recovery_s=Recovery.of(recoveries),
        recovery_s_by_fault=_recovery_by_fault(log.rounds),
        memory=_growth(log.processes),
        ended_by_themselves=dict(Counter(log.ended_by_themselves)),
        left_out=log.left_out,
    )
    return card.judged(_violations(card, log))


def _violations(card: Scorecard, log: RunLog) -> list[str]:
    """Every promise that was broken, in words."""
    limit_s = log.session_timeout_s + RECOVERED_WITHIN_S
    broken = {
        f"{card.lost} frames have no event": card.lost,
        f"{card.lost_by_kafka} frames that Kafka took are not in it": card.lost_by_kafka,
        f"{card.twice_in_effect} events count twice in Redis": card.twice_in_effect,
        f"{card.lost_in_effect} events do not count in Redis": card.lost_in_effect,
        f"{card.out_of_order} events came behind newer ones of their subject and run": card.out_of_order,
        f"{card.frames_with_two_ids} frames have two subjects": card.frames_with_two_ids,
        f"{card.events_with_two_ids} events have two ids": card.events_with_two_ids,
        f"committed offsets went back {card.offsets_back} times": card.offsets_back,
        f"{sum(card.dead_lettered.values())} messages were refused": card.dead_lettered,
        f"not recovered from {', '.join(card.not_recovered)}": card.not_recovered,
        f"recovery takes {card.recovery_s.p95:.1f} s (95 of 100), more than {limit_s:g}": card.recovery_s.p95
        > limit_s,
        "no frame was sent": card.frames_sent == 0,
    }
    for name, twice in card.twice_in_topic.items():
        broken[f"{twice.most_in_a_fault} records twice in {name} by one fault, more than a batch"] = (
            twice.most_in_a_fault > BATCH_MAX
        )
    if {name for r in log.rounds for name in r.faults} <= GRACEFUL:
        broken[f"ids changed {card.ids_changed} times although no worker died"] = card.ids_changed
    return [what for what, happened in broken.items() if happened]


def fold(events: Sequence[FaceSeen]) -> Counter[str]:
    """How many events of each subject a state counts that takes them in the topic's order, and of each run
    drops what is not newer than the last."""
    counts: Counter[str] = Counter()
    last: dict[tuple[str, int], int] = {}
    for event in sorted(events, key=lambda seen: seen.place):
        who = (event.subject_id, event.frame.run)
        if event.frame.seq > last.get(who, -1):
            last[who] = event.frame.seq
            counts[event.subject_id] += 1
    return counts


def _distinct(events: Iterable[FaceSeen]) -> Counter[str]:
    return Counter(subject for _, subject in {(event.frame, event.subject_id) for event in events})


def repeats(records: Sequence[FaceSeen]) -> list[float]:
    """When each record came that is not the first of its frame and subject."""
    seen: set[tuple[FrameId, str]] = set()
    times = []
    for record in sorted(records, key=lambda record: record.at_s):
        key = (record.frame, record.subject_id)
        if key in seen:
            times.append(record.at_s)
        seen.add(key)
    return times


def _most_in_a_fault(times: Sequence[float], log: RunLog) -> int:
    """The most repeats of one round, divided among its faults; what came before the first counts as one's."""
    begins = [r.began_s for r in log.rounds]
    by_round = Counter(int(np.searchsorted(begins, at_s, side="right")) - 1 for at_s in times)
    return max(
        (
            -(-count // max(1, len(log.rounds[n].faults))) if n >= 0 else count
            for n, count in by_round.items()
        ),
        default=0,
    )


def two_ids(records: Iterable[FaceSeen]) -> set[FrameId]:
    """Frames that have more than one subject."""
    found: dict[FrameId, set[str]] = defaultdict(set)
    for record in records:
        found[record.frame].add(record.subject_id)
    return {frame for frame, subjects in found.items() if len(subjects) > 1}


def _events_with_two_ids(events: Iterable[FaceSeen]) -> int:
    found: dict[tuple[FrameId, str], set[str]] = defaultdict(set)
    for event in events:
        found[event.frame, event.subject_id].add(event.event_id)
    return sum(len(ids) > 1 for ids in found.values())


def ids_changed(events: Iterable[FaceSeen]) -> int:
    """How often a frame's subject is another than that of the frame before it in the camera's run."""
    subjects: dict[FrameId, str] = {}
    for event in events:
        subjects.setdefault(event.frame, event.subject_id)
    return sum(
        a[:2] == b[:2] and subjects[a] != subjects[b]  # of one camera and run
        for a, b in pairwise(sorted(subjects))
    )


def _offsets_back(log: RunLog) -> int:
    rewound = [r for r in log.rounds if "rewind-state" in r.faults]  # there it is what was asked for
    last: dict[tuple[str, int], int] = {}
    back = 0
    for seen in log.offsets:
        meant = seen.group.endswith("-state") and any(
            r.began_s <= seen.at_s <= r.mended_s + log.session_timeout_s for r in rewound
        )
        back += not meant and seen.offset < last.get((seen.group, seen.partition), 0)
        last[seen.group, seen.partition] = seen.offset
    return back


def _lost_by_kafka(log: RunLog, frames: Iterable[FrameId]) -> int:
    """Of cameras that said how many Kafka took: how many more than are there."""
    there = Counter(frame[:2] for frame in frames)
    newest: dict[str, int] = {}
    for camera_id, run in there:
        newest[camera_id] = max(run, newest.get(camera_id, 0))
    return sum(
        max(0, sent.published - there[sent.camera_id, newest.get(sent.camera_id, 0)]) for sent in log.sent
    )


def _longest_gap_s(events: Iterable[FaceSeen]) -> float:
    """The longest time in which a camera had no event."""
    times: dict[str, list[float]] = defaultdict(list)
    for event in events:
        times[event.frame.camera_id].append(event.at_s)
    return max((b - a for of in times.values() for a, b in pairwise(sorted(of))), default=0.0)


def _recovery_by_fault(rounds: Iterable[RoundLog]) -> dict[str, Recovery]:
    """Of every fault, alone or beside another."""
    taken: dict[str, list[float]] = defaultdict(list)
    for r in rounds:
        for name in r.faults:
            taken[name] += [] if r.recovered_s is None else [r.recovered_s - r.mended_s]
    return {name: Recovery.of(times) for name, times in sorted(taken.items())}


def _growth(processes: Iterable[ProcessSeen]) -> dict[str, Growth]:
    """By name, of the process that lived longest under it: what a new one uses is no growth."""
    lives: dict[tuple[str, int], list[ProcessSeen]] = defaultdict(list)
    for seen in processes:
        lives[seen.name, seen.pid].append(seen)
    longest: dict[str, list[ProcessSeen]] = {}
    for (name, _), life in lives.items():
        if len(life) > len(longest.get(name, ())):
            longest[name] = life
    return {name: _growth_of(life) for name, life in sorted(longest.items())}


def _growth_of(life: Sequence[ProcessSeen]) -> Growth:
    warm = life[len(life) // 4 :]  # the first quarter is its start
    return Growth(
        seconds=life[-1].at_s - life[0].at_s,
        rss_mib_warm=warm[0].rss_mib,
        rss_mib_last=life[-1].rss_mib,
        rss_mib_peak=max(seen.rss_mib for seen in life),
        fds_warm=warm[0].fds,
        fds_last=life[-1].fds,
        fds_peak=max(seen.fds for seen in life),
    )
