"""Short chaos runs: the chain as it is keeps its promises, and one whose fence is removed is found out."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness import command

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^if is_replay[^\n]*then\n  return 0\nend$", re.MULTILINE)
"""What the script does with an event that is a replay (streams/store/subject_state.lua)."""
RUN_TIMEOUT_S = 360

pytestmark = pytest.mark.alone


def run_chaos(*options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, scorecard and log of a run with one broker, two cameras."""
    small = ["--brokers", "1", "--cameras", "2", "--fps", "6", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "chaos", *small, *options],
        cwd=ROOT,
        env=dict(os.environ) | {"MIEN_LOG_LEVEL": "info"},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture(autouse=True)
def _servers(lib_dir: Path) -> None:
    """A skip without Java or Redis, but never in CI."""
    assert lib_dir.exists()
    command("redis-server")


def test_a_worker_that_is_killed_and_a_redis_that_dies_lose_and_repeat_nothing() -> None:
    code, card, err = run_chaos("--seed", "1", "--rounds", "2", "--faults", "kill-state,kill-redis")

    assert code == 0, (card["violations"], err)
    assert card["violations"] == []
    assert card["frames_sent"] > 20
    assert card["rounds"] == 2
    assert set(card["recovery_s_by_fault"]) == {"kill-state", "kill-redis"}
    assert (card["lost"], card["twice_in_effect"], card["lost_in_effect"]) == (0, 0, 0)


def test_a_state_without_its_fence_is_found_out(tmp_path: Path) -> None:
    """The checker sees what the promise is about: the same faults, and stages without the fence."""
    for package in ("streams", "models", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "streams" / "store" / "subject_state.lua"
    with_fence = script.read_text()
    without, removed = re.subn(
        r"^if is_replay[^\n]*then\n  return 0\nend$", "", with_fence, flags=re.MULTILINE
    )
    assert removed == 1, with_fence
    script.write_text(without)

    code, card, err = run_chaos(
        "--seed", "1", "--rounds", "1", "--faults", "rewind-state", "--code", str(tmp_path)
    )

    assert code == 1, err
    assert card["twice_in_effect"] > 0
    assert any("count twice in Redis" in violation for violation in card["violations"])
