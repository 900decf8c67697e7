"""Signed tokens: good until their time, for their purpose, for who they name; and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.access.signed_tokens import Signer
from workers.access.viewers import Access, Viewer

ANNA = Viewer("anna@example.org", "reviewer", (), ("*",), "ab" * 32)
ACCESS = Access({ANNA.name: ANNA}, {})
SIGNER = Signer(b"a secret of 16 b")
TOKEN = SIGNER.sign("session", ANNA, 1_000)


def test_it_names_its_viewer_until_its_time() -> None:
    assert SIGNER.who("session", TOKEN, ACCESS, 999.9) == ANNA
    assert SIGNER.who("session", TOKEN, ACCESS, 1_000) is None
    assert Signer(b"a secret of 16 b").who("session", TOKEN, ACCESS, 0) == ANNA  # another replica


@pytest.mark.parametrize(
    "access",
    [
        Access({}, {}),
        Access({ANNA.name: ANNA._replace(token_sha256="cd" * 32)}, {}),
        Access({ANNA.name: ANNA._replace(token_sha256="")}, {}),
    ],
    ids=["who is gone", "who has a new token", "who has none any more"],
)
def test_it_is_over_for(access: Access) -> None:
    assert SIGNER.who("session", TOKEN, access, 0) is None


def test_a_role_that_changed_is_the_one_of_now() -> None:
    demoted = ANNA._replace(role="viewer")

    assert SIGNER.who("session", TOKEN, Access({ANNA.name: demoted}, {}), 0) == demoted


def test_neither_another_purpose_nor_another_secret() -> None:
    assert SIGNER.who("stream", TOKEN, ACCESS, 0) is None
    assert Signer(b"another secret..").who("session", TOKEN, ACCESS, 0) is None
    assert SIGNER.who("session", TOKEN.replace(".1000.", ".9000."), ACCESS, 0) is None


@given(st.integers(0, len(TOKEN) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_sign_of_it_may_be_another(place: int, sign: str) -> None:
    changed = TOKEN[:place] + sign + TOKEN[place + 1 :]

    assert (SIGNER.who("session", changed, ACCESS, 0) is None) == (changed != TOKEN)


@given(st.text(max_size=500))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert SIGNER.who("session", text, ACCESS, 0) is None
    assert SIGNER.who("session", f"session.{text}.1.x", ACCESS, 0) is None
