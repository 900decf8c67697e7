"""The checker of chaos runs: one log by hand for every anomaly, beside one without any."""

import copy
import io
import re
from collections.abc import Callable

import msgspec
import pytest
from rich.console import Console

from workers.chaos.checker import BATCH_MAX, check, fold, ids_changed, repeats, two_ids
from workers.chaos.run_log import (
    DeadLetter,
    FaceSeen,
    FrameId,
    FrameSeen,
    Kept,
    OffsetSeen,
    Place,
    ProcessSeen,
    RoundLog,
    RunLog,
    Sent,
)
from workers.chaos.scorecard import Scorecard, show

RUN = 1_700_000_000_000_000
WHO = "a:1"


def seen(
    seq: int, offset: int | None = None, *, who: str = WHO, run: int = RUN, at_s: float | None = None
) -> FaceSeen:
    frame = FrameId("a", run, seq)
    place = Place(0, seq if offset is None else offset)
    return FaceSeen(frame, who, place, float(seq) if at_s is None else at_s, f"{run}/{seq}/{who}")


def good() -> RunLog:
    """Ten frames, each with its face and event; one fault that was recovered from."""
    log = RunLog(seed=1, session_timeout_s=6.0)
    log.frames = [FrameSeen(FrameId("a", RUN, seq), Place(0, seq), float(seq)) for seq in range(10)]
    log.landmarks = [seen(seq) for seq in range(10)]
    log.emotions = [seen(seq) for seq in range(10)]
    log.kept = [Kept(WHO, RUN, 9, 10)]
    log.sent = [Sent("a", 10)]
    log.rounds = [RoundLog(["kill-state"], 2.0, 4.0, 7.0)]
    log.offsets = [OffsetSeen("mien-state", 0, offset, float(offset)) for offset in (0, 4, 4, 9)]
    log.processes = [ProcessSeen("state-1", 7, 70.0 + n, 10, float(n)) for n in range(8)]
    return log


def broken(change: Callable[[RunLog], None]) -> Scorecard:
    log = copy.deepcopy(good())
    change(log)
    return check(log)


def test_a_good_run_keeps_all_promises() -> None:
    card = check(good())

    assert card.violations == []
    assert (card.frames_sent, card.events_expected, card.lost, card.twice_in_effect) == (10, 10, 0, 0)
    assert (card.recovery_s.p50, card.recovery_s_by_fault["kill-state"].longest) == (3.0, 3.0)
    assert card.longest_gap_s == 1.0
    assert (card.memory["state-1"].rss_mib_warm, card.memory["state-1"].rss_mib_last) == (72.0, 77.0)


def _lose_an_event(log: RunLog) -> None:
    del log.emotions[4]
    log.kept = [Kept(WHO, RUN, 9, 9)]


def _lose_a_face(log: RunLog) -> None:
    del log.landmarks[4]
    _lose_an_event(log)


def _lose_a_frame_in_kafka(log: RunLog) -> None:
    log.sent = [Sent("a", 11)]


def _count_twice(log: RunLog) -> None:
    log.kept = [Kept(WHO, RUN, 9, 11)]


def _count_nobody(log: RunLog) -> None:
    log.kept.append(Kept("a:2", RUN, 3, 1))


def _forget(log: RunLog) -> None:
    log.kept = []


def _come_late(log: RunLog) -> None:
    log.emotions[4], log.emotions[5] = seen(4, offset=5), seen(5, offset=4)
    log.kept = [Kept(WHO, RUN, 9, 9)]


def _give_two_subjects(log: RunLog) -> None:
    log.landmarks.append(seen(4, offset=10, who="a:2"))


def _give_two_event_ids(log: RunLog) -> None:
    log.emotions.append(msgspec.structs.replace(seen(4, offset=10), event_id="another"))


def _go_back(log: RunLog) -> None:
    log.offsets.append(OffsetSeen("mien-state", 0, 8, 10.0))


def _refuse(log: RunLog) -> None:
    log.dead_letters = [DeadLetter("classify", "bad-message", 3.0)]


def _stay_broken(log: RunLog) -> None:
    log.rounds.append(RoundLog(["cut-kafka", "kill-state"], 8.0, 9.0, None))


def _recover_late(log: RunLog) -> None:
    log.rounds = [RoundLog(["cut-kafka"], 2.0, 4.0, 4.0 + 21.1)]


def _repeat_much(log: RunLog) -> None:
    log.emotions += [seen(4, offset=10 + n, at_s=3.0) for n in range(BATCH_MAX + 1)]


def _change_ids_gracefully(log: RunLog) -> None:
    log.rounds = [RoundLog(["storm"], 2.0, 4.0, 7.0)]
    log.landmarks = [seen(seq, who=f"a:{seq // 5}") for seq in range(10)]
    log.emotions = list(log.landmarks)
    log.kept = [Kept("a:0", RUN, 4, 5), Kept("a:1", RUN, 9, 5)]


