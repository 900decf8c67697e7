"""`mien bench cameras-soak`: many cameras whose faults are too many: what grows, and what sticks?

Measured only when it is named: `mien bench cameras-soak --cameras 20 --seconds 3600`, with ten times the
faults of a bad camera; `--fault-rate 200` shows in minutes what faults leave behind. `mien cameras` runs
cameras of four kinds (MJPEG, H.264 and single JPEGs over HTTP, files), all but the files served by
`workers/faulty_cameras/faulty_server.py`, on an embedded broker and Redis. At the end the faults cease, and
after the time that a camera may need to come back, each must publish again.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from streams.errors import ServiceUnavailable
from streams.local import child_process, embedded_servers
from streams.settings import Settings, child_environment
from workers.bench.chain_soak import LEAST_EVERY_S, SAMPLES, Sample, figures
from workers.faulty_cameras import made_up_streams
from workers.faulty_cameras.faulty_server import FaultyServer, Sent
from workers.figures.process_figures import open_file_count, rss_mib, thread_count
from workers.figures.timing import Finding
from workers.local import metrics_scrape
from workers.local.chain import embedded_kafka

FPS: Final = 5
SIZE_PX: Final = (320, 180)
OTHER_SIZE_PX: Final = (256, 192)
COMES_BACK_S: Final = 60.0
"""Longer than the longest pause before a lost camera is opened again, and the time-outs beside it."""
PAGE_TIMEOUT_S: Final = 60.0
"""A busy machine needs long until all cameras are on one page: who is not on it would count as stuck."""
MUST_SEND_S: Final = 15.0
FRAMES: Final = "mien_frames_total"
ROW: Final = "cameras-soak"


def cameras_soak(settings: Settings, seconds: float, cameras: int, fault_rate: float) -> list[Finding]:
    """Runs so many cameras for so long, and reads each process from Linux, `SAMPLES` times.

    ``fault_rate``: as `FaultyServer` has it.

    Raises:
        ServiceUnavailable: if `mien cameras` ends on the way.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        servers, entries = _sources(stack, folder, cameras, fault_rate)
        fleet = stack.enter_context(_Fleet.running(settings, folder, entries))
        started_s = time.monotonic()
        taken: dict[str, list[Sample]] = {}
        while (passed_s := time.monotonic() - started_s) < seconds:
            for name, sample in fleet.samples(passed_s).items():
                taken.setdefault(name, []).append(sample)
            time.sleep(max(LEAST_EVERY_S, seconds / SAMPLES))
        for server in servers.values():
            server.be_well()
        time.sleep(COMES_BACK_S)
        before = totals(fleet.page(entries), FRAMES, outcome="published")
        time.sleep(MUST_SEND_S)
        page = fleet.page(entries)
    published = totals(page, FRAMES, outcome="published")
    reconnects = totals(page, "mien_camera_reconnects_total")
    restarts = totals(page, "mien_camera_restarts_total")
    stuck = [entry["id"] for entry in entries if published[entry["id"]] <= before[entry["id"]]]
    table = f"{cameras} cameras, {seconds:.0f} s of faults at {fault_rate:g} times the usual rate"
    faults = sum((server.faults for server in servers.values()), Counter[str]())
    whole = {
        "faults": faults.total(),
        "reconnects": reconnects.total(),
        "restarts": restarts.total(),
        "published": published.total(),
        "stuck": ", ".join(stuck) or "none",
    }
    return [
        Finding(ROW, table, "the whole", whole),
        Finding(ROW, table, "faults", dict(faults)),
        Finding(ROW, table, "all cameras' processes together", figures(_together(taken, entries))),
        *(
            Finding(
                ROW,
                table,
                name,
                {
                    **(
                        {
                            "published": published[name],
                            "reconnects": reconnects[name],
                            "restarts": restarts[name],
                        }
                        if name in published
                        else {}
                    ),
                    **figures(samples),
                },
            )
            for name, samples in taken.items()
        ),
    ]


def _sources(
    stack: ExitStack, folder: Path, cameras: int, fault_rate: float
) -> tuple[dict[str, FaultyServer], list[dict[str, Any]]]:
    """Servers by their camera, and the entries of cameras.yaml."""
    shown = [made_up_streams.pictures(size, 1) for size in (SIZE_PX, OTHER_SIZE_PX)]
    jpegs = [made_up_streams.jpegs(one) for one in shown]
    streams = {
        "mjpeg": [made_up_streams.mjpeg(one) for one in jpegs],
        "h264": [made_up_streams.transport_stream(one, FPS) for one in shown],
        "snapshots": jpegs,
    }
    video = folder / "video.mp4"
    made_up_streams.write_video(video, shown[0], FPS)
    servers: dict[str, FaultyServer] = {}
    entries: list[dict[str, Any]] = []
    for number, kind in zip(range(cameras), cycle([*streams, "file"]), strict=False):
        camera_id = f"{kind}-{number}"
        entry: dict[str, Any] = {"id": camera_id, "fps": FPS, "width": SIZE_PX[0]}
        if kind == "file":
            entry |= {"source": str(video), "repeat": True}
        else:
            usual, other = streams[kind]
            server = FaultyServer(Sent(kind, usual, other), FPS, number, fault_rate)
            servers[camera_id] = stack.enter_context(server)
            entry["source"] = server.url
        entries.append(entry)
    return servers, entries


