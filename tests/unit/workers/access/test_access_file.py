"""access.yaml: what it gives, what is wrong in it with line and column, and a file that changes."""

from pathlib import Path

import pytest

from streams.errors import FileInvalid, SettingsInvalid, SourceNotFound
from workers import file_in_force
from workers.access import access_file
from workers.access.access_file import AccessBook, new_entry, parse
from workers.access.viewers import LOCAL, Viewer, token_hash

HASH = "ab" * 32
GOOD = f"""groups:
  ground: [lobby-*, door-1]
  wards: [ward-*]
people:
  - name: anna
    role: reviewer
    groups: [ground]
    cameras: [ward-1, lobby-*]
    token_sha256: {HASH}
  - {{name: ben@example.org, role: admin}}
"""


def test_what_it_gives() -> None:
    access = parse(GOOD, "access.yaml")

    patterns = ("lobby-*", "door-1", "ward-1")
    assert access.viewers == {
        "anna": Viewer("anna", "reviewer", ("ground",), patterns, HASH),
        "ben@example.org": Viewer("ben@example.org", "admin"),
    }
    assert access.groups_of("door-1") == ["ground"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "role: reviewer",
            "role: boss",
            "a.yaml:6:5: people[0].role: input should be 'viewer', 'reviewer' or",
        ),
        (
            "groups: [ground]",
            "groups: [first]",
            "a.yaml:7:14: people[0].groups[0]: there is no group first; the",
        ),
        (
            "name: ben@example.org",
            "name: anna",
            "a.yaml:10:6: people[1].name: a second person is called anna",
        ),
        ("role: admin", "role: viewer", "a.yaml:10:5: people[1]: ben@example.org may see no camera"),
        (
            "role: admin",
            f"role: admin, token_sha256: {HASH}",
            "people[1].token_sha256: another person has this",
        ),
        (HASH, "password", "a.yaml:9:5: people[0].token_sha256: this is no SHA-256"),
        ("name: anna", "name: 'a b'", "a.yaml:5:5: people[0].name"),
        ("ward-*", "'{ward}'", "a.yaml:3:11: groups.wards[0]"),
        ("    role: reviewer\n", "", "a.yaml:5:5: people[0].role: this is missing"),
        ("role: reviewer", "rolle: reviewer", "people[0].rolle: there is no such option"),
        ("people:", "persons:", "persons: there is no such option"),
        ("  - name: anna", "  - [", "a.yaml:"),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(FileInvalid) as refused:
        parse(GOOD.replace(old, new, 1), "a.yaml")

    assert says in str(refused.value)
    assert "password" not in str(refused.value)
    assert refused.value.exit_code == 78


def test_a_new_entry_lets_its_token_in() -> None:
    made = new_entry("anna", "reviewer", ["ground"])
    access = parse(f"groups:\n  ground: [lobby-*]\npeople:\n{made.entry}", "a.yaml")
    anna = access.by_token(made.token)

    assert anna == Viewer("anna", "reviewer", ("ground",), ("lobby-*",), token_hash(made.token))
    assert made.token not in made.entry
    assert parse(f"people:\n{new_entry('w', 'viewer', []).entry}", "a").viewers["w"].may_see("ward-1")


@pytest.mark.parametrize(
    ("name", "role", "groups"), [("a b", "viewer", []), ("a", "boss", []), ("a", "viewer", ["{x}"])], ids=str
)
def test_an_entry_that_could_not_be_read_is_not_made(name: str, role: str, groups: list[str]) -> None:
    with pytest.raises(SettingsInvalid):
        new_entry(name, role, groups)


def test_without_a_file_whoever_comes_is_local() -> None:
    book = AccessBook(None)

    assert book.is_open
    assert book.current().viewers == {"local": LOCAL}


def test_a_changed_file_counts_and_a_bad_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_file, "LOOK_INTERVAL_S", 0.0)
    path = tmp_path / "access.yaml"
    path.write_text(GOOD)
    book = AccessBook(path)
    told: list[str] = []
    monkeypatch.setattr(file_in_force.log, "warning", lambda _, **about: told.append(about["error"]))

    path.write_text(GOOD.replace("name: anna", "name: annette"))
    assert set(book.current().viewers) == {"annette", "ben@example.org"}
    path.write_text("people: [")
    assert set(book.current().viewers) == {"annette", "ben@example.org"}
    path.unlink()
    assert set(book.current().viewers) == {"annette", "ben@example.org"}
    path.write_text(GOOD)
    assert "anna" in book.current().viewers
    assert len(told) == 2
    assert "access.yaml:1:" in told[0]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"nowhere\.yaml"):
        AccessBook(tmp_path / "nowhere.yaml")