def _send_nothing(log: RunLog) -> None:
    log.frames, log.landmarks, log.emotions, log.kept, log.sent = [], [], [], [], []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_lose_an_event, "1 frames have no event"),
        (_lose_a_face, "1 frames have no event"),
        (_lose_a_frame_in_kafka, "1 frames that Kafka took are not in it"),
        (_count_twice, "1 events count twice in Redis"),
        (_count_nobody, "1 events count twice in Redis"),
        (_forget, "10 events do not count in Redis"),
        (_come_late, "1 events came behind newer ones"),
        (_give_two_subjects, "1 frames have two subjects"),
        (_give_two_event_ids, "1 events have two ids"),
        (_go_back, "committed offsets went back 1 times"),
        (_refuse, "1 messages were refused"),
        (_stay_broken, "not recovered from cut-kafka \\+ kill-state"),
        (_recover_late, "recovery takes 21.1 s .* more than 21"),
        (_repeat_much, "65 records twice in emotions by one fault"),
        (_change_ids_gracefully, "ids changed 1 times although no worker died"),
        (_send_nothing, "no frame was sent"),
    ],
)
def test_an_anomaly_is_named_and_nothing_else(change: Callable[[RunLog], None], says: str) -> None:
    card = broken(change)

    (violation,) = card.violations
    assert re.search(says, violation), violation


def test_where_a_frame_was_lost_is_told() -> None:
    assert broken(_lose_an_event).lost_by_landmarks == 0
    assert broken(_lose_a_face).lost_by_landmarks == 1


def test_repeats_of_a_batch_are_counted_and_no_breach() -> None:
    card = broken(lambda log: log.emotions.extend(seen(seq, offset=10 + seq, at_s=3.0) for seq in range(3)))

    assert (card.twice_in_topic["emotions"].records, card.twice_in_topic["emotions"].most_in_a_fault) == (
        3,
        3,
    )
    assert card.violations == []


def test_ids_that_change_after_a_kill_are_counted_and_no_breach() -> None:
    def change(log: RunLog) -> None:
        _change_ids_gracefully(log)
        log.rounds = [RoundLog(["kill-landmarks"], 2.0, 4.0, 7.0)]

    card = broken(change)

    assert card.ids_changed == 1
    assert card.violations == []


def test_repeats_are_told_by_fault() -> None:
    def change(log: RunLog) -> None:
        log.rounds = [
            RoundLog(["kill-state"], 2.0, 4.0, 5.0),
            RoundLog(["storm", "cut-redis"], 6.0, 7.0, 8.0),
        ]
        log.landmarks += [seen(1, offset=10 + n, at_s=6.5) for n in range(5)]  # five by two faults
        log.landmarks += [seen(1, offset=20 + n, at_s=2.5) for n in range(2)]

    assert broken(change).twice_in_topic["landmarks"].most_in_a_fault == 3


def test_a_camera_that_starts_again_begins_another_run_and_not_the_first_again() -> None:
    def change(log: RunLog) -> None:
        log.frames += [
            FrameSeen(FrameId("a", RUN + 5, seq), Place(0, 10 + seq), 10.0 + seq) for seq in range(3)
        ]
        more = [seen(seq, offset=10 + seq, run=RUN + 5, who="a:2", at_s=10.0 + seq) for seq in range(3)]
        log.landmarks += more
        log.emotions += more
        log.kept.append(Kept("a:2", RUN + 5, 2, 3))
        log.sent = [Sent("a", 3)]  # what the second process says

    card = broken(change)

    assert card.violations == []
    assert (card.frames_sent, card.ids_changed) == (13, 0)


def test_offsets_that_were_set_back_on_purpose_are_no_breach() -> None:
    def change(log: RunLog) -> None:
        _go_back(log)
        log.rounds = [RoundLog(["rewind-state"], 9.0, 9.5, 10.5)]

    assert broken(change).offsets_back == 0


def test_the_fold_drops_what_is_not_newer() -> None:
    assert fold([seen(1, 0), seen(2, 1), seen(1, 2), seen(2, 3), seen(3, 4)]) == {WHO: 3}
    assert fold([seen(5, 0), seen(1, 1, run=RUN + 1), seen(6, 2), seen(1, 3, run=RUN + 1)]) == {WHO: 3}


def test_parts_of_it_alone() -> None:
    assert repeats([seen(1, at_s=1), seen(1, at_s=5), seen(2, at_s=2)]) == [5]
    assert two_ids([seen(1), seen(1, who="b"), seen(2)]) == {FrameId("a", RUN, 1)}
    assert ids_changed([seen(1), seen(2), seen(3, who="b"), seen(4, who="b"), seen(9)]) == 2


def test_a_scorecard_reads_well_and_goes_through_json() -> None:
    card = broken(_count_twice)
    console = Console(record=True, width=160, file=io.StringIO())
    show(card, console)
    text = console.export_text()

    assert "BROKEN: 1 events count twice in Redis" in text
    assert "kill-state" in text
    assert msgspec.json.decode(msgspec.json.encode(card), type=Scorecard) == card


def test_a_log_goes_through_json_and_is_judged_the_same() -> None:
    log = good()

    assert check(msgspec.json.decode(msgspec.json.encode(log), type=RunLog)) == check(log)