def _together(taken: dict[str, list[Sample]], entries: Sequence[dict[str, Any]]) -> list[Sample]:
    """Sums over all cameras, at each moment at which all of them had a process."""
    by_time: dict[float, list[Sample]] = {}
    for entry in entries:
        for sample in taken.get(entry["id"], ()):
            by_time.setdefault(sample.at_s, []).append(sample)
    return [
        Sample(
            at_s,
            sum(one.rss_mib for one in some),
            sum(one.threads for one in some),
            sum(one.open_files for one in some),
        )
        for at_s, some in by_time.items()
        if len(some) == len(entries)
    ]


class _Fleet:
    """`mien cameras`, seen from outside."""

    def __init__(self, process: "subprocess.Popen[Any]", port: int, log: Path) -> None:
        self._process = process
        self._port = port
        self._log = log

    @classmethod
    @contextmanager
    def running(
        cls, settings: Settings, folder: Path, entries: Sequence[dict[str, Any]]
    ) -> Iterator["_Fleet"]:
        path, log = folder / "cameras.yaml", folder / "log"
        path.write_text(json.dumps({"cameras": entries}))
        (port,) = child_process.free_ports(1)
        with (
            embedded_kafka(settings.topics) as kafka,
            embedded_servers.redis_server() as redis_url,
            log.open("w") as stderr,
        ):
            process = child_process.start(
                [sys.executable, "-m", "workers.cli", "cameras", str(path)],
                env=child_environment(
                    **kafka, redis_url=redis_url, metrics_host="127.0.0.1", metrics_port=port
                ),
                stdout=stderr,
                stderr=stderr,
            )
            try:
                yield cls(process, port, log)
            finally:
                process.terminate()
                process.wait()

    def samples(self, at_s: float) -> dict[str, Sample]:
        """What each process holds now, by its camera; ours as ``mien cameras``.

        Raises:
            ServiceUnavailable: if it has ended.
        """
        if self._process.poll() is not None:
            tail = "\n".join(self._log.read_text().splitlines()[-15:])
            raise ServiceUnavailable(f"`mien cameras` ended with {self._process.returncode}:\n{tail}")
        pids = {"mien cameras": self._process.pid} | dict(_cameras_of(self._process.pid))
        found = {}
        for name, pid in pids.items():
            try:
                found[name] = Sample(at_s, rss_mib(pid), thread_count(pid), open_file_count(pid))
            except (OSError, ValueError):
                continue  # it has just ended
        return found

    def page(self, entries: Sequence[dict[str, Any]]) -> list[metrics_scrape.Sample]:
        """The metrics of all cameras together: a page leaves out who does not answer at once.

        Who is in none for `PAGE_TIMEOUT_S` is in this one neither.

        Raises:
            ServiceUnavailable: if no page comes at all.
        """
        until_s = time.monotonic() + PAGE_TIMEOUT_S
        wanted = {entry["id"] for entry in entries}
        while True:
            is_late = time.monotonic() >= until_s
            found = list(metrics_scrape.samples(self._port, PAGE_TIMEOUT_S))
            there = {sample.labels["camera"] for sample in found if sample.name == FRAMES}
            if wanted <= there or (found and is_late):
                return found
            if is_late:
                raise ServiceUnavailable(f"`mien cameras` gave no metrics within {PAGE_TIMEOUT_S:.0f} s")
            time.sleep(LEAST_EVERY_S)


def totals(page: Sequence[metrics_scrape.Sample], metric: str, **labels: str) -> Counter[str]:
    """A counter of all cameras, by camera."""
    sums: Counter[str] = Counter()
    for sample in page:
        if sample.name == metric and labels.items() <= sample.labels.items():
            sums[sample.labels["camera"]] += int(sample.value)
    return sums


def _cameras_of(pid: int) -> Iterator[tuple[str, int]]:
    """The processes that this one has started, each by the camera that its arguments name."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        except OSError:
            continue
        for word in words:
            if word.startswith("--camera="):
                yield word.removeprefix("--camera="), int(child)
