"""`mien chaos`: a chain on real servers, faults by a seed, and at the end a scorecard.

cluster and cameras run → settle → (faults begin → hold → mended → recovered) × rounds
      → cameras stop → what is under way arrives → the log is checked
"""

import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import msgspec
import redis

from streams import logs
from streams.errors import ServiceUnavailable
from workers import output_files
from workers.chaos import faults
from workers.chaos.checker import check, fold
from workers.chaos.cluster import SESSION_TIMEOUT_S, Cluster, brokers_that_fit, impossible_here
from workers.chaos.faults import Fault
from workers.chaos.injections import inject
from workers.chaos.run_log import FrameId, RoundLog, RunLog, Sent
from workers.chaos.scorecard import Scorecard
from workers.chaos.watcher import Watcher, kept, newest_kept

SETTLE_S = 3.0
RECOVERY_TIMEOUT_S = 120.0
DRAIN_TIMEOUT_S = 120.0
QUIET_S = 4.0 * SESSION_TIMEOUT_S
"""Longer than a worker takes to be missed and its share to be worked on."""
LOOK_S = 0.25

log = logs.get("mien.chaos")


class Options(msgspec.Struct, frozen=True):
    """How a run goes."""

    seed: int = 1
    rounds: int = 50
    names: tuple[str, ...] = ()
    """Of the faults; all that this machine can have without any."""
    cameras: int = 3
    fps: float = 8.0
    brokers: int | None = None
    """One or three; without it as many as fit into memory."""
    workers: int = 2
    code: Path | None = None
    keep: Path | None = None


def run(options: Options) -> Scorecard:
    """Runs it, from the main thread, which all processes live with.

    SIGTERM or Ctrl-C ends it after the round at hand, and what was run is judged; a second one at once.

    Raises:
        SettingsInvalid: for a fault that does not exist.
        ServiceUnavailable: if the servers or stages cannot be started.
    """
    stop = _Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.tell)
    cannot = impossible_here()
    names = options.names or tuple(name for name in faults.NAMES if name not in cannot)
    if wanted := [f"{name}: {cannot[name]}" for name in options.names if name in cannot]:
        raise ServiceUnavailable(f"This machine cannot have {'; '.join(wanted)}. Leave it out of --faults.")
    rounds = faults.plan(options.seed, options.rounds, names, session_timeout_s=SESSION_TIMEOUT_S)
    written = RunLog(options.seed, SESSION_TIMEOUT_S)
    if not options.names:
        written.left_out = [f"{name}: {why}" for name, why in cannot.items()]
    with ExitStack() as stack:
        if options.keep:
            folder = options.keep.resolve()
            output_files.make_folder(folder)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-chaos-")))
        cluster = stack.enter_context(
            Cluster.running(
                folder,
                brokers=options.brokers or brokers_that_fit(),
                cameras=options.cameras,
                fps=options.fps,
                workers=options.workers,
                code=options.code.resolve() if options.code else None,
            )
        )
        with Watcher.watching(
            cluster.settings, cluster.kafka.internal_bootstrap, written, lambda: _pids(cluster)
        ) as watcher:
            _run_rounds(cluster, watcher, rounds, stop)
            published = cluster.crew.stop_cameras()
            written.sent = [Sent(camera_id, count) for camera_id, count in published.items()]
            _drain(cluster, watcher)
        written.kept = kept(cluster.redis.primary.client)
        written.ended_by_themselves = cluster.crew.ended_by_themselves
    card = check(written)
    if options.keep:
        output_files.write_bytes(folder / "run_log.json", msgspec.json.encode(written))
        output_files.write_bytes(folder / "scorecard.json", msgspec.json.encode(card))
    return card


class _Stop:
    """Whether we were told to stop."""

    told = False

    def tell(self, _signal: int, _frame: FrameType | None) -> None:
        """Handles a signal; the second one at once, through all that is to be undone."""
        if self.told:
            raise KeyboardInterrupt
        self.told = True


