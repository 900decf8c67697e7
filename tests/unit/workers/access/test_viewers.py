"""Who may see what, as a table."""

import pytest

from workers.access.viewers import LOCAL, Access, Role, Viewer, matches, new_token, token_hash

CAMERAS = ("lobby-1", "lobby-2", "ward-1")


@pytest.mark.parametrize(
    ("role", "patterns", "seen"),
    [
        ("viewer", ("lobby-*",), {"lobby-1", "lobby-2"}),
        ("viewer", ("lobby-1",), {"lobby-1"}),
        ("viewer", ("*",), set(CAMERAS)),
        ("viewer", (), set()),
        ("viewer", ("LOBBY-*",), set()),
        ("reviewer", ("ward-?", "lobby-[2]"), {"ward-1", "lobby-2"}),
        ("reviewer", ("lobby",), set()),
        ("admin", (), set(CAMERAS)),
    ],
    ids=range(8),
)
def test_which_cameras(role: Role, patterns: tuple[str, ...], seen: set[str]) -> None:
    assert {camera for camera in CAMERAS if Viewer("a", role, (), patterns).may_see(camera)} == seen


@pytest.mark.parametrize(
    ("role", "may"),
    [("viewer", [True, False, False]), ("reviewer", [True, True, False]), ("admin", [True] * 3)],
)
def test_a_role_may_what_the_lesser_ones_may(role: Role, may: list[bool]) -> None:
    viewer = Viewer("a", role)

    assert [viewer.may("viewer"), viewer.may("reviewer"), viewer.may("admin")] == may


def test_a_token_is_its_owners_alone() -> None:
    tokens = [new_token(), new_token()]
    anna, ben = (
        Viewer(name, "viewer", (), ("*",), token_hash(t)) for name, t in zip("ab", tokens, strict=True)
    )
    access = Access({"a": anna, "b": ben, "c": Viewer("c", "admin")}, {})

    assert [access.by_token(token) for token in tokens] == [anna, ben]
    for wrong in ("", tokens[0][:-1], tokens[0].upper(), anna.token_sha256, "\ud800"):
        assert access.by_token(wrong) is None


def test_who_has_no_token_cannot_come_with_an_empty_one() -> None:
    assert Access({"c": Viewer("c", "admin")}, {}).by_token("") is None


def test_groups_of_a_camera() -> None:
    access = Access({}, {"ground": ["lobby-*"], "all": ["*"], "none": []})

    assert access.groups_of("lobby-1") == ["ground", "all"]
    assert access.groups_of("ward-1") == ["all"]
    assert LOCAL.may_see("ward-1")
    assert not matches([], "lobby-1")
