"""Works on emotion events: the engine's state out of Redis, alerts to Kafka, state back. In this order:

    1. read the states of the batch's subjects
    2. decide (`workers/alerts/alert_engine.py`)
    3. claim each alert, so that no second worker sends it at the same time
    4. send the alerts, until Kafka has them
    5. write votes, then states; the offsets are committed after that

Killed before 5, the next worker decides the same again. It sends an alert twice only if the kill came
between 4 and 5, under the same `ce_id`. A state that another worker has written meanwhile (3 and 5 tell) is
read again, and what that worker has done is then a replay.
"""

import asyncio
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from streams import logs, metrics
from streams.errors import InputRefused
from streams.messages import alert as alert_message
from streams.messages import emotion_event
from streams.messages.alert import Alert
from streams.messages.emotion_event import EmotionEvent, captured_at_us
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.unreadable import UNREADABLE
from streams.settings import Settings
from streams.store.alert_store import Active, AlertStore, Stored, Watched, Write, active_key, cameras_key
from streams.telemetry import trace_context, tracing
from workers.alerts import alert_engine, crowd
from workers.alerts.alert_engine import Sighting, SubjectState, Vote
from workers.alerts.crowd import CrowdState
from workers.alerts.rule_book import RuleBook
from workers.alerts.smoothing import SmoothingRule
from workers.alerts.truth_timeline import TruthTimeline
from workers.stages.handler import Message, Share
from workers.stages.outlet import Outlet

NAME: Final = "alerts"
CONTENDED_PAUSE_S: Final = 0.5
GRACE_S: Final = 2.0
"""The clocks of workers may differ by so much, with what Kafka has and does not hand out yet."""
CAMERA_SHARES: Final = 64
"""Cameras are spread over so many shares, and these over the partitions, for rules on several faces."""
SENT_KEPT: Final = 10_000

log = logs.get("mien.alerts")

T = TypeVar("T")
_packer = msgspec.msgpack.Encoder()
_subject_state = msgspec.msgpack.Decoder(SubjectState)
_crowd_state = msgspec.msgpack.Decoder(CrowdState)
_vote = msgspec.msgpack.Decoder(Vote)


class _Seen(NamedTuple):
    """An event, where it came from, and in which trace."""

    event: EmotionEvent
    partition: int
    traceparent: str


class _Work(msgspec.Struct):
    """What a batch brings to one subject."""

    version: int
    partition: int
    was_firing: bool
    state: SubjectState | None
    events: list[_Seen] = []
    alerts: list[tuple[Alert, str]] = []
    """Each with the context of the event that decided it."""
    votes: list[Vote] = []
    changed: bool = False


class _Tally(NamedTuple):
    """The labels of the gauge; many cameras may share one."""

    rule: str
    severity: str
    camera: str


