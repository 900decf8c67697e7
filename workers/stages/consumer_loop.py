"""Reads a stage's topic with one aiokafka consumer, and commits what is done. For every message:

    1. fetch: what each of our partitions has; while some of it waits, what the others have meanwhile
    2. hand out: batches with one message of every partition in turn, without those the handler leaves out
    3. work, until all that the batch sent is delivered
    4. note the offset behind it
    5. commit what is noted: twice a second, at the end, and before more than `REPEATED_MAX` messages are
       worked on that are not committed

When the group shares its partitions anew (a worker came or went, or the topic changed), for all that we have:

    a. what is fetched and not begun is dropped: whoever gets the partition reads it again
    b. the batch in hand is finished, and noted; what the handler keeps of its cameras is handed over
    c. what is noted is committed
    d. the partitions go

So nothing is done twice, unless a worker is killed or stands still for longer than its session, or b and c
take longer than half of the session time-out: then at most `REPEATED_MAX` messages.

With each partition's offset goes what the handler keeps of its cameras, as a note; who gets the partition
reads it before its first batch.
"""

import asyncio
from collections.abc import Collection
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from streams import broker, logs, metrics
from streams.backoff import backoff_s
from streams.errors import MienError
from workers.overload.fair_queue import FairQueue
from workers.stages.consumer_lag import LagWatch
from workers.stages.consumer_offsets import Share, committed_notes
from workers.stages.fetch_gathering import Gathering
from workers.stages.handler import CONSUMER_GROUP, Reading, WorkOff, message_of

COMMIT_INTERVAL_S = 0.5
REPEATED_MAX = 64
"""Done and not committed, with those in hand. A batch that is larger by its setting is allowed alone."""
COMMIT_RETRY_S = 0.2
FETCH_TIMEOUT_S = 1.0
FETCH_MAX_BYTES = 16 * 1024 * 1024
"""Of one answer. One is worked on while the next is on the way; pictures are large."""
LEAVE_TIMEOUT_S = 5.0
RETRY_BASE_S, RETRY_CAP_S = 1.0, 5.0

log = logs.get("mien.stage")


async def consume(reading: Reading, work_off: WorkOff) -> None:
    """Reads until it is told to stop; then finishes the batch in hand, commits it and leaves the group.

    Where aiokafka's consumer cannot go on, it is given up for a new one: some of its errors it repeats for
    ever, after their cause has gone.

    Raises:
        MienError: that ``work_off`` raises, or if Kafka refuses us for good.
    """
    pauses_s = backoff_s(RETRY_BASE_S, RETRY_CAP_S)
    while not reading.stopping.is_set():
        member = _Member(reading, work_off)
        try:
            await member.work()
        except KafkaError as exc:
            error = broker.consumer_error(reading.settings, reading.group, exc)
            reading.health.set_unready(CONSUMER_GROUP)
            metrics.assigned_partitions.labels(reading.source.name).set(0)
            if not error.retriable:
                raise error from exc
            if member.had_partitions:
                pauses_s = backoff_s(RETRY_BASE_S, RETRY_CAP_S)
            pause_s = RETRY_BASE_S + next(pauses_s)
            log.warning("reads nothing", stage=reading.stage, error=str(error), pause_s=round(pause_s, 2))
        else:
            return
        finally:
            await member.leave()
        await _first_of(reading.stopping.wait(), asyncio.sleep(pause_s))


