"""`mien demo` as a user runs it: its summary is true, and it leaves nothing behind however it ends."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import Chain, Process, children, eventually, living

from streams.settings import child_environment
from workers.local.chain import PAGE, STAGES


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `mien demo` on its own embedded servers."""
    started: list[Process] = []

    def start(*arguments: str, **changes: Any) -> Process:
        started.append(Process(["demo", *arguments], child_environment(**changes), tmp_path, 0))
        return started[-1]

    yield start
    for process in started:
        if process.running:
            process.popen.kill()
            process.wait()


def all_children(process: Process, count: int) -> set[int]:
    """The processes that the demo started, when there are so many."""
    eventually(
        lambda: len(children(process.popen.pid)) == count, lambda: f"{count} processes run:\n{process.err}"
    )
    return children(process.popen.pid)


def assert_whole(summary: dict[str, Any]) -> None:
    """All fields that scripts rely on, and that they fit together."""
    assert summary["frames"] > 0
    assert 0.95 * summary["frames"] <= summary["frames_with_events"] <= summary["frames"]
    assert summary["faces"] >= summary["events"] >= summary["frames_with_events"]
    assert summary["fps"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert all(isinstance(count, int) and count > 0 for count in summary["dropped"].values())
    assert 0 <= summary["max_completeness_error"] < 1e-3


@pytest.mark.alone
def test_the_summary_tells_what_happened_and_the_expressions_are_recognised(
    demo: Callable[..., Process],
) -> None:
    process = demo("--seconds", "18", "--cameras", "2", "--json")
    started = all_children(process, len(["redis-server", *STAGES, PAGE, "demo-1", "demo-2"]))
    assert process.wait(120) == 0, process.err
    summary = json.loads(process.out)
    assert_whole(summary)
    assert {"happiness", "surprise"} <= set(summary["agreement"])
    assert summary["agreement"]["happiness"] >= 0.9
    assert summary["agreement"]["surprise"] >= 0.9
    assert sum(summary["baseline"].values()) == summary["events"]
    assert summary["baseline"]["subject"] > 0
    assert {"happiness", "surprise"} <= set(summary["agreement_by_baseline"]["population"])
    assert "Traceback" not in process.err
    assert not living(started)


@pytest.mark.alone
def test_on_the_users_own_servers_ctrl_c_ends_it_with_the_summary(
    chain: Chain, demo: Callable[..., Process]
) -> None:
    process = demo(
        "--cameras", "1", "--json",
        kafka_bootstrap_servers=chain.bootstrap, redis_url=chain.redis_url, topic_prefix=chain.prefix,
    )  # fmt: skip
    started = all_children(process, len([*STAGES, PAGE, "demo-1"]))
    eventually(lambda: len(chain.events()) > 20, lambda: f"events on the user's Kafka:\n{process.err}")
    assert process.end(signal.SIGINT) == 0, process.err
    summary = json.loads(process.out)
    assert_whole(summary)
    assert summary["frames_with_events"] == len(chain.seen()["demo-1"])
    (key,) = chain.redis.keys("mien:*:state")
    assert key.startswith(b"mien:{demo-1:")
    assert "Traceback" not in process.err
    assert not living(started)


def test_killed_it_leaves_no_process_behind(demo: Callable[..., Process]) -> None:
    process = demo("--cameras", "1")
    started = all_children(process, len(["redis-server", *STAGES, PAGE, "demo-1"]))
    process.end(signal.SIGKILL)
    eventually(lambda: not living(started), lambda: f"all gone, but not {living(started)}", 20)


def test_without_the_page_it_starts_none(demo: Callable[..., Process]) -> None:
    process = demo("--cameras", "1", "--no-page", "--seconds", "2")
    all_children(process, len(["redis-server", *STAGES, "demo-1"]))
    assert process.wait(120) == 0, process.err
    assert "page " not in process.out


@pytest.mark.parametrize("pictures", [False, True], ids=["without pictures", "with pictures"])
def test_its_page_is_where_it_says(demo: Callable[..., Process], pictures: bool) -> None:
    process = demo("--cameras", "1", *(["--frames"] if pictures else []))
    address = eventually(
        lambda: re.search(r"^page +(http://localhost:\d+)$", process.out, re.MULTILINE),
        lambda: f"an address:\n{process.out}",
    )[1]
    cameras = eventually(lambda: items(f"{address}/api/v1/cameras"), lambda: f"a camera:\n{process.out}")
    assert [camera["camera_id"] for camera in cameras] == ["demo-1"]
    me = httpx.get(f"{address}/api/v1/me", timeout=5, trust_env=False).json()
    assert me["pictures"] is me["may_show_faces"] is pictures
    assert process.end(signal.SIGINT) == 0, process.err


def items(url: str) -> list[dict[str, Any]]:
    """Of a list of the API; none while it is not there yet."""
    try:
        return list(httpx.get(url, timeout=5, trust_env=False).json()["items"])
    except httpx.HTTPError:
        return []


def listening(pid: int) -> set[str]:
    """Addresses that the process waits for connections on, as `ss -ltn` has them, in hexadecimal (Linux)."""
    table = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    by_inode = {fields[9]: fields[1].partition(":")[0] for fields in table if fields[3] == "0A"}
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(path.readlink()))
    return {by_inode[link[8:-1]] for link in links if link.startswith("socket:[") and link[8:-1] in by_inode}


def test_nobody_beyond_this_machine_can_reach_it_and_nobody_on_it_sees_the_cameras_password(
    tmp_path: Path, demo: Callable[..., Process]
) -> None:
    source = tmp_path / "source"
    source.write_text("rtsp://admin:hunter2@127.0.0.1:1/user=admin_password=hunter2")
    process = demo("--source-file", str(source))
    started = all_children(process, len(["redis-server", *STAGES, PAGE, "demo-1"]))
    names = len([*STAGES, PAGE, "demo-1"])
    eventually(lambda: sum(bool(listening(pid)) for pid in started) == names + 1, "all of them listen")
    pids = {process.popen.pid, *started}

    assert {address for pid in pids for address in listening(pid)} == {"0100007F"}  # 127.0.0.1
    for pid in pids:
        assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert "hunter2" not in process.out + process.err