class AlertWorker:
    """The stage's handler, and what time alone brings about."""

    def __init__(
        self, settings: Settings, store: AlertStore, outlet: Outlet, book: RuleBook, truths: TruthTimeline
    ) -> None:
        self._source, self._topic = settings.topics.emotions, settings.topics.alerts
        self._subject_ttl_s = settings.subject_ttl_s
        self._smoothing = SmoothingRule.of(settings)
        self._store = store
        self._outlet = outlet
        self._book = book
        self._truths = truths
        self._token = uuid.uuid4().hex
        self._marks: dict[str, Watched] = {}
        """Cameras: how far the votes were at a time that not all partitions have come to."""
        self._tallied: set[_Tally] = set()
        self._sent: dict[str, None] = {}
        """Ids of messages that Kafka has: a batch that Redis interrupts comes again."""
        self._seen_us: dict[tuple[int, str], int] = {}
        """(partition, camera) → event time. One worker writes a camera's events, in the order of frames."""

    @property
    def _ttl_s(self) -> int:
        return self._subject_ttl_s + self._book.rules.memory_us // 1_000_000

    async def handle(self, batch: Sequence[Message]) -> None:
        events: list[_Seen] = []
        refused: list[tuple[Message, InputRefused]] = []
        with metrics.stage_duration_seconds.labels(NAME, "decode").time():
            for message in batch:
                try:
                    event = emotion_event.decode(message.value)
                    if event.camera_id != PROBE_CAMERA:
                        traceparent = trace_context.of_event(message.headers)
                        events.append(_Seen(event, message.partition, traceparent))
                except InputRefused as exc:
                    refused.append((message, exc))
        left = events
        while left := await self._work(left):
            await asyncio.sleep(CONTENDED_PAUSE_S)
        for event, partition, traceparent in events:
            at_us = captured_at_us(event)
            trace_id = trace_context.sampled_trace_id(traceparent)
            metrics.observe_frame_age(NAME, at_us, event.source, trace_id)
            place = (partition, event.camera_id)
            self._seen_us[place] = max(at_us, self._seen_us.get(place, 0))
        for message, error in refused:  # last, as in `state`: while Redis is away all of this is done again
            await self._outlet.refuse(message, error)

    async def _work(self, events: Sequence[_Seen]) -> list[_Seen]:
        """Works on events; returns those of subjects that another worker is at."""
        if not events:
            return []
        with metrics.stage_duration_seconds.labels(NAME, "redis").time():
            stored = await self._store.read(
                list(dict.fromkeys(seen.event.subject_id for seen in events))
            )  # 1
        with metrics.stage_duration_seconds.labels(NAME, "decide").time():
            works = self._decide(events, stored)  # 2
        changed = {who: work for who, work in works.items() if work.changed}
        refused = await self._send(
            (who, alert, traceparent) for who, work in changed.items() for alert, traceparent in work.alerts
        )
        writes = {who: work for who, work in changed.items() if who not in refused}
        with metrics.stage_duration_seconds.labels(NAME, "redis").time():
            await self._write_votes([vote for work in writes.values() for vote in work.votes])  # 5
            written = await self._store.write(
                [self._write(who, work) for who, work in writes.items()], self._ttl_s
            )
        again = refused | {who for who, done in zip(writes, written, strict=True) if not done}
        return [event for who in again for event in works[who].events]

    def _decide(self, events: Sequence[_Seen], stored: dict[str, Stored]) -> dict[str, _Work]:
        rules = self._book.rules
        works: dict[str, _Work] = {}
        for seen in events:
            event, partition, traceparent = seen
            who = event.subject_id
            if refusal := stored[who].refusal:
                raise refusal  # then the batch is worked on message by message
            if stored[who].forgotten:
                continue
            work = works.get(who)
            if work is None:
                state = _decoded(_subject_state, stored[who].state)
                firing = bool(state and state.firing)
                work = works[who] = _Work(stored[who].version, partition, firing, state)
            sighting = Sighting(event, camera=self._truths.at(event.camera_id, captured_at_us(event)))
            outcome = alert_engine.step(rules, self._smoothing, work.state, sighting)
            work.state = outcome.state
            work.events.append(seen)
            work.alerts += [(alert, traceparent) for alert in outcome.alerts]
            work.changed = work.changed or outcome.applied
            if outcome.vote:
                work.votes.append(outcome.vote)
        return works

    async def _send(self, alerts: Iterable[tuple[str, Alert, str]]) -> set[str]:
        """Sends alerts and waits until Kafka has them; whose another worker sends now, are not sent."""
        wanted = [
            (who, alert, message_id, traceparent)
            for who, alert, traceparent in alerts
            if (message_id := alert_message.message_id(alert)) not in self._sent
        ]
        if not wanted:
            return set()
        with metrics.stage_duration_seconds.labels(NAME, "deliver").time():
            return await self._send_wanted(wanted)

    async def _send_wanted(self, wanted: Sequence[tuple[str, Alert, str, str]]) -> set[str]:
        ours = await self._store.claim(
            [(who, message_id) for who, _, message_id, _ in wanted], self._token
        )  # 3
        refused = {one[0] for one, is_ours in zip(wanted, ours, strict=True) if not is_ours}
        mine = [one for one in wanted if one[0] not in refused]
        spans = [
            tracing.go_on(NAME, traceparent, {"mien.camera_id": alert.camera_id, "mien.rule": alert.rule})
            for _, alert, _, traceparent in mine
        ]
        deliveries = [
            await self._outlet.send(self._topic, *alert_message.encode(alert, span.traceparent))
            for (_, alert, _, _), span in zip(mine, spans, strict=True)
        ]
        for (_, alert, message_id, _), delivery, span in zip(mine, deliveries, spans, strict=True):
            await delivery  # 4
            span.end()
            self._sent[message_id] = None
            metrics.alerts_total.labels(alert.rule, alert.severity, alert.state).inc()
            log.info(f"alert {alert.state}", rule=alert.rule, camera=alert.camera_id, alert_id=alert.alert_id)
        while len(self._sent) > SENT_KEPT:
            del self._sent[next(iter(self._sent))]
        return refused

    def _write(self, who: str, work: _Work) -> Write:
        state = work.state
        assert state is not None  # noqa: S101  # nosec B101  # every event leaves one
        packed = _packer.encode(state)
        if not (state.firing or work.was_firing or work.alerts):
            return Write(who, work.version, packed)
        return Write(who, work.version, packed, active_key(work.partition), _active(state))

    async def _write_votes(self, votes: Sequence[Vote]) -> None:
        now_s = time.time()
        watched: dict[tuple[str, str], Watched] = {}
        packed = []
        for vote in votes:
            camera_id, at_us = vote.camera_id, vote.look.at_us
            packed.append((camera_id, at_us, _packer.encode(vote)))
            place = (cameras_key(_share_of(camera_id)), camera_id)
            if place not in watched or watched[place].voted_us < at_us:
                watched[place] = Watched(at_us, now_s)
        await self._store.vote(packed, watched, self._ttl_s)

    async def tick(self, share: Share) -> None:
        """Resolves what is over though no event says so, counts the votes of cameras, and what is firing."""
        tallies: Counter[_Tally] = Counter()
        for partition in sorted(share.partitions):
            for who, entry in (await self._store.active(partition)).items():
                until_us = max(
                    self._seen_us.get((partition, entry.camera_id), 0),
                    _by_the_clock_us(entry.seen_us, entry.written_s, share),
                )
                alerts = entry.alerts
                if until_us >= entry.over_at_us:
                    alerts = await self._move_on(partition, who, until_us)
                tallies.update(
                    _Tally(rule, severity, metrics.camera_label(entry.camera_id)) for rule, severity in alerts
                )
        if share.done_until_s is not None:
            await self._store.note_progress(dict.fromkeys(share.partitions, share.done_until_s))
        partitions = await self._outlet.partitions_of(self._source)
        done_until_s = await self._store.progress(partitions)
        for number in range(CAMERA_SHARES):
            if number % partitions in share.partitions:
                for camera_id, watched in (await self._store.watched(number)).items():
                    firing = await self._count_votes(number, camera_id, watched, done_until_s)
                    camera = metrics.camera_label(camera_id)
                    tallies.update(_Tally(one.rule, one.severity, camera) for one in firing)
        self._tallied |= tallies.keys()
        for tally in self._tallied:  # 0 of what has ended, so that no reader finds a gap
            metrics.alerts_active.labels(*tally).set(tallies[tally])

    async def _move_on(self, partition: int, who: str, until_us: int) -> list[tuple[str, str]]:
        """Resolves what is over by then; rule and severity of what still fires."""
        stored = (await self._store.read([who]))[who]
        state = _decoded(_subject_state, stored.state)
        if state is None or not state.firing:  # it expired, or the index is older than the state
            await self._store.forget(active_key(partition), who)
            return []
        alerts = alert_engine.advance(state, until_us)
        if not await self._send((who, alert, "") for alert in alerts):
            write = Write(who, stored.version, _packer.encode(state), active_key(partition), _active(state))
            await self._store.write([write], self._ttl_s)
        return [(one.rule, one.severity) for one in state.firing]

    async def _count_votes(
        self, number: int, camera_id: str, watched: Watched, done_until_s: float | None
    ) -> list[Alert]:
        """Counts the frames of a camera whose votes are all there; the alerts that are firing then."""
        until_us = self._voted_until_us(camera_id, watched, done_until_s)
        stored = (await self._store.read([camera_id]))[camera_id]
        state = _decoded(_crowd_state, stored.state) or CrowdState(camera_id)
        if until_us is None:
            return state.firing
        packed = await self._store.votes(camera_id, until_us)
        votes = [vote for vote in (_decoded(_vote, one) for one in packed) if vote]
        alerts = crowd.count(self._book.rules, state, votes, until_us)
        if votes or alerts:
            if await self._send((camera_id, alert, "") for alert in alerts):
                return state.firing
            write = Write(camera_id, stored.version, _packer.encode(state))
            if not all(await self._store.write([write], self._ttl_s)):
                return state.firing
        left = await self._store.drop_votes(camera_id, min(until_us, state.counted_us))
        if not left and not state.firing:
            self._marks.pop(camera_id, None)
            await self._store.forget(cameras_key(number), camera_id)
        return state.firing

    def _voted_until_us(self, camera_id: str, watched: Watched, done_until_s: float | None) -> int | None:
        """The event time up to which no vote is to come; None: not known yet.

        All that one frame gave came to Kafka about together. So when every partition has come to the time
        at which one of its votes was written, the others are written too.
        """
        mark = self._marks.setdefault(camera_id, watched)
        if done_until_s is None or done_until_s < mark.written_s + GRACE_S:
            return None
        self._marks[camera_id] = watched
        if watched != mark:
            return mark.voted_us
        return mark.voted_us + round((done_until_s - mark.written_s - GRACE_S) * 1e6)


def _active(state: SubjectState) -> Active | None:
    over_at_us = [at_us for one in state.tracks.values() if (at_us := one.over_at_us) is not None]
    if not over_at_us:
        return None
    alerts = [(one.rule, one.severity) for one in state.firing]
    return Active(state.camera_id, state.seen_us, min(over_at_us), time.time(), alerts)


def _by_the_clock_us(seen_us: int, written_s: float, share: Share) -> int:
    """The event time that it is at least, if nothing has come since: as much later as the clock is.

    Only as far as all that had come is done: a worker that is behind must not take that for silence.
    """
    if share.done_until_s is None:
        return 0
    return seen_us + round((share.done_until_s - written_s - GRACE_S) * 1e6)


def _share_of(camera_id: str) -> int:
    return zlib.crc32(camera_id.encode()) % CAMERA_SHARES


def _decoded(decoder: "msgspec.msgpack.Decoder[T]", packed: bytes) -> T | None:
    """None: there is nothing, or what another release or program has written."""
    try:
        return decoder.decode(packed) if packed else None
    except UNREADABLE:
        return None
