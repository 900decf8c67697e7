"""`mien live` on real Kafka and Redis: what a program sees of it, and what it never sees."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import numpy as np
import pytest
import schemathesis
from confluent_kafka import Producer
from harness import Chain, eventually
from live_page import ACCESS, TOKENS, Page
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from streams.local.child_process import free_ports
from streams.messages import alert, camera_truth, emotion_event, landmarks_message
from streams.messages.alert import Alert, AlertEvidence
from streams.messages.camera_truth import CameraTruth
from streams.messages.emotion_event import EmotionEvent, time_of
from streams.messages.landmarks_message import Landmarks
from streams.store import coverage_store
from workers.live_feed.activity_book import ActivityBook
from workers.live_feed.activity_read_back import ActivityReadBack
from workers.local import metrics_scrape

MakeEvent = Callable[..., EmotionEvent]
MakeLandmarks = Callable[..., Landmarks]


class Stream:
    """An open stream, read by a thread of its own."""

    def __init__(self, page: Page, name: str, path: str, **headers: str) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.last_id = ""
        self._client = page.client(name)
        self._path, self._headers = path, headers
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._opened.wait(30)

    def _read(self) -> None:
        event = ""
        try:
            with self._client.stream("GET", self._path, headers=self._headers) as answer:
                assert answer.status_code == 200, answer.read()
                for line in answer.iter_lines():
                    self._opened.set()
                    name, _, value = line.partition(": ")
                    if name == "id":
                        self.last_id = value
                    elif name == "event":
                        event = value
                    elif name == "data":
                        self.events.append((event, json.loads(value)))
        except (httpx.HTTPError, OSError):
            pass  # the server has ended it
        finally:
            self._opened.set()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == kind]

    def wait_end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._client.close()


class World:
    """Writes what cameras and stages would."""

    def __init__(self, chain: Chain, make_event: MakeEvent, make_landmarks: MakeLandmarks) -> None:
        self._topics = chain.settings.topics
        self._producer = Producer(
            {"bootstrap.servers": chain.bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"}
        )
        self._make_event, self._make_landmarks = make_event, make_landmarks

    def face(self, camera: str, seq: int, **changes: Any) -> str:
        """An event and its points; its id."""
        now_us = time.time_ns() // 1000
        about = {"camera_id": camera, "subject_id": f"{camera}:x", "frame_seq": seq}
        points = landmarks_message.pack_points(np.full((2, 3), 0.5, np.float32))
        face = self._make_landmarks(**about, captured_at_us=now_us, points=points)
        event = self._make_event(**about, captured_at=time_of(now_us), **changes)
        self._send(self._topics.landmarks.name, camera.encode(), landmarks_message.encode(face), [])
        self._send(self._topics.emotions.name, *emotion_event.encode(event))
        return event.event_id

    def truth(self, camera: str, state: camera_truth.CameraState) -> None:
        now = datetime.now(UTC)
        self._send(
            self._topics.cameras.name, *camera_truth.encode(CameraTruth(camera, 0, now, state, now, {}))
        )

    def alert(self, camera: str, rule: str = "fear", started_s: float = 0) -> str:
        started = datetime.fromtimestamp(time.time() - 60 + started_s, UTC)
        identity = alert.alert_id(rule, f"{camera}:x", camera_truth.time_us(started))
        evidence = AlertEvidence([], 0.9, 0.8, "fear", "subject", {}, [], "Brows raised.", "ok")
        told = Alert(
            identity, rule, "warning", "firing", camera, f"{camera}:x", started, datetime.now(UTC), "Fear.",
            0.8, 0.6, {}, evidence,
        )  # fmt: skip
        self._send(self._topics.alerts.name, *alert.encode(told))
        return identity

    def _send(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
        self._producer.produce(topic, value, key, headers=headers)
        assert self._producer.flush(30) == 0


@pytest.fixture
def world(chain: Chain, make_event: MakeEvent, make_landmarks: MakeLandmarks) -> World:
    return World(chain, make_event, make_landmarks)


@pytest.fixture
def page(chain: Chain, tmp_path: Path) -> Page:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    return Page(chain, live_access_file=path, live_secret="a secret of all replicas", live_frames=True)


def test_a_stream_goes_on_where_it_was_after_a_restart(page: Page, world: World) -> None:
    stream = Stream(page, "root", "/events?kinds=emotions,points")
    first = [world.face("a-1", seq) for seq in range(3)]
    eventually(lambda: len(stream.of("emotion")) == 3, lambda: f"{stream.events} {page.process.err}")
    eventually(lambda: stream.last_id, "a position")
    assert [event["event_id"] for event in stream.of("emotion")] == first
    assert [points["event_id"] for points in stream.of("points")] == first
    assert stream.of("points")[0]["points"] == "ADgAOAA4ADgAOAA4"  # six times 0.5 as float16

    page.restart()
    stream.wait_end()
    meanwhile = world.face("a-1", 3)
    again = Stream(page, "root", "/events?kinds=emotions,points", **{"last-event-id": stream.last_id})
    later = world.face("b-1", 4)
    eventually(lambda: len(again.of("emotion")) == 2, lambda: f"{again.events} {page.process.err}")

    assert [event["event_id"] for event in again.of("emotion")] == [meanwhile, later]
    assert again.of("gap") == []


def test_the_event_is_the_json_of_kafka(chain: Chain, page: Page, world: World) -> None:
    stream = Stream(page, "root", "/events?camera=a-1&emotion=happiness&min_confidence=0.5")
    world.face("a-1", 1)
    world.face("a-1", 2, p={"fear": 0.9, "neutral": 0.1})
    world.face("a-1", 3, p={"happiness": 0.4, "neutral": 0.3, "fear": 0.3})
    world.face("b-1", 4)
    world.truth("a-1", "dark")
    eventually(lambda: stream.of("camera"), lambda: f"{stream.events}")

    assert stream.of("emotion") == [event_of(chain, 1)]


def test_when_faces_were_seen_is_known_from_before_the_start(
    chain: Chain, tmp_path: Path, world: World
) -> None:
    for seq in range(6):
        world.face("a-1", seq)
    world.face("b-1", 6)
    world.face("a-1", 7, p={"fear": 0.9, "neutral": 0.1})
    (tmp_path / "access.yaml").write_text(ACCESS)
    time.sleep(1.1)  # so that they are older than what is kept for streams
    page = Page(chain, live_access_file=tmp_path / "access.yaml", live_keep_s=1.0)

    def counted(name: str, query: str = "") -> dict[str, dict[str, int]]:
        found = page.get(name, f"/camera-activity?bucket_s=600{query}")["items"]
        sums: dict[str, dict[str, int]] = {}
        for camera in found:
            for bucket in camera["buckets"]:
                of_camera = sums.setdefault(camera["camera_id"], {"events": 0})
                of_camera["events"] += bucket["events"]
                for emotion, count in bucket["emotions"].items():
                    of_camera[emotion] = of_camera.get(emotion, 0) + count
        return sums

    of_a, of_b = {"events": 7, "happiness": 6, "fear": 1}, {"events": 1, "happiness": 1}
    eventually(lambda: counted("root") == {"a-1": of_a, "b-1": of_b}, lambda: f"{counted('root')}")
    eventually(
        lambda: (
            datetime.fromisoformat(page.get("root", "/camera-activity")["counted_since"]).timestamp()
            < time.time() - 3500
        ),
        lambda: page.process.err,
    )
    world.face("b-1", 8)
    eventually(lambda: counted("ben") == {"b-1": {"events": 2, "happiness": 2}}, lambda: f"{counted('ben')}")
    assert counted("root", "&camera=a-1") == {"a-1": of_a}
    assert counted("ben", "&camera=a-1") == {}
    first = page.get("root", "/camera-activity?limit=1")
    assert first["next"] == "a-1"
    rest = page.get("root", f"/camera-activity?limit=1&cursor={first['next']}")
    assert [camera["camera_id"] for camera in rest["items"]] == ["b-1"]
    assert rest["next"] is None
    assert page.get("root", "/camera-activity?bucket_s=2", 400)["detail"].startswith("bucket_s: more than")


def test_of_too_many_events_the_newest_are_counted(chain: Chain, world: World) -> None:
    for seq in range(40):
        world.face("a-1", seq)
    book = ActivityBook()
    few = ActivityReadBack(chain.settings.model_copy(update={"live_read_back_events": 12}), book)
    begun = datetime.now(UTC)
    asyncio.run(few.run(dict.fromkeys(range(chain.partitions), 40)))
    (camera,) = [book.of_camera(name, 0, time.time(), 600) for name in book.cameras()]

    # A subject is in one partition, so its newest of this partition's share.
    assert sum(bucket.events for bucket in camera.buckets) == 12 // chain.partitions
    assert begun - timedelta(minutes=2) < few.counted_since < begun


def event_of(chain: Chain, seq: int) -> dict[str, Any]:
    (found,) = [
        event for event in chain.events() if event["frame_seq"] == seq and event["camera_id"] == "a-1"
    ]
    return found


def test_who_sees_group_b_gets_nothing_of_group_a(chain: Chain, page: Page, world: World) -> None:
    stream = Stream(page, "ben", "/events?kinds=emotions,points,alerts,cameras")
    world.truth("a-1", "ok")
    world.truth("b-1", "ok")
    of_a, of_b = world.alert("a-1"), world.alert("b-1")
    world.face("a-1", 1)
    world.face("b-1", 2)
    eventually(lambda: stream.of("emotion") and stream.of("alert"), lambda: f"{stream.events}")
    eventually(lambda: len(page.get("root", "/alerts")["items"]) == 2, "both alerts")

    told = json.dumps(stream.events) + json.dumps(
        [
            page.get("ben", path)
            for path in ("/cameras", "/subjects", "/alerts", "/verdicts", "/precision", "/me")
        ]
        + [page.get("ben", "/cameras?camera=a-1&group=a"), page.get("ben", "/alerts?camera=a-1")]
    )
    assert "a-1" not in told
    assert "b-1" in told
    assert page.get("ben", f"/alerts/{of_b}")["alert"]["camera_id"] == "b-1"
    for camera in ("a-1", "b-1"):
        chain.redis.hset(coverage_store.coverage_key(camera, coverage_store.today()), "3,4,small-face,9", 50)
    found = page.get("ben", "/cameras/b-1/coverage?days=2")
    assert (found["faces"], found["read"], found["problems"][0]["reason"]) == (50, 0, "small-face")
    world.truth("b-2", "ok")
    eventually(lambda: len(page.get("ben", "/cameras")["items"]) == 2, "the other camera")
    assert page.get("ben", "/cameras/b-2/coverage")["faces"] == 0
    for path in (
        *(f"/alerts/{of_a}", f"/alerts/{of_a}/evidence", "/subjects/a-1:x", "/subjects/a-1:x/events"),
        "/cameras/a-1/coverage",
    ):
        assert page.get("ben", path, 404)["title"] == "Not there"
    assert page.get("root", "/cameras/a-1/coverage")["camera_id"] == "a-1"
    assert page.get("root", "/cameras/nobody/coverage", 404)["title"] == "Not there"
    seen = page.get("root", f"/alerts/{of_b}")["opened"]
    assert [one["by"] for one in seen] == ["ben"]
    assert page.get("root", f"/alerts/{of_a}")["opened"] == []  # he was refused
    with page.client("ben") as client:
        body = {"alert_ids": [of_b], "verdict": "confirmed"}
        assert client.post("/verdicts", json=body).status_code == 403  # a viewer
    with page.client("anna") as client:
        body = {"alert_ids": [of_a, of_b], "verdict": "confirmed"}
        assert client.post("/verdicts", json=body).status_code == 404  # not all of them hers
    assert chain.tail("verdicts").poll() == []
    assert [page.get("", path, 401)["status"] for path in ("/cameras", "/events", "/me")] == [401] * 3


def test_a_verdict_changes_the_precision_of_every_replica(chain: Chain, page: Page, world: World) -> None:
    other = Page(chain, **page._changes)
    ids = [world.alert("a-1", started_s=number) for number in range(3)]
    eventually(lambda: len(page.get("anna", "/alerts")["items"]) == 3, "the alerts")
    with page.client("anna") as client:
        given = client.post("/verdicts", json={"alert_ids": ids[:2], "verdict": "confirmed"})
        assert given.status_code == 201, given.text
        client.post("/verdicts", json={"alert_ids": ids[2:], "verdict": "rejected", "note": "a yawn"})
    here = page.get("anna", "/precision")
    (row,) = here["by_rule"]

    assert (row["name"], row["confirmed"], row["rejected"]) == ("fear", 2, 1)
    assert row["precision"] == pytest.approx(2 / 3)
    assert 0 < row["low"] < row["precision"] < row["high"] < 1
    eventually(lambda: other.get("anna", "/precision") == here, "the other replica hears of it")
    assert [
        one["alert"]["alert_id"] for one in other.get("anna", "/alerts?verdict=rejected")["items"]
    ] == ids[2:]
    assert page.process.totals("mien_verdicts_total", "verdict") == {
        "confirmed": 2,
        "rejected": 1,
        "unsure": 0,
    }
    assert precision_told(page) == {"fear": pytest.approx(2 / 3)}
    written = [json.loads(message.value()) for message in chain.tail("verdicts").poll()]
    assert {(one["by"], one["rule"], one["camera_id"]) for one in written} == {("anna", "fear", "a-1")}

    page.restart()
    assert page.get("anna", "/precision") == here


def precision_told(page: Page) -> dict[str, float]:
    found = metrics_scrape.samples(page.process.port)
    return {one.labels["rule"]: one.value for one in found if one.name == "mien_alert_precision"}


def test_pages_of_alerts_and_the_past_of_a_subject(page: Page, world: World) -> None:
    ids = [world.alert("a-1", started_s=number) for number in range(5)]
    events = [world.face("a-1", seq) for seq in range(5)]
    world.face("a-2", 1)
    eventually(lambda: len(page.get("root", "/alerts")["items"]) == 5, "the alerts")
    seen, cursor = [], ""
    while cursor is not None:
        part = page.get("root", f"/alerts?limit=2&cursor={cursor}")
        seen += [one["alert"]["alert_id"] for one in part["items"]]
        cursor = part["next"]
    assert seen == ids[::-1]

    found = page.get("root", "/subjects/a-1:x/events?limit=3&points=true")
    rest = page.get("root", f"/subjects/a-1:x/events?limit=3&cursor={found['next']}")
    assert [event["event_id"] for event in found["items"] + rest["items"]] == events
    assert {points["event_id"] for points in found["points"]} >= set(events[:3])
    assert rest["next"] is None


def test_redis_away_is_told_and_what_it_does_not_have_is_shown(chain: Chain, world: World) -> None:
    (nobody,) = free_ports(1)
    page = Page(chain, redis_url=f"redis://127.0.0.1:{nobody}/0")
    world.truth("a-1", "ok")
    eventually(lambda: page.get("", "/cameras")["items"], "the camera")
    (camera,) = page.get("", "/cameras")["items"]

    assert (camera["camera_id"], camera["state"], camera["subjects"]) == ("a-1", "ok", None)
    assert page.get("", "/subjects", 503)["title"] == "Away"
    assert "Traceback" not in page.process.err


def test_a_session_of_the_page_and_a_stream_token(page: Page, world: World) -> None:
    with page.client() as client:
        assert client.post("/session", json={"token": "wrong"}).status_code == 401
        signed = client.post("/session", json={"token": TOKENS["anna"]})
        assert signed.json()["name"] == "anna"
        assert {"HttpOnly", "SameSite=strict"} <= set(signed.headers["set-cookie"].split("; "))
        assert client.get("/me").json()["groups"] == ["a"]
        foreign = client.post("/stream-token", headers={"origin": "https://elsewhere.example"})
        assert foreign.status_code == 403
        token = client.post("/stream-token").json()["token"]
        assert client.delete("/session").status_code == 204
        assert client.get("/me").status_code == 401
        assert client.get(f"/me?stream_token={token}").status_code == 401
    stream = Stream(page, "", f"/events?stream_token={token}")
    event = world.face("a-1", 1)
    eventually(lambda: stream.of("emotion"), lambda: f"{stream.events}")

    assert stream.of("emotion")[0]["event_id"] == event
    assert token not in page.process.err
    assert TOKENS["anna"] not in page.process.err
    assert "who=anna" in page.process.err


def test_a_changed_access_file_ends_open_streams(page: Page) -> None:
    stream = Stream(page, "ben", "/events")
    path = Path(page._changes["live_access_file"])
    path.write_text(ACCESS.replace("groups: [b]", "groups: [x]"))
    eventually(lambda: "cannot be used" in page.process.err, lambda: page.process.err)
    assert "access.yaml:7:40: people[1].groups[0]: there is no group x" in page.process.err
    assert page.get("ben", "/me")["groups"] == ["b"]
    path.write_text("\n".join(line for line in ACCESS.splitlines() if "ben" not in line))
    stream.wait_end()

    assert page.get("ben", "/me", 401)["title"] == "Not signed in"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("people:\n  - {name: a, role: boss}\n", "access.yaml:2:15: people[0].role"),
        ("people: [\n", "access.yaml:2:1"),
    ],
)
def test_a_bad_access_file_is_told_with_its_line(chain: Chain, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(text)
    status, _, err = chain.run("live", live_access_file=path)

    assert status == 78
    assert says in err
    assert "Traceback" not in err


def test_nothing_that_its_document_allows_is_a_server_error(page: Page, world: World) -> None:
    """schemathesis makes the requests up: good ones, and ones that are none."""
    ids = [world.alert("a-1", started_s=number) for number in range(3)]
    world.face("a-1", 1)
    eventually(lambda: len(page.get("root", "/alerts")["items"]) == 3, "the alerts")
    document = page.get("", "/openapi.json")
    del document["paths"]["/api/v1/events"]  # it does not end
    document["components"]["schemas"]["NewVerdicts"]["examples"] = [{"alert_ids": ids, "verdict": "unsure"}]
    schema = schemathesis.openapi.from_dict(document)
    asked: dict[str, int] = {}

    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=25, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE))
        def ask(case: schemathesis.Case) -> None:
            headers = {"authorization": f"Bearer {TOKENS['root']}"}
            answer = case.call(base_url=f"http://127.0.0.1:{page.port}", headers=headers)
            asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
            assert answer.status_code < 500, answer.text
            case.validate_response(answer, checks=[response_schema_conformance, content_type_conformance])

        ask()
    assert len(asked) == len(
        [1 for methods in document["paths"].values() for method in methods if method != "parameters"]
    )
    assert "Traceback" not in page.process.err
