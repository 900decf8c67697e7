"""`mien alerts test`: the example passes; a test that must fail says what is missing or too much."""

from pathlib import Path

import pytest

from streams.errors import FileInvalid
from streams.settings import Settings
from workers.alerts import alert_cases

ROOT = Path(__file__).parents[4]
RULES = "rules:\n  - {name: fear, emotions: [fear], probability: 0.6, for: 2s}\n"
FIRED = ["fear firing at 2.30 s, camera:a"]
CASE = """\
rules: alerts.yaml
tests:
  - name: one
    faces:
      - {from: 0s, to: 5s, shows: {fear: 0.9}}
    alerts:
      - {rule: fear, at: 2.2s}
"""


def run(folder: Path, case: str = CASE) -> list[alert_cases.Verdict]:
    (folder / "alerts.yaml").write_text(RULES)
    (folder / "alerts_test.yaml").write_text(case)
    return alert_cases.run(Settings.model_construct(), folder / "alerts_test.yaml")


def test_the_example_passes() -> None:
    verdicts = alert_cases.run(Settings.model_construct(), ROOT / "docs/alerts/alerts_test.yaml")

    assert len(verdicts) == 7
    assert [verdict for verdict in verdicts if verdict.missing or verdict.unexpected] == []


@pytest.mark.parametrize(
    ("old", "new", "missing", "unexpected"),
    [
        ("", "", [], []),
        ("2.2s", "4s", ["fear firing at 4 s, camera"], ["fear firing at 2.30 s, camera:a"]),
        ("fear: 0.9", "anger: 0.9", ["fear firing at 2.2 s, camera"], []),
        ("    alerts:\n      - {rule: fear, at: 2.2s}\n", "", [], ["fear firing at 2.30 s, camera:a"]),
        ("at: 2.2s", "at: 2.2s, state: resolved", ["fear resolved at 2.2 s, camera"], FIRED),
        ("    alerts", "    until: 20s\n    alerts", [], ["fear resolved at 9.90 s, camera:a"]),
        ("{rule: fear", "{subject: b, rule: fear", ["fear firing at 2.2 s, camera:b"], FIRED),
    ],
)  # fmt: skip
def test_what_is_missing_and_what_is_too_much(
    tmp_path: Path, old: str, new: str, missing: list[str], unexpected: list[str]
) -> None:
    (verdict,) = run(tmp_path, CASE.replace(old, new) if old else CASE)

    assert (verdict.missing, verdict.unexpected) == (missing, unexpected)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rule: fear", "rule: joy", r"alerts_test.yaml:7:10: tests\[0\].alerts\[0\].rule: .*has no rule joy"),
        ("fear: 0.9", "fear: 0.9, anger: 0.2", r"5:9: .*more than 1 together"),
        ("to: 5s", "to: 0s", r"5:9: .*to must be later than from"),
        ("to: 5s", "to: 5", r"5:20: .*5 is no duration"),
        ("name: one", "name: one\n    start: 2026-01-05", r"4:5: .*has no time zone"),
        ("name: one", "name: one\n    start: soon", r"4:5: .*is no time"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(FileInvalid, match=said):
        run(tmp_path, CASE.replace(old, new))
