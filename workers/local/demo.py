"""`mien demo`: the whole chain on one machine, each stage a process of its own, with a live table.

    servers → stages, until all are ready → cameras, page → watch → stop the cameras → let it drain → summary

The demo camera shows scripted expressions, so the demo knows the truth of each frame and can say how often
the pipeline agreed. It watches from outside, as anybody could: it reads `mien.emotions` and Redis.
"""

import asyncio
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from models.staged.expression_scripts import Script, find_script, truth_at
from streams import broker, settings
from streams.errors import SourceNotFound
from streams.local import embedded_servers
from streams.messages import emotion_event
from streams.messages.emotion_event import EmotionEvent
from streams.redact_url import redact_url
from streams.settings import Settings
from streams.store import subject_state
from streams.store.subject_state import Subject
from workers.camera.sources import open_source
from workers.local import metrics_scrape
from workers.local.chain import PAGE, STAGES, STAGES_WITHOUT_FRAMES, Chain, embedded_kafka
from workers.subject_table import subject_table

QUIET_TIMEOUT_S = 10.0
READY_S = 5.0
"""Before that a camera that is not ready has just not begun."""


def run(
    base: Settings,
    *,
    cameras: int,
    seconds: float | None,
    source: str,
    fps: float,
    page: bool,
    console: Console,
) -> dict[str, Any]:
    """Runs until the time is over or Ctrl-C, and returns the summary.

    Raises:
        SourceNotFound: if there is no such source.
        ServiceUnavailable: if a stage does not get ready, or dies on the way.
    """
    script = _script(source)
    if not script and "://" not in source:  # an address may answer later; anything else is there, or not
        open_source(source, max_pixels=base.max_frame_pixels).close()
    with ExitStack() as stack:
        servers = stack.enter_context(_servers(base))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-demo-")))
        chain = Chain(servers, folder, STAGES if base.frames == "publish" else STAGES_WITHOUT_FRAMES)
        console.print(f"Kafka {servers['kafka_bootstrap_servers']}, Redis {redact_url(servers['redis_url'])}")
        with console.status("The stages get ready …"):
            stack.enter_context(chain.running_stages())
        for name in chain.stages:
            console.print(f"{name:<9} metrics at http://localhost:{chain.ports[name]}/metrics")

        loaded = Settings(**{**base.model_dump(exclude_unset=True), **servers})
        watch = Watch(loaded, script, fps)
        for number in range(1, cameras + 1):
            camera_id = f"demo-{number}"
            options = ["--fps", str(fps), "--seed", str(number)]
            watch.first_seq[camera_id] = chain.start_camera(camera_id, source, *options)
        if page:  # last, so that it keeps nothing waiting
            console.print(f"page      {chain.start_page(base.live_port, frames=base.live_frames)}")
        return asyncio.run(_watch(chain, watch, seconds, console))


