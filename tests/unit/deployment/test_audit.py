"""The audit of dependencies: what is found fails, and what cannot be looked up is said and lets go on."""

import importlib.machinery
import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "audit"
BAD = {"name": "bad", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
GOOD = {"name": "good", "version": "1", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # else a folder beside it
    loader = importlib.machinery.SourceFileLoader("audit", str(SCRIPT))
    spec = importlib.util.spec_from_loader("audit", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def answer(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> None:
    """pip-audit says this from now on."""

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, stdout, stderr)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize(
    ("dependencies", "code", "out", "err"),
    [
        ([GOOD], 0, "1 of 1 dependencies were looked up", ""),
        ([GOOD, BAD, UNKNOWN], 1, "bad 1: PYSEC-1; fixed in 2", "not known to be safe"),
        ([UNKNOWN], 0, "0 of 1 dependencies were looked up", "not known to be safe"),
    ],
)
def test_only_what_was_found_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    audit: ModuleType,
    dependencies: list[dict[str, Any]],
    code: int,
    out: str,
    err: str,
) -> None:
    answer(monkeypatch, json.dumps({"dependencies": dependencies, "fixes": []}))
    assert audit.main() == code
    told = capsys.readouterr()
    assert out in told.out
    assert err in told.err


def test_a_service_that_cannot_be_reached_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], audit: ModuleType
) -> None:
    answer(monkeypatch, "", "ERROR: Connection refused")
    assert audit.main() == 0
    assert "Connection refused. What was not looked up" in capsys.readouterr().err
