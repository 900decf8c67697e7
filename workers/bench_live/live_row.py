"""The row `live` of `mien bench`: what `mien live` and its page cost, and how late they are.

The cameras are made up (`workers/bench_live/event_sender.py`, a process of its own); `mien live` is started
as users start it. First nobody looks, then one client of the stream does, then all; one of them is the page
in Chromium, where that is. So what viewers cost is seen beside the same without them.

    live: servers → mien live → sender → (viewers → settle → measure) × 3 → stop
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from streams.errors import ServiceUnavailable
from streams.local import child_process
from streams.settings import Settings, child_environment
from workers.bench_live import live_summary, page_viewer, stream_viewers
from workers.bench_live.event_sender import EVENTS_PER_S, SENDING, Sent
from workers.bench_live.live_summary import LIVE, Span
from workers.bench_live.page_viewer import PageTaken
from workers.figures.process_figures import cpu_wait_s, rss_mib, tree_cpu_s
from workers.figures.timing import Finding
from workers.local import measured_servers
from workers.local.chain import PAGE, Chain

ROW: Final = "live"
COST: Final = "mien live: CPU of 1000 messages"
"""The line that `mien capacity` reads."""
BESIDE_S: Final = 15.0
"""So long without viewers, and with one, at most."""
SETTLE_S: Final = 3.0
"""Not measured, after viewers have come."""
STOP_TIMEOUT_S: Final = 30.0


def live(settings: Settings, seconds: float, cameras: int, viewers: int) -> list[Finding]:
    """Measures all viewers for `seconds`, none and one for less: what it cost, and how late events were.

    Raises:
        ServiceUnavailable: if `mien live`, the sender or a stream ends on the way.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        servers = stack.enter_context(measured_servers.servers(settings))
        chain = Chain(servers.settings, folder, stages=())
        stack.callback(chain.kill)
        address = chain.start_page(0)
        chain.wait_ready([PAGE])
        with _Sender.running(servers.settings, cameras, folder) as sender:
            pids = servers.pids | {LIVE: chain.pids[PAGE], "sender": sender.pid}
            run = asyncio.run(_run(_Watched(address, chain, sender, pids), seconds, cameras, viewers))
            sent = sender.stop()
    each = f"{cameras} cameras, {EVENTS_PER_S} events/s of each, {viewers} viewers"
    table = f"{each}, {seconds:.0f} s, {servers.kind}"
    return [Finding(ROW, table, *line) for line in _cases(run, sent, cameras, viewers).items()]


class _Run(NamedTuple):
    """What was counted."""

    rss_mib: float
    """Of `mien live`, before anything was sent."""
    none: Span
    one: Span
    all: Span
    streams: dict[str, Any]
    """Of all viewers' streams, as its line says it; as of `page`."""
    page: dict[str, Any]
    page_taken: PageTaken | None


def _cases(run: _Run, sent: Sent, cameras: int, viewers: int) -> dict[str, dict[str, Any]]:
    """By the name of its line."""
    paced = live_summary.pace(sent, run.all, cameras)
    page = run.page
    if run.page_taken:
        page = live_summary.page(run.page_taken, run.all.seconds, paced["per_s"]) | page
    return {
        "sent": paced,
        "mien live: nobody looks": live_summary.server(run.none, run.rss_mib),
        "mien live: one stream": live_summary.server(run.one, run.none.rss_mib, none=run.none),
        "mien live: all viewers": live_summary.server(run.all, run.one.rss_mib, none=run.none, one=run.one),
        COST: live_summary.cost(run.none, run.all, viewers, 2 * paced["per_s"]),
        "from event to stream": run.streams,
        "from event to screen": page,
        "CPU percent of the others": live_summary.others(run.all),
    }


class _Watched(NamedTuple):
    """`mien live`, and all processes that are measured."""

    address: str
    chain: Chain
    sender: "_Sender"
    pids: Mapping[str, int]

    @property
    def port(self) -> int:
        return int(urlsplit(self.address).port or 80)

    def rss_mib(self) -> float:
        return rss_mib(self.pids[LIVE])

    def cpu_s(self) -> dict[str, float]:
        """By process. We are the viewers of streams; what comes from us and has no name here, the browser."""
        ours_s, pid = time.process_time(), os.getpid()
        found = {name: tree_cpu_s(named) for name, named in self.pids.items()}
        return found | {"streams": ours_s, "browser": tree_cpu_s(pid, self.pids.values()) - ours_s}

    async def measure(self, seconds: float) -> Span:
        """Takes the CPU time of so many seconds."""
        pid = self.pids[LIVE]
        from_s, before, waited_s = time.time(), self.cpu_s(), cpu_wait_s(pid)
        await asyncio.sleep(seconds)
        to_s, after, waited_s = time.time(), self.cpu_s(), cpu_wait_s(pid) - waited_s
        self.chain.check()
        self.sender.check()
        return Span(
            from_s, to_s, {name: after[name] - before[name] for name in before}, waited_s, self.rss_mib()
        )


async def _run(watched: _Watched, seconds: float, cameras: int, viewers: int) -> _Run:
    beside_s, rss_mib_start, lacks = min(seconds, BESIDE_S), watched.rss_mib(), page_viewer.lacks()
    await asyncio.sleep(SETTLE_S)
    none = await watched.measure(beside_s)
    async with stream_viewers.open_streams(watched.port, 1):
        await asyncio.sleep(SETTLE_S)
        one = await watched.measure(beside_s)
    async with AsyncExitStack() as stack:
        count = viewers if lacks else viewers - 1
        streams = await stack.enter_async_context(stream_viewers.open_streams(watched.port, count))
        page = None
        if not lacks:
            page = await stack.enter_async_context(page_viewer.open_page(watched.address, cameras))
        await asyncio.sleep(SETTLE_S)
        about: dict[str, Any] = {"left_out": lacks}
        if page:
            about = {"heap_mib_start": await page.heap_mib()}
            await page.take()
        for tally in streams.tallies:
            tally.begin()
        everyone = await watched.measure(seconds)
        streamed = live_summary.streams(streams.tallies)
        streams.check()
        taken = await page.take() if page else None
        if page:
            about |= {"heap_mib_end": await page.heap_mib(), "visible_tiles": await page.visible_tiles()}
    return _Run(rss_mib_start, none, one, everyone, streamed, about, taken)


class _Sender:
    """The process that sends, seen from outside."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    @contextmanager
    def running(cls, servers: Mapping[str, Any], cameras: int, folder: Path) -> Iterator["_Sender"]:
        """Starts it, and returns when it sends."""
        log = folder / "sender.log"
        with log.open("w") as stderr:
            process = child_process.start(
                [sys.executable, "-m", "workers.bench_live.event_sender", str(cameras)],
                env=child_environment(**servers),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        sender = cls(process, log)
        try:
            if not process.stdout or process.stdout.readline() != f"{SENDING}\n":
                raise sender._ended()
            yield sender
        finally:
            process.kill()
            process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises ServiceUnavailable if it has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def stop(self) -> Sent:
        """Ends it; what it sent.

        Raises:
            ServiceUnavailable: if it had ended before.
        """
        self._process.terminate()
        told, _ = self._process.communicate(timeout=STOP_TIMEOUT_S)
        if self._process.returncode:
            raise self._ended()
        return msgspec.json.decode(told, type=Sent)

    def _ended(self) -> ServiceUnavailable:
        tail = "\n".join(self._log.read_text().splitlines()[-15:])
        return ServiceUnavailable(f"The sender of made-up events ended early:\n{tail}")
