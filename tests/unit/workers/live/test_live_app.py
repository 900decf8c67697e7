"""The application around the handlers: what it refuses, how it says so, and what it tells browsers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from streams.health import Health
from streams.settings import Settings
from streams.store import coverage_store, subject_state
from streams.store.neutral_face_store import NeutralFaceStore
from workers.access.access_file import AccessBook
from workers.access.signed_tokens import Signer
from workers.access.viewers import token_hash
from workers.live import live_app
from workers.live.live_context import Live

ACCESS = f"""people:
  - {{name: anna, role: viewer, cameras: ['*'], token_sha256: {token_hash("anna's")}}}
  - {{name: root, role: admin, token_sha256: {token_hash("root's")}}}
"""


ROOT = "root's"


class Sent:
    """A producer that keeps what it is given, or cannot."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    async def send(self, topic: str, value: bytes, **_about: Any) -> "asyncio.Future[None]":
        self.messages.append((topic, value))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@pytest.fixture
async def live(tmp_path: Path, redis_url: str) -> AsyncIterator[Live]:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    settings = Settings(
        live_access_file=path,
        redis_url=redis_url,
        live_cors_origins="https://wall.example",
        live_clients_max=1,
    )
    async with (
        subject_state.connect(settings) as subjects,
        NeutralFaceStore.connect(settings) as faces,
        coverage_store.connect(settings) as coverage,
    ):
        yield Live(
            settings,
            AccessBook(path),
            Signer(b"a secret of 16 b"),
            Health("kafka"),
            producer=cast(Any, Sent()),
            subjects=subjects,
            neutral_faces=faces,
            coverage=coverage,
        )


def client(live: Live, token: str = ROOT) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(live_app.application(live)),
        base_url="http://localhost:8080",
        headers={"authorization": f"Bearer {token}"} if token else {},
    )


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/v1/alerts?limit=0", 400, "limit"),
        ("/api/v1/alerts?limit=x", 400, "limit"),
        ("/api/v1/alerts?limit=1&limit=2", 400, "limit is given twice"),
        ("/api/v1/alerts?state=gone", 400, "state"),
        ("/api/v1/alerts?since=yesterday", 400, "since"),
        ("/api/v1/alerts?since=2026-01-01T00:00:00", 400, "since"),
        ("/api/v1/alerts?cursor=x", 400, "cursor"),
        ("/api/v1/alerts?colour=red", 400, "colour"),
        ("/api/v1/cameras?camera=a%20b", 400, "camera"),
        ("/api/v1/events?emotion=joy", 400, "emotion"),
        ("/api/v1/events?last_event_id=x", 400, "Last-Event-ID"),
        ("/api/v1/subjects/a%2Fb", 404, ""),
        ("/api/v1/subjects/a%7Bb", 404, ""),
        ("/api/v1/subjects/nobody:x", 404, "not yours to see"),
        ("/api/v1/alerts/nothing", 404, "not yours to see"),
        ("/api/v1/nothing", 404, ""),
    ],
)
async def test_what_is_wrong_is_a_problem_that_says_so(
    live: Live, path: str, status: int, detail: str
) -> None:
    async with client(live) as asking:
        answer = await asking.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-type": "application/json"}, 400),
        (b"\xff", {"content-type": "application/json"}, 400),
        (b"[" * 50_000, {"content-type": "application/json"}, 400),
        (b'{"alert_ids":[],"verdict":"unsure"}', {"content-type": "application/json"}, 400),
        (b'{"alert_ids":["a"],"verdict":"maybe"}', {"content-type": "application/json"}, 400),
        (b'{"alert_ids":["a"],"verdict":"unsure"}', {"content-type": "application/json; charset=utf-8"}, 404),
        (b" " * 100_000, {"content-type": "application/json"}, 413),
    ],
    ids=range(9),
)
async def test_bodies_that_are_none(live: Live, body: bytes, headers: dict[str, str], status: int) -> None:
    async with client(live) as asking:
        answer = await asking.post("/api/v1/verdicts", content=body, headers=headers)

    assert answer.status_code == status
    assert cast(Any, live.producer).messages == []