class Watch:
    """What an onlooker sees: the events as they come, and what they say of the truth."""

    def __init__(self, loaded: Settings, script: Script | None, fps: float) -> None:
        self.settings = loaded
        self.first_seq: dict[str, int] = {}
        self._script = script
        self._fps = fps
        self.frames: set[tuple[str, int]] = set()
        self._captured_s: list[float] = []
        self._ids: set[str] = set()
        self._latencies_ms: list[float] = []
        self._agreed: dict[str, Counter[bool]] = defaultdict(Counter)
        self._named: dict[str, Counter[str]] = defaultdict(Counter)
        self._baseline: Counter[str] = Counter(population=0, subject=0)
        self._agreed_by_baseline: dict[str, dict[str, Counter[bool]]] = {
            baseline: defaultdict(Counter) for baseline in self._baseline
        }
        self.max_completeness_error = 0.0

    def see(self, event: EmotionEvent, now_s: float) -> None:
        """Takes an event into the summary. `now_s` is the time at which it was read."""
        if event.camera_id not in self.first_seq or event.event_id in self._ids:
            return  # another camera on the same Kafka, or a repetition
        self._ids.add(event.event_id)
        self.frames.add((event.camera_id, event.frame_seq))
        baseline = event.explanation.baseline
        self._baseline[baseline] += 1
        self._captured_s.append(event.captured_at.timestamp())
        self._latencies_ms.append((now_s - event.captured_at.timestamp()) * 1000)
        self.max_completeness_error = max(self.max_completeness_error, event.explanation.completeness_error)
        if self._script:
            index = event.frame_seq - self.first_seq[event.camera_id]
            if truth := truth_at(self._script, index, self._fps):
                self._agreed[truth][event.emotion == truth] += 1
                self._agreed_by_baseline[baseline][truth][event.emotion == truth] += 1
                self._named[truth][event.emotion or f"({event.abstained})"] += 1

    def _fps_seen(self) -> float:
        """Frames with events a second, all cameras together, from the first capture to the last."""
        span_s = max(self._captured_s) - min(self._captured_s) if self._captured_s else 0.0
        return (len(self.frames) - 1) / span_s if span_s else 0.0

    def summary(self) -> dict[str, Any]:
        latencies = np.array(self._latencies_ms or [np.nan])
        p50, p99 = np.percentile(latencies, [50, 99]).tolist()
        return {
            "events": len(self._ids),
            "frames_with_events": len(self.frames),
            "fps": round(self._fps_seen(), 1),
            "latency_ms": {"p50": round(p50, 1), "p99": round(p99, 1)}
            if self._ids
            else {"p50": None, "p99": None},
            "max_completeness_error": self.max_completeness_error,
            "agreement": _shares(self._agreed),
            "baseline": dict(self._baseline),
            "agreement_by_baseline": {
                baseline: _shares(agreed) for baseline, agreed in self._agreed_by_baseline.items()
            },
            "named": {truth: dict(counts.most_common()) for truth, counts in sorted(self._named.items())},
        }


def _shares(agreed: dict[str, Counter[bool]]) -> dict[str, float]:
    return {truth: round(counts[True] / counts.total(), 4) for truth, counts in sorted(agreed.items())}


async def _watch(chain: Chain, watch: Watch, seconds: float | None, console: Console) -> dict[str, Any]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    consumer = AIOKafkaConsumer(
        watch.settings.topics.emotions.name,
        **broker.connection(watch.settings),
        auto_offset_reset="earliest",
        fetch_max_wait_ms=watch.settings.kafka_fetch_max_wait_ms,
    )
    await consumer.start()
    reading = asyncio.ensure_future(_read(consumer, watch))
    started_s = time.monotonic()
    try:
        async with subject_state.connect(watch.settings) as store:
            with Live(console=console, auto_refresh=False) as live:
                while not stop.is_set() and (seconds is None or time.monotonic() - started_s < seconds):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), timeout=min(0.5, seconds or 0.5))
                    chain.check()
                    if reading.done():
                        reading.result()
                    waiting = await asyncio.to_thread(chain.waiting_cameras)
                    live.update(_picture(watch, await store.subjects(), started_s, waiting), refresh=True)
        sent = await asyncio.to_thread(chain.stop_cameras)
        elapsed_s = time.monotonic() - started_s
        published = sent.pop("published", 0)
        handled = (
            await asyncio.to_thread(chain.drain, "landmarks", "mien_frames_total", published)
            if "landmarks" in chain.stages
            else Counter[str]()  # the cameras have ended, and with them what they had in hand
        )
        await _quiet(watch)
    finally:
        reading.cancel()
        await consumer.stop()
    found_by, metric = (
        ("landmarks", "mien_faces_total")
        if "landmarks" in chain.stages
        else ("classify", "mien_baselines_total")
    )
    faces = metrics_scrape.totals(chain.ports[found_by], metric, "camera").total()
    refused = sum(
        (
            metrics_scrape.totals(chain.ports[name], "mien_dead_letters_total", "reason")
            for name in chain.stages
        ),
        Counter[str](),
    )
    await asyncio.to_thread(chain.stop, *chain.stages, *(name for name in chain.pids if name == PAGE))
    dropped = sent + refused
    dropped.update({outcome: handled[outcome] for outcome in ("stale", "thinned")})
    summary = {
        "seconds": round(elapsed_s, 1),
        "frames": published,
        "faces": faces,
        **watch.summary(),
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
    }
    _show(summary, console)
    return summary


