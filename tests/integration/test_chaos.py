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


def mutant(folder: Path, file: str, what: str, becomes: str) -> Path:
    """A checkout of the stages in which one place (a pattern) is another."""
    for package in ("streams", "models", "workers"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    before = (folder / file).read_text()
    after, replaced = re.subn(what, becomes, before, flags=re.MULTILINE)
    assert replaced == 1, before
    (folder / file).write_text(after)
    return folder


def test_a_state_without_its_fence_is_found_out(tmp_path: Path) -> None:
    """The checker sees what the promise is about: the same faults, and stages without the fence."""
    code_dir = mutant(
        tmp_path, "streams/store/subject_state.lua", r"^if is_replay[^\n]*then\n  return 0\nend$", ""
    )
    code, card, err = run_chaos(
        "--seed", "1", "--rounds", "1", "--faults", "rewind-state", "--code", str(code_dir)
    )

    assert code == 1, err
    assert card["twice_in_effect"] > 0
    assert any("count twice in Redis" in violation for violation in card["violations"])


def test_a_commit_before_the_delivery_is_found_out(tmp_path: Path) -> None:
    """Workers that are killed with a batch in hand: so busy that they always have one."""
    code_dir = mutant(
        tmp_path,
        "workers/stages/consumer_loop.py",
        r"^( +)(await self\._work_off\(.*\)) +# 3\n +(share\.done\(.*\)) +# 4$",
        r"\1\3\n\1await share.commit()\n\1\2",
    )
    busy = ["--fps", "100", "--seed", "1", "--rounds", "2", "--faults", "kill-landmarks"]
    code, card, err = run_chaos(*busy, "--code", str(code_dir))

    assert code == 1, err
    assert card["lost_by_landmarks"] > 0
    assert any("frames have no event" in violation for violation in card["violations"])