@pytest.mark.parametrize("host", ["[", "a b", "", "x:y:z", "[::1"])
async def test_an_odd_host_is_no_fault_of_the_server(live: Live, host: str) -> None:
    async with client(live) as asking:
        answer = await asking.get("/api/v1/me", headers={"host": host, "origin": "http://["})
        nothing = await asking.get("/nothing", headers={"host": host})

    assert (answer.status_code, nothing.status_code) == (200, 404)


async def test_a_viewer_may_not_review_and_another_method_is_none(live: Live) -> None:
    async with client(live, "anna's") as asking:
        refused = await asking.post("/api/v1/verdicts", json={"alert_ids": ["a"], "verdict": "unsure"})
        other = await asking.put("/api/v1/verdicts", json={})

    assert refused.status_code == 403
    assert "reviewer" in refused.json()["detail"]
    assert other.status_code == 405
    assert {"GET", "POST"} <= set(other.headers["allow"].split(", "))


async def test_browsers_are_told_to_trust_nothing_but_this(live: Live) -> None:
    async with client(live) as asking:
        answers = [await asking.get(path) for path in ("/", "/api/v1/me", "/api/v1/nothing", "/healthz")]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert answers[1].headers["cache-control"] == "no-store"
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200]


async def test_other_sites_may_ask_only_where_they_are_named(live: Live) -> None:
    async with client(live) as asking:
        named = await asking.get("/api/v1/me", headers={"origin": "https://wall.example"})
        other = await asking.get("/api/v1/me", headers={"origin": "https://elsewhere.example"})

    assert named.headers["access-control-allow-origin"] == "https://wall.example"
    assert "access-control-allow-credentials" not in named.headers
    assert "access-control-allow-origin" not in other.headers


async def test_the_head_of_a_stream_opens_none(live: Live) -> None:
    async with client(live) as asking:
        assert (await asking.head("/api/v1/events")).status_code == 405
        assert (await asking.head("/api/v1/cameras")).status_code == 200


async def test_no_more_streams_than_there_may_be(live: Live) -> None:
    live.streams.add(object())
    async with client(live) as asking:
        answer = await asking.get("/api/v1/events")

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "5"


async def test_who_looked_at_what_is_logged_and_no_token(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(live_app.log, "info", lambda _, **about: told.append(about))
    async with client(live, "anna's") as asking:
        await asking.get("/api/v1/cameras?camera=a")
        await asking.get("/api/v1/alerts/nothing")
    async with client(live, "") as asking:
        await asking.get("/api/v1/events?stream_token=wrong")

    shown = [(one["who"], one["method"], one["path"], one["status"]) for one in told]
    assert shown == [
        ("anna", "GET", "/api/v1/cameras", 200),
        ("anna", "GET", "/api/v1/alerts/nothing", 404),
        (None, "GET", "/api/v1/events", 401),
    ]
    assert "wrong" not in str(told)
    assert "anna's" not in str(told)


async def test_the_landmark_set_can_be_drawn(live: Live) -> None:
    async with client(live) as asking:
        found = (await asking.get("/api/v1/landmark-set")).json()

    count = len(found["indices"])
    assert count == len(found["regions"]) == 128
    joined = {place for edge in found["edges"] for place in edge}
    assert joined == set(range(count))


async def test_coverage_is_that_of_the_command_and_404_where_nothing_was_counted(live: Live) -> None:
    face = coverage_store.Seen(3, 4, "small-face", "9")
    await live.coverage.add({"lobby-1": coverage_store.Counts({face: 50}, None)})
    async with client(live) as asking:
        found = await asking.get("/api/v1/cameras/lobby-1/coverage?days=2")
        nothing = await asking.get("/api/v1/cameras/nobody/coverage")

    assert found.status_code == 200, found.text
    assert (found.json()["faces"], found.json()["read"]) == (50, 0)
    assert "9 px across the eyes" in found.json()["problems"][0]["advice"]
    assert nothing.status_code == 404