class _Member(ConsumerRebalanceListener):  # type: ignore[misc]
    """One membership in the consumer group."""

    def __init__(self, reading: Reading, work_off: WorkOff) -> None:
        settings = reading.settings
        self.had_partitions = False
        self._reading = reading
        self._work_off = work_off
        self._has_share = False
        self._at_rest = asyncio.Event()  # no batch is in hand
        self._at_rest.set()
        self._consumer = AIOKafkaConsumer(
            **broker.connection(settings),
            group_id=reading.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # KIP-54: shares differ by one at most, and few cameras change hands.
            partition_assignment_strategy=(StickyPartitionAssignor,),
            session_timeout_ms=round(settings.kafka_session_timeout_s * 1000),
            heartbeat_interval_ms=round(settings.kafka_session_timeout_s * 250),
            # Others learn of a rebalance with their next heartbeat, and then may finish a batch.
            rebalance_timeout_ms=round(settings.kafka_session_timeout_s * 1500),
            request_timeout_ms=max(40_000, round(settings.kafka_session_timeout_s * 2000)),
            fetch_max_bytes=FETCH_MAX_BYTES,
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
        )
        self._gathering = Gathering(self._consumer)
        self._lag = LagWatch(reading.stage)
        self._share = self._new_share()
        self._waiting: FairQueue[TopicPartition, Any] = FairQueue()
        """Of one share: what was fetched and not begun."""
        self._upkeep: list[asyncio.Future[None]] = []

    def _new_share(self) -> Share:
        return Share(self._consumer, self._reading.stage, self._reading.settings.kafka_session_timeout_s)

    async def work(self) -> None:
        """Returns when it is told to stop and the batch in hand is done."""
        waiting, of_share = self._waiting, self._share
        await self._consumer.start()
        self._upkeep = [
            asyncio.ensure_future(self._keep_committing()),
            asyncio.ensure_future(self._lag.keep_watching(self._consumer)),
        ]
        self._consumer.subscribe([self._reading.source.name], listener=self)
        stopping = self._reading.stopping
        while True:
            fetched = await _first_of(self._fetch(), stopping.wait())  # 1
            if stopping.is_set():
                return
            share, records = fetched
            if share is not of_share:  # a
                waiting.clear()
                of_share = share
            waiting.add(records)
            if waiting:  # before, the group may still share out, and the share's partitions not be known
                await self._begin(share)
                await self._make_room(share, min(len(waiting), self._reading.batch_max))  # 5
            if share.revoked:  # a
                waiting.clear()
            elif waiting and not stopping.is_set():
                await self._work_on_batch(share)

    async def _work_on_batch(self, share: Share) -> None:
        """Takes a batch of what waits, and returns when it is done."""
        settling, choosing = self._reading.settling, self._reading.choosing
        self._at_rest.clear()
        try:
            batch = self._waiting.take(  # 2
                self._reading.batch_max,
                lambda record: choosing is None or choosing.takes(message_of(record)),
            )
            if batch.wanted:
                await self._work_off([message_of(record) for record in batch.wanted])  # 3
            share.done(batch.all, settling.note if settling else None, worked=len(batch.wanted))  # 4
            if share is self._share:
                self._lag.done(batch.all)
        finally:
            self._at_rest.set()

    async def _begin(self, share: Share) -> None:
        """Gives the handler the notes that were committed with our partitions' offsets, once a share."""
        settling, settings = self._reading.settling, self._reading.settings
        pauses_s = backoff_s(RETRY_BASE_S, RETRY_CAP_S)
        while not (share.begun or share.revoked or self._reading.stopping.is_set()):
            try:
                if settling:
                    ours = self._consumer.assignment()
                    settling.take_notes(await committed_notes(settings, self._reading.group, ours))
                share.begun = True
            except MienError as exc:
                if not exc.retriable:
                    raise
                pause_s = RETRY_BASE_S + next(pauses_s)
                log.warning("has no notes yet", stage=self._reading.stage, error=str(exc), pause_s=pause_s)
                await _first_of(self._reading.stopping.wait(), asyncio.sleep(pause_s))

    async def _make_room(self, share: Share, more: int) -> None:
        """Waits until so many more can be worked on. Where they cannot, the group shares anew before long."""
        while share.uncommitted and share.uncommitted + more > REPEATED_MAX:
            await share.commit()
            if share.revoked or self._reading.stopping.is_set() or not share.uncommitted:
                return
            await asyncio.sleep(COMMIT_RETRY_S)

    async def leave(self) -> None:
        """Commits, and leaves the group; goes on without, if Kafka does not answer."""
        for task in self._upkeep:
            task.cancel()
        await self._share.commit()  # 5
        leaving = asyncio.ensure_future(self._consumer.stop())
        await asyncio.wait({leaving}, timeout=LEAVE_TIMEOUT_S)
        if not leaving.done():
            log.warning("kafka does not let us go", stage=self._reading.stage, waited_s=LEAVE_TIMEOUT_S)
        elif not leaving.cancelled() and (error := leaving.exception()):
            log.warning("left the group with an error", stage=self._reading.stage, error=repr(error))

    async def _fetch(self) -> tuple[Share, dict[TopicPartition, list[Any]]]:
        """What there is. While some waits, what has come of the other partitions meanwhile."""
        asked: list[TopicPartition] = []
        timeout_ms = round(FETCH_TIMEOUT_S * 1000)
        if self._waiting:
            asked, timeout_ms = self._waiting.without(self._consumer.assignment()), 0
            if not (asked and self._gathering.is_over):
                return self._share, {}
        with metrics.stage_duration_seconds.labels(self._reading.stage, "fetch").time():
            await self._gathering.over()
            records = await self._consumer.getmany(*asked, timeout_ms=timeout_ms)
        # No other task runs between aiokafka's handing over and here, so the records are of this share.
        self._gathering.took(chain.from_iterable(records.values()))
        return self._share, records

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Lets the partitions go when the batch in hand is done and committed. aiokafka waits for it."""
        self._has_share = False
        self._tell_readiness()
        self._share.revoked = True  # a
        try:
            async with asyncio.timeout(self._reading.settings.kafka_session_timeout_s / 2):
                await self._at_rest.wait()  # b
                if self._reading.settling:
                    await self._reading.settling.settle()
                await self._share.commit()  # c
        except TimeoutError:
            log.warning("partitions go with a batch in hand", stage=self._reading.stage, of=len(revoked))
        self._share = self._new_share()  # d
        self._lag.forget()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Takes note of what we have now."""
        log.info(
            "partitions assigned",
            stage=self._reading.stage,
            partitions=sorted(tp.partition for tp in assigned),
        )
        self._has_share = True
        self.had_partitions = self.had_partitions or bool(assigned)
        self._tell_readiness()

    def _tell_readiness(self) -> None:
        """Ready is who has partitions, or has none because other workers have them all."""
        topic = self._reading.source.name
        mine, all_ = self._consumer.assignment(), self._consumer.partitions_for_topic(topic) or ()
        metrics.observe_partitions(topic, assigned=len(mine), existing=len(all_))
        if self._has_share and (mine or all_):
            self._reading.health.set_ready(CONSUMER_GROUP)
        else:
            self._reading.health.set_unready(CONSUMER_GROUP)

    async def _keep_committing(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            await self._share.commit()  # 5
            self._tell_readiness()


async def _first_of(*waits: Any) -> Any:
    """The result of what ends first; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task.result() for task in tasks if task in done)
    finally:
        for task in tasks:
            task.cancel()
