"""Who comes in, by which way, and who does not: a table of requests."""

from pathlib import Path
from typing import Any, cast

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from streams.settings import Settings
from workers.access.access_file import AccessBook
from workers.access.signed_tokens import Signer
from workers.access.viewers import LOCAL, token_hash
from workers.live import front_door
from workers.live.live_context import Live

SIGNER = Signer(b"a secret of 16 b")
ACCESS = f"""people:
  - {{name: anna, role: viewer, cameras: ['*'], token_sha256: {token_hash("anna's")}}}
  - {{name: ben, role: admin}}
"""


class Door:
    """As much of a `Live` as the front door looks at."""

    def __init__(self, path: Path | None, **changes: Any) -> None:
        self.settings = Settings(live_access_file=path, **changes)
        self.access = AccessBook(path)
        self.signer = SIGNER


@pytest.fixture
def closed(tmp_path: Path) -> Live:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    proxy = {"live_proxy_header": "X-Forwarded-User", "live_proxy_peers": "10.0.0.0/8, 127.0.0.1"}
    return cast(Live, Door(path, **proxy))


@pytest.fixture
def open_door() -> Live:
    return cast(Live, Door(None))


def request(method: str = "GET", query: str = "", peer: str = "192.0.2.1", **headers: str) -> Request:
    named = {"host": "localhost:8080"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        {
            "type": "http",
            "method": method,
            "path": "/api/v1/me",
            "scheme": "http",
            "query_string": query.encode(),
            "client": (peer, 50_000),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
    )


def answer(live: Live, asked: Request, *, stream: bool = False) -> str | int:
    """The name of who came in, or the status of the refusal."""
    try:
        return front_door.who_asks(live, asked, stream=stream).name
    except HTTPException as exc:
        return exc.status_code


def signed(purpose: Any, live: Live, expires_s: int = 10**10) -> str:
    return SIGNER.sign(purpose, live.access.current().viewers["anna"], expires_s)


@pytest.mark.parametrize(
    ("asked", "came"),
    [
        (request(), 401),
        (request(authorization="Bearer anna's"), "anna"),
        (request(authorization="bearer anna's"), "anna"),
        (request(authorization="Basic anna's"), 401),
        (request(authorization="Bearer ben's"), 401),
        (request(authorization=f"Bearer {token_hash(chr(97))}"), 401),
        (request("POST", authorization="Bearer anna's", origin="https://elsewhere.example"), "anna"),
        (request(x_forwarded_user="ben", peer="10.1.2.3"), "ben"),
        (request(x_forwarded_user="ben", peer="127.0.0.1"), "ben"),
        (request(x_forwarded_user="ben"), 401),
        (request(x_forwarded_user="nobody", peer="10.1.2.3"), 401),
        (request(x_forwarded_user="", peer="10.1.2.3"), 401),
        (request("POST", x_forwarded_user="ben", peer="10.1.2.3", origin="https://elsewhere.example"), 403),
        (request("POST", x_forwarded_user="ben", peer="10.1.2.3", sec_fetch_site="cross-site"), 403),
        (request("POST", x_forwarded_user="ben", peer="10.1.2.3", sec_fetch_site="same-site"), 403),
        (request("POST", x_forwarded_user="ben", peer="10.1.2.3", origin="null"), 403),
        (request("POST", x_forwarded_user="ben", peer="10.1.2.3", origin="http://localhost:8080"), "ben"),
    ],
    ids=range(17),
)
def test_who_comes_in(closed: Live, asked: Request, came: str | int) -> None:
    assert answer(closed, asked) == came


def test_a_session_and_a_stream_token_each_open_their_own_door(closed: Live) -> None:
    session, stream = signed("session", closed), signed("stream", closed)

    assert answer(closed, request(cookie=f"mien_session={session}")) == "anna"
    assert answer(closed, request(cookie=f"mien_session={stream}")) == 401
    assert answer(closed, request(query=f"stream_token={stream}"), stream=True) == "anna"
    assert answer(closed, request(query=f"stream_token={stream}")) == 401
    assert answer(closed, request(query=f"stream_token={session}"), stream=True) == 401
    assert answer(closed, request(cookie=f"mien_session={signed('session', closed, 1)}")) == 401


def test_another_sites_page_cannot_use_a_session(closed: Live) -> None:
    cookie = f"mien_session={signed('session', closed)}"

    assert answer(closed, request("POST", cookie=cookie, sec_fetch_site="same-origin")) == "anna"
    assert answer(closed, request("POST", cookie=cookie, sec_fetch_site="cross-site")) == 403
    assert answer(closed, request("DELETE", cookie=cookie, origin="https://elsewhere.example")) == 403


@pytest.mark.parametrize(
    ("host", "came"),
    [
        ("localhost:8080", "local"),
        ("127.0.0.1:8080", "local"),
        ("[::1]:8080", "local"),
        ("mien.localhost", "local"),
        ("faces.example:8080", 403),
        ("127.0.0.1.example.org", 403),
        ("localhost@faces.example", 403),
        ("[", 403),
        ("localhost:x", 403),
        ("", 403),
    ],
)
def test_without_sign_in_only_by_this_machines_names(open_door: Live, host: str, came: str | int) -> None:
    assert answer(open_door, request(host=host)) == came


def test_without_sign_in_nothing_from_another_site_either(open_door: Live) -> None:
    assert answer(open_door, request("POST", origin="http://localhost:8080")) == LOCAL.name
    assert answer(open_door, request("POST", origin="http://localhost:9999")) == 403
    assert answer(open_door, request("POST", sec_fetch_site="cross-site")) == 403


def test_signing_in_wants_a_token_of_the_file(closed: Live) -> None:
    viewer, value = front_door.sign_in(closed, request("POST"), "anna's")

    assert viewer.name == "anna"
    assert answer(closed, request(cookie=f"mien_session={value}")) == "anna"
    with pytest.raises(HTTPException, match="401"):
        front_door.sign_in(closed, request("POST"), "ben's")
    with pytest.raises(HTTPException, match="403"):
        front_door.sign_in(closed, request("POST", sec_fetch_site="cross-site"), "anna's")


@pytest.mark.parametrize(
    ("peer", "scheme", "secure"),
    [("10.1.2.3", "https", True), ("10.1.2.3", "http", False), ("192.0.2.1", "https", False)],
)
def test_the_cookie_is_for_tls_alone_where_there_is_some(
    closed: Live, peer: str, scheme: str, secure: bool
) -> None:
    response = Response()
    front_door.set_cookie(closed, request(peer=peer, x_forwarded_proto=scheme), response, "x")

    parts = set(response.headers["set-cookie"].split("; "))
    assert {"mien_session=x", "HttpOnly", "SameSite=strict", "Path=/"} <= parts
    assert ("Secure" in parts) == secure