def _run_rounds(cluster: Cluster, watcher: Watcher, rounds: Sequence[tuple[Fault, ...]], stop: _Stop) -> None:
    if _recovery(cluster, watcher, 0.0) is None:
        raise ServiceUnavailable(
            f"Within {RECOVERY_TIMEOUT_S:.0f} s no frame of every camera has reached Redis, and nothing was "
            "broken yet. --keep FOLDER keeps what the stages and cameras say."
        )
    for number, chosen in enumerate(rounds, start=1):
        if stop.told:
            return
        _wait(cluster, SETTLE_S)
        names = [fault.name for fault in chosen]
        began_s = watcher.now_s()
        with ExitStack() as broken:
            for fault in chosen:
                broken.enter_context(inject(cluster, fault))
            time.sleep(max(fault.hold_s for fault in chosen))
        mended_s = watcher.now_s()
        recovered_s = _recovery(cluster, watcher, mended_s)
        watcher.log.rounds.append(RoundLog(names, began_s, mended_s, recovered_s))
        log.info(
            "round over",
            number=number,
            faults=names,
            held_s=round(mended_s - began_s, 1),
            recovered_after_s=None if recovered_s is None else round(recovered_s - mended_s, 1),
        )


def _recovery(cluster: Cluster, watcher: Watcher, since_s: float) -> float | None:
    """When Redis knew a frame of every camera that came after ``since_s``; None if it did not in time."""
    wanted: dict[str, FrameId] = {}

    def recovered() -> bool:
        for camera_id, (frame, at_s) in watcher.newest_frames().items():
            if at_s >= since_s:
                wanted.setdefault(camera_id, frame)
        if len(wanted) < len(cluster.crew.cameras):
            return False
        there = newest_kept(kept(cluster.redis.primary.client))
        return all(camera_id in there and there[camera_id] >= frame for camera_id, frame in wanted.items())

    return watcher.now_s() if _eventually(cluster, recovered, RECOVERY_TIMEOUT_S) else None


def _drain(cluster: Cluster, watcher: Watcher) -> None:
    """Waits until every frame has its event and Redis counts all of them, or nothing changes any more."""
    written = watcher.log
    last, changed_s = None, time.monotonic()

    def arrived() -> bool:
        nonlocal last, changed_s
        events = list(written.emotions)
        missing = {seen.frame for seen in list(written.frames)} - {event.frame for event in events}
        states = {state.subject_id: state.events for state in kept(cluster.redis.primary.client)}
        if (len(missing), len(events), states) != last:
            last, changed_s = (len(missing), len(events), states), time.monotonic()
        return (not missing and states == fold(events)) or time.monotonic() - changed_s > QUIET_S

    if not _eventually(cluster, arrived, DRAIN_TIMEOUT_S, look_s=1.0):
        log.warning("not all has arrived", waited_s=DRAIN_TIMEOUT_S)


def _eventually(cluster: Cluster, look: Callable[[], bool], timeout_s: float, look_s: float = LOOK_S) -> bool:
    """Whether it came true in time; a Redis that does not answer is no answer yet."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            if look():
                return True
        except redis.RedisError:
            pass
        _wait(cluster, look_s)
    return False


def _wait(cluster: Cluster, seconds: float) -> None:
    """Waits, and meanwhile starts again what ended by itself."""
    deadline_s = time.monotonic() + seconds
    while (left_s := deadline_s - time.monotonic()) > 0:
        cluster.crew.restart_ended()
        time.sleep(min(left_s, 0.25))


def _pids(cluster: Cluster) -> dict[str, int]:
    ours = {member.name: member.pid for member in cluster.crew.members}
    brokers = {f"kafka-{number}": node.pid for number, node in enumerate(cluster.kafka.nodes, start=1)}
    redises = {f"redis-{number}": node.pid for number, node in enumerate(cluster.redis.nodes, start=1)}
    return {name: pid for name, pid in (ours | brokers | redises).items() if pid}
