"""alerts.yaml: what is wrong is said with line and column, all at once; what is right is taken as meant."""

from pathlib import Path

import pytest

from streams.errors import FileInvalid, SourceNotFound
from workers.alerts import rule_file
from workers.alerts.rules import Rule

ROOT = Path(__file__).parents[4]
GOOD = """\
groups:
  on: [counter-*, desk-1]
rules:
  - name: distress
    emotions: [fear, sadness]
    probability: 0.6
    for: 1.5m
    groups: [on]
    schedule: {time_zone: UTC, hours: [{days: mon-fri, from: 18:30, to: 20:00}]}
    labels: {floor: "3"}
"""


def rule(text: str) -> Rule:
    return rule_file.parse(text, "a.yaml").rules[0]


def test_what_is_written_is_what_holds() -> None:
    found = rule(GOOD)

    assert (found.for_us, found.clear_for_us, found.severity) == (90_000_000, 5_000_000, "warning")
    assert found.schedule is not None
    assert found.schedule.hours[0].begin_min == 18 * 60 + 30  # YAML 1.1 would make 1110 of 18:30
    assert found.labels == {"floor": "3"}


@pytest.mark.parametrize(("camera", "is_for"), [("counter-7", True), ("desk-1", True), ("desk-2", False)])
def test_a_rule_is_for_the_cameras_of_its_groups(camera: str, is_for: bool) -> None:
    assert bool(rule_file.parse(GOOD, "a.yaml").of_camera(camera).groups) is is_for


def test_without_cameras_it_is_for_all() -> None:
    rules = rule_file.parse(GOOD.replace("    groups: [on]\n", ""), "a.yaml")

    assert rules.of_camera("anything").groups[0].rules == rules.rules


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("probability: 0.6", "probability: 1.6", "a.yaml:6:5: rules[0].probability: input should be less"),
        ("probability: 0.6", "probability: .nan", "a.yaml:6:5: rules[0].probability"),
        (
            "probability: 0.6",
            "probability: high",
            "a.yaml:6:5: rules[0].probability: input should be a valid",
        ),
        ("probability: 0.6", "change: 0.3", "a.yaml:4:5: rules[0]: change and over go together"),
        ("probability: 0.6", "change: 0\n    over: 5m", "a.yaml:4:5: rules[0]: change must be above 0"),
        ("    probability: 0.6\n", "", "a.yaml:4:5: rules[0]: a rule needs either probability or change"),
        ("fear", "joy", "a.yaml:5:16: rules[0].emotions[0]: input should be 'neutral', 'happiness'"),
        ("for: 1.5m", "for: 90", "a.yaml:7:5: rules[0].for: 90 is no duration"),
        ("for: 1.5m", "for: 25h", "25h is longer than a day"),
        ("for: 1.5m", "fore: 1.5m", "a.yaml:7:5: rules[0].fore: there is no such option"),
        ("for: 1.5m", "probability: 0.5", "a.yaml:7:5: the key probability stands here a second time"),
        (
            "groups: [on]",
            "groups: [off]",
            "a.yaml:8:14: rules[0].groups[0]: there is no group off; the groups",
        ),
        ("name: distress", "name: Distress!", "a.yaml:4:5: rules[0].name: 'Distress!' does not match"),
        ("name: distress\n    emotions", "emotions", "a.yaml:4:5: rules[0].name: this is missing"),
        ("mon-fri", "monday", "a.yaml:9:41: rules[0].schedule.hours[0].days: 'monday' is no day"),
        ("[counter-*,", "[counter *,", "a.yaml:2:8: groups.on[0]: 'counter *' does not match"),
        ('"3"', "3", "a.yaml:10:14: rules[0].labels.floor: input should be a valid string"),
        ("rules:", "rules: [", "a.yaml:4:"),
        ("[fear, sadness]", "*unknown", "a.yaml:5:15: found undefined alias"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(FileInvalid) as caught:
        rule_file.parse(GOOD.replace(old, new, 1), "a.yaml")

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml: rules: this is missing"),
        ("- a", "here must stand options"),
        ("rules: []", "a.yaml:1:1: rules: list should have at least 1 item"),
        ("? [a]\n: b", "a.yaml:1:3: a key must be a word"),
        ("&a [*a]", "holds itself"),
        ("rules: \x07", "a.yaml: unacceptable character"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(
            f"{chr(99 + i)}: &{chr(99 + i)} [*{chr(98 + i)}, *{chr(98 + i)}]\n" for i in range(20)
        ), "more than 200000 values"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_rules(text: str, said: str) -> None:
    with pytest.raises(FileInvalid) as caught:
        rule_file.parse(text, "a.yaml")

    assert said in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    bad = GOOD.replace("0.6", "6").replace("1.5m", "soon") + GOOD[GOOD.index("  - name") :]
    with pytest.raises(FileInvalid) as caught:
        rule_file.parse(bad, "a.yaml")

    assert len(str(caught.value).splitlines()) == 2


def test_two_rules_of_one_name() -> None:
    with pytest.raises(FileInvalid, match=r"a.yaml:11:5: .*a second rule is called distress"):
        rule_file.parse(GOOD + GOOD[GOOD.index("  - name") :], "a.yaml")


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (None, SourceNotFound, "cannot be read: No such file"),
        (b"\xff", FileInvalid, "no UTF-8"),
        (b"#" * 2_000_000, FileInvalid, "larger than"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, content: bytes | None, error: type[Exception], said: str
) -> None:
    path = tmp_path / "alerts.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=said):
        rule_file.read(path)


def test_the_example_can_be_used() -> None:
    assert len(rule_file.read(ROOT / "docs/alerts/alerts.yaml").rules) == 3
