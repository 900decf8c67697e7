"""`mien probe` on real Kafka and Redis: right on a chain that works, and telling on one that does not."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from harness import Chain, Process, eventually

from streams.messages import emotion_event, landmarks_message
from streams.messages.frame_message import PROBE_CAMERA

pytestmark = pytest.mark.alone


def outcomes(probe: Process) -> dict[str, int]:
    return dict(probe.totals("mien_probe_events_total", "outcome"))


def test_a_round_through_the_whole_chain_is_right(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    chain = make_chain(partitions=4, probe_fps=5)
    chain.start_stages("landmarks", "classify", "state")
    camera = chain.start("camera", "--camera", "lobby", "--source", str(pictures(30)), "--lossless")
    status, out, err = chain.run("probe", "--once", "--json")

    assert status == 0, err
    summary = json.loads(out)
    assert summary["frames"] == 60
    assert summary["right"] >= 45
    assert summary["missing"] == 0
    assert 0 < summary["latency_ms"]["emotions"]["p50"] <= summary["latency_ms"]["state"]["p50"]
    assert camera.wait() == 0, camera.err
    listed = chain.run("subjects", "--json")[1]
    assert '"lobby"' in listed
    assert PROBE_CAMERA not in listed
    assert PROBE_CAMERA in chain.run("subjects", "--camera", PROBE_CAMERA, "--json")[1]


def test_without_classify_its_frames_are_missing_and_with_it_they_are_answered_again(
    make_chain: Callable[..., Chain],
) -> None:
    chain = make_chain(partitions=4, probe_fps=5, probe_missing_s=1, probe_late_ms=800)
    _, classify, _ = chain.start_stages("landmarks", "classify", "state")
    probe = chain.start("probe").wait_ready()
    eventually(lambda: outcomes(probe).get("right", 0) >= 5, lambda: probe.err)
    classify.end()
    eventually(lambda: outcomes(probe).get("missing", 0) >= 5, lambda: probe.err)
    chain.start("classify").wait_ready()
    right = outcomes(probe)["right"]
    eventually(lambda: outcomes(probe)["right"] >= right + 5, lambda: probe.err)

    assert probe.end() == 0, probe.err
    assert "Traceback" not in probe.err


def test_a_wrong_answer_is_told(make_chain: Callable[..., Chain]) -> None:
    """A classifier that names disgust, whatever it sees."""
    chain = make_chain(partitions=4, probe_fps=5)
    chain.start_stages("landmarks")
    probe = chain.start("probe")
    producer = Producer(
        {"bootstrap.servers": chain.bootstrap, "linger.ms": 1, "partitioner": "murmur2_random"}
    )
    answered: set[int] = set()

    def answer() -> bool:
        for message in chain.tail("landmarks").poll():
            face = landmarks_message.decode(message.value())
            if face.camera_id == PROBE_CAMERA and face.frame_seq not in answered:
                answered.add(face.frame_seq)
                key, value, headers = disgust(face)
                producer.produce(chain.settings.topics.emotions.name, value, key, headers=headers)
        producer.flush(10)
        return outcomes(probe).get("wrong", 0) >= 5

    eventually(answer, lambda: f"{outcomes(probe)} {probe.err}")
    assert not outcomes(probe).get("right")
    assert probe.end() == 0
    assert "wrong answer" in probe.err


def disgust(face: landmarks_message.Landmarks) -> tuple[bytes, bytes, emotion_event.Headers]:
    shares = dict.fromkeys(emotion_event.EMOTIONS, 0.0) | {"disgust": 1.0}
    event = emotion_event.EmotionEvent(
        event_id=emotion_event.event_id(face.camera_id, face.run, face.frame_seq, face.subject_id),
        camera_id=face.camera_id,
        subject_id=face.subject_id,
        frame_seq=face.frame_seq,
        captured_at=emotion_event.time_of(face.captured_at_us),
        face=face.face,
        pose=face.pose,
        emotion="disgust",
        confidence=1.0,
        abstained=None,
        probabilities=emotion_event.Probabilities(**shares),
        explanation=emotion_event.Explanation(
            "integrated-gradients", "disgust", "population", 0.0, 0.0, [], {}, "", [], []
        ),
        model=emotion_event.Model("wrong", "1", face.landmark_set),
        run=face.run,
        source=face.source,
    )
    return emotion_event.encode(event)


def test_alerts_leave_it_out(make_chain: Callable[..., Chain], tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text("rules:\n  - {name: smile, emotions: [happiness], probability: 0.6, for: 1s}\n")
    chain = make_chain(partitions=4, probe_fps=5)
    chain.start_stages("landmarks", "classify", "state")
    alerts = chain.start("alerts", alerts_path=rules).wait_ready()
    camera = chain.start("camera", "--camera", "lobby", "--source", "demo:smile", "--fps", "5")
    probe = chain.start("probe")
    eventually(lambda: alerts.totals("mien_alerts_total", "state").get("firing"), lambda: alerts.err)
    eventually(lambda: outcomes(probe).get("right", 0) >= 30, lambda: probe.err)  # it has smiled too
    time.sleep(2)
    assert camera.end() == 0
    assert probe.end() == 0

    told = {json.loads(message.value())["camera_id"] for message in chain.tail("alerts").poll()}
    assert told == {"lobby"}
