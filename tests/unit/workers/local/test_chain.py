"""The chain's processes: how they start, what is told of them, and how they end."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner

from streams.errors import ServiceUnavailable
from workers.local import chain as module
from workers.local import metrics_scrape
from workers.local.chain import Chain, one_camera_a_partition


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain({"redis_url": "redis://from-the-chain:1"}, tmp_path)
    yield chain
    chain.kill()


def instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Every child runs this Python program instead of `mien`."""
    really_start = subprocess.Popen

    def start(_command: list[str], **options: Any) -> Any:
        return really_start([sys.executable, "-c", program], **options)

    monkeypatch.setattr(subprocess, "Popen", start)


def test_who_waits_says_for_what(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {1: (200, "ready"), 2: (503, "waiting for: source\n"), 3: (0, "")}
    monkeypatch.setattr(metrics_scrape, "get", lambda port, _path: answers[port])
    monkeypatch.setattr(Chain, "cameras", ["up", "dark", "gone"])
    chain.ports |= {"up": 1, "dark": 2, "gone": 3}

    assert chain.waiting_cameras() == {"dark": "waiting for: source"}


def test_a_camera_gets_its_source_where_no_ps_shows_it_and_all_serve_metrics_on_loopback(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_METRICS_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("MIEN_CAMERA_SOURCE_FILE", "/run/secrets/of-another")
    commands: list[list[str]] = []
    really_start = subprocess.Popen
    program = "import os; print({n: v for n, v in os.environ.items() if n.startswith('MIEN_')})"

    def start(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return really_start([sys.executable, "-c", program], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    chain.start_camera("lobby", "rtsp://admin:hunter2@cam.local/ch1", "--fps", "4")
    said = chain._children["lobby"].process.communicate()[0]

    assert "hunter2" not in " ".join(commands[0])
    assert "'MIEN_CAMERA_SOURCE': 'rtsp://admin:hunter2@cam.local/ch1'" in said
    assert "MIEN_CAMERA_SOURCE_FILE" not in said
    assert "'MIEN_METRICS_HOST': '127.0.0.1'" in said


UNTIL_TERMINATED = (
    "import os, signal, sys\n"
    "def end(*_):\n    print('{\"published\": 3}'); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "open(os.environ['READY'], 'w').close()\n"
    "while True: signal.pause()\n"
)


def wait_for(path: Path) -> None:
    deadline_s = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_child_gets_its_own_port_and_our_servers(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import os; print(os.environ['MIEN_METRICS_PORT'], os.environ['MIEN_REDIS_URL'])")
    chain.start("landmarks", "landmarks")
    chain.start("classify", "classify")
    said = {name: chain._children[name].process.communicate()[0] for name in ("landmarks", "classify")}

    assert said == {name: f"{chain.ports[name]} redis://from-the-chain:1\n" for name in said}
    assert chain.ports["landmarks"] != chain.ports["classify"]


def test_a_child_that_died_is_told_with_its_last_words(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import sys; print('the model is gone', file=sys.stderr); sys.exit(72)")
    chain.start("classify", "classify")
    chain._children["classify"].process.wait()

    with pytest.raises(ServiceUnavailable, match=r"(?s)classify.*code 72.*the model is gone"):
        chain.check()
    with pytest.raises(ServiceUnavailable, match="the model is gone"):
        chain.wait_ready(("classify",))


def test_a_camera_that_ended_well_is_no_failure(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "pass")
    chain.start("demo-1", "camera")
    chain._children["demo-1"].process.wait()

    chain.check()
    assert chain.cameras == ["demo-1"]


def test_a_stage_that_never_gets_ready_is_told(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_TIMEOUT_S", 0.0)
    monkeypatch.setattr(metrics_scrape, "get", lambda *_: (503, "waiting for: consumer group\n"))
    instead(monkeypatch, "import time; time.sleep(60)")
    chain.start("state", "state")

    with pytest.raises(ServiceUnavailable, match=r"state is not ready .*: waiting for: consumer group"):
        chain.wait_ready(("state",))


def test_stop_asks_politely_and_returns_what_was_said(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    monkeypatch.setenv("READY", str(ready))
    instead(monkeypatch, UNTIL_TERMINATED)
    chain.start("demo-1", "camera")
    wait_for(ready)

    assert chain.stop("demo-1") == {"demo-1": '{"published": 3}\n'}


def test_stop_kills_one_that_does_not_listen(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    monkeypatch.setenv("READY", str(ready))
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.2)
    instead(monkeypatch, UNTIL_TERMINATED.replace("sys.exit(0)", "pass"))
    chain.start("demo-1", "camera")
    wait_for(ready)
    chain.stop("demo-1")

    assert chain._children["demo-1"].process.poll() == -9


def test_kill_leaves_nobody(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import time; time.sleep(60)")
    chain.start("state", "state")
    pid = chain._children["state"].process.pid
    chain.kill()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_draining_ends_when_every_frame_was_had(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([Counter(faces=5), Counter(faces=8), Counter(faces=8, stale=2), Counter(faces=99)])
    monkeypatch.setattr(metrics_scrape, "totals", lambda *_: next(counts))
    chain.ports["landmarks"] = 1

    assert chain.drain("landmarks", "mien_frames_total", 10) == Counter(faces=8, stale=2)


def test_draining_waits_for_the_outcome_that_counts(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([Counter(fenced=30, applied=9), Counter(fenced=30, applied=10)])
    monkeypatch.setattr(metrics_scrape, "totals", lambda *_: next(counts))
    chain.ports["state"] = 1

    drained = chain.drain("state", "mien_state_events_total", 10, lambda outcomes: outcomes["applied"])
    assert drained["applied"] == 10


def test_draining_does_not_wait_for_ever(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_TIMEOUT_S", 0.0)
    monkeypatch.setattr(metrics_scrape, "totals", lambda *_: Counter(faces=5))
    chain.ports["landmarks"] = 1

    assert chain.drain("landmarks", "mien_frames_total", 10) == Counter(faces=5)


def test_stages_start_with_their_options_and_none_is_left(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    start = chain.start
    monkeypatch.setattr(chain, "start", lambda *said: started.append(said) or start(*said))
    monkeypatch.setattr(metrics_scrape, "get", lambda *_: (200, "ok"))
    instead(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(KeyboardInterrupt), chain.running_stages({"landmarks": ["--processes", "2"]}):
        raise KeyboardInterrupt

    assert started == [
        ("landmarks", "landmarks", "--processes", "2"),
        *((n, n) for n in ("classify", "state")),
    ]
    for pid in chain.pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_cameras_that_stopped_say_what_became_of_their_frames(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, 'print(\'{"published": 3, "stale": 1}\')')
    numbers = [chain.start_camera(f"demo-{n}", "demo:calm", "--fps", "5") for n in (1, 2)]
    for child in chain._children.values():
        child.process.wait()

    assert chain.stop_cameras() == {"published": 6, "stale": 2}
    assert chain.cameras == []
    assert numbers[0] <= numbers[1]


def test_a_stage_that_ended_by_itself_is_a_failure(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "pass")
    chain.start("state", "state")
    chain._children["state"].process.wait()

    with pytest.raises(ServiceUnavailable, match="`mien state` ended with code 0"):
        chain.check()


def test_the_cameras_of_the_bench_use_all_partitions() -> None:
    ids = one_camera_a_partition(4, "hall")
    assert sorted(DefaultPartitioner()(i.encode(), [0, 1, 2, 3], [0, 1, 2, 3]) for i in ids) == [0, 1, 2, 3]
