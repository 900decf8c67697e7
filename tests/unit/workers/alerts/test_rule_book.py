"""Rules that change while the stage runs."""

from pathlib import Path

import pytest

from streams import metrics
from streams.errors import FileInvalid, SourceNotFound
from workers.alerts.rule_book import RuleBook

RULES = "rules:\n  - {name: %s, emotions: [fear], probability: 0.6}\n"


def in_force(book: RuleBook) -> tuple[list[str], float]:
    return [rule.name for rule in book.rules.rules], metrics.alert_rules_current._value.get()


def test_a_changed_file_is_taken_a_wrong_one_is_not_and_a_lost_one_neither(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES % "one")
    book = RuleBook(path)
    assert in_force(book) == (["one"], 1)

    path.write_text(RULES % "second")
    book.look_again()
    assert in_force(book) == (["second"], 1)

    path.write_text(RULES % "Wrong")
    book.look_again()
    assert in_force(book) == (["second"], 0)

    path.unlink()
    book.look_again()
    assert in_force(book) == (["second"], 0)

    (tmp_path / "new").write_text(RULES % "third")  # as a ConfigMap changes: another file under the name
    path.symlink_to(tmp_path / "new")
    book.look_again()
    assert in_force(book) == (["third"], 1)


def test_a_stage_does_not_start_with_wrong_rules(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        RuleBook(tmp_path / "alerts.yaml")
    (tmp_path / "alerts.yaml").write_text(RULES % "Wrong")
    with pytest.raises(FileInvalid):
        RuleBook(tmp_path / "alerts.yaml")


def test_a_rule_is_counted_from_zero_on(tmp_path: Path) -> None:
    """Or its first alert would be no increase."""
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES % "never-fired")

    RuleBook(path)

    told = [
        (sample.labels["state"], sample.value)
        for family in metrics.alerts_total.collect()
        for sample in family.samples
        if sample.labels["rule"] == "never-fired" and sample.name.endswith("_total")
    ]
    assert told == [("firing", 0), ("resolved", 0)]