async def _read(consumer: AIOKafkaConsumer, watch: Watch) -> None:
    async for message in consumer:
        watch.see(emotion_event.decode(message.value), time.time())


async def _quiet(watch: Watch) -> None:
    """Waits until no event has come for a moment."""
    deadline_s = time.monotonic() + QUIET_TIMEOUT_S
    before = -1
    while before != len(watch.frames) and time.monotonic() < deadline_s:
        before = len(watch.frames)
        await asyncio.sleep(0.7)


def _picture(
    watch: Watch, found: list[Subject], started_s: float, waiting: Mapping[str, str] = MappingProxyType({})
) -> Group:
    seen = watch.summary()
    elapsed_s = time.monotonic() - started_s
    cameras = len(watch.first_seq)
    head = Table.grid(padding=(0, 3))
    head.add_row(
        f"{elapsed_s:.0f} s",
        f"{cameras} camera{'s' if cameras > 1 else ''}",
        f"{seen['events']} events",
        f"{seen['fps']} frames/s",
        f"end to end {_latency(seen['latency_ms'])}",
        f"compared with their own neutral face {_own_share(seen['baseline'])}",
    )
    mine = [subject for subject in found if subject.camera_id in watch.first_seq]
    # A camera that does not answer is otherwise an empty table.
    told = [Text(f"{name} is not ready: {why}", "yellow") for name, why in waiting.items()]
    return Group(head, *(told if elapsed_s > READY_S else ()), subject_table(mine, time.time_ns() // 1000))


def _show(summary: dict[str, Any], console: Console) -> None:
    rows = Table(title="Summary", show_header=False)
    for name in ("seconds", "frames", "faces", "events", "fps"):
        rows.add_row(name, str(summary[name]))
    rows.add_row("end to end", _latency(summary["latency_ms"]))
    rows.add_row("dropped", ", ".join(f"{n} {reason}" for reason, n in summary["dropped"].items()) or "none")
    rows.add_row("own neutral face", _own_share(summary["baseline"]))
    console.print(rows)
    if summary["agreement"]:
        by_baseline = summary["agreement_by_baseline"]
        agreed = Table("expression", "of all", "population's neutral", "own neutral", title="Agreement")
        for truth, share in summary["agreement"].items():
            shares = (share, *(by_baseline[name].get(truth) for name in ("population", "subject")))
            agreed.add_row(truth, *("–" if share is None else f"{share:.1%}" for share in shares))
        console.print(agreed)


def _latency(latency_ms: dict[str, float | None]) -> str:
    return "–" if latency_ms["p50"] is None else f"p50 {latency_ms['p50']} ms, p99 {latency_ms['p99']} ms"


def _own_share(baseline: dict[str, int]) -> str:
    return f"{baseline['subject'] / max(1, sum(baseline.values())):.0%} of events"


def _script(source: str) -> Script | None:
    if not source.startswith("demo:"):
        return None
    try:
        return find_script(source.removeprefix("demo:"))
    except ValueError as exc:
        raise SourceNotFound(str(exc)) from exc


@contextmanager
def _servers(base: Settings) -> Iterator[dict[str, Any]]:
    """The settings that lead to Kafka and Redis: those of the environment, else of embedded ones."""
    with ExitStack() as stack:
        changes: dict[str, Any] = {
            "kafka_bootstrap_servers": base.kafka_bootstrap_servers,
            "redis_url": base.redis_url,
        }
        if settings.is_set("kafka_bootstrap_servers"):
            asyncio.run(broker.create_topics(base))
        else:
            changes |= stack.enter_context(embedded_kafka(base.topics))
        if not settings.is_set("redis_url"):
            changes["redis_url"] = stack.enter_context(embedded_servers.redis_server())
        yield changes
