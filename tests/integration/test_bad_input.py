"""What a broken or hostile producer can send: it lands in the dead letters, and the stream goes on."""

import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import Chain, eventually

from workers.local.chain import STAGES


@pytest.fixture
def good(distinct_pictures: list[Path]) -> bytes:
    return distinct_pictures[0].read_bytes()


def frame_headers(seq: int) -> dict[str, str]:
    return {"seq": str(seq), "captured-at": str(time.time_ns() // 1000), "size": "320x240", "source": "file"}


def huge(jpeg: bytes) -> bytes:
    """The same JPEG, but its header says 20000×20000."""
    at = jpeg.index(b"\xff\xc0") + 5  # SOF0: marker, length (2), precision (1), height (2), width (2)
    side = (20_000).to_bytes(2, "big")
    return jpeg[:at] + side + side + jpeg[at + 4 :]


def test_bad_messages_become_dead_letters_and_the_good_one_behind_them_an_event(
    chain: Chain, good: bytes
) -> None:
    chain.start_stages(*STAGES)
    chain.send("frames", b"door", good, frame_headers(1))
    eventually(chain.events, "an event for the first frame")
    (landmarks,) = chain.tail("landmarks").poll()
    a_face: dict[str, Any] = msgspec.msgpack.decode(landmarks.value())

    def changed(**fields: Any) -> bytes:
        return msgspec.msgpack.encode(a_face | fields)

    nan = b"\x00\x00\xc0\x7f"
    sent: dict[str, list[tuple[bytes, dict[str, str], str]]] = {  # topic: value, headers, expected reason
        "frames": [
            (b"This is a text file, no picture.\n" * 20, frame_headers(2), "not-a-jpeg"),
            (good[: len(good) // 2], frame_headers(3), "corrupt"),
            (huge(good), frame_headers(4), "too-large"),
            (good, {}, "bad-message"),
            (good, frame_headers(5) | {"seq": "minus one"}, "bad-message"),
        ],
        "landmarks": [
            (changed(landmark_set="other-128"), {}, "wrong-landmark-set"),
            (changed(schema="mien.landmarks/2"), {}, "bad-message"),
            (changed(points=a_face["points"][:-12]), {}, "bad-message"),
            (changed(points=nan + a_face["points"][4:]), {}, "bad-message"),
            (bytes(range(256)), {}, "bad-message"),
        ],
        "emotions": [(b'{"event_id": "no more"}', {}, "bad-message")],
    }
    for topic, messages in sent.items():
        for value, headers, _ in messages:
            chain.send(topic, b"door", value, headers)
    count = sum(map(len, sent.values()))
    eventually(lambda: len(chain.dead_letters()) >= count, "the dead letters")
    letters = [(dict(m.headers()), m) for m in chain.dead_letters()]
    stage_of = dict(zip(("frames", "landmarks", "emotions"), STAGES, strict=True))
    found = {
        (h["dead-letter-topic"].decode(), m.value(), h["dead-letter-stage"].decode(),
         h["dead-letter-reason"].decode(), m.key())
        for h, m in letters
    }  # fmt: skip
    assert found == {
        (f"{chain.prefix}.{topic}", value, stage_of[topic], reason, b"door")
        for topic, messages in sent.items()
        for value, _, reason in messages
    }
    assert len(letters) == count
    for headers, message in letters:
        assert headers["dead-letter-partition"].isdigit()
        assert headers["dead-letter-offset"].isdigit()
        assert len(headers["dead-letter-error"]) > 20
        own = {name for name in headers if name.startswith("dead-letter-")}
        assert len(own) == 6
        kept = {name: raw.decode() for name, raw in headers.items() if name not in own}
        assert kept in [h for value, h, _ in itertools.chain(*sent.values()) if value == message.value()]

    for process, stage in zip(chain.processes, STAGES, strict=True):
        reasons = process.totals("mien_dead_letters_total", "reason")
        expected = [reason for _, _, reason in sent[process_topic(stage)]]
        assert reasons == {reason: expected.count(reason) for reason in expected}
        assert process.is_ready()
        assert "Traceback" not in process.err

    chain.send("frames", b"door", good, frame_headers(6))
    eventually(
        lambda: [event.get("frame_seq") for event in chain.events()] == [1, None, 6],
        "an event for the good frame behind the bad ones",
    )


def process_topic(stage: str) -> str:
    return dict(zip(STAGES, ("frames", "landmarks", "emotions"), strict=True))[stage]


def test_a_stale_live_frame_is_dropped_and_counted_but_a_file_of_any_age_is_not(
    chain: Chain, good: bytes
) -> None:
    (landmarks,) = chain.start_stages("landmarks")
    old = {"captured-at": str((time.time_ns() - 3600 * 10**9) // 1000)}
    chain.send("frames", b"door", good, frame_headers(1) | old | {"source": "live"})
    chain.send("frames", b"door", good, frame_headers(2) | old)
    (message,) = eventually(chain.tail("landmarks").poll, "the file's face")
    assert msgspec.msgpack.decode(message.value())["frame_seq"] == 2
    eventually(
        lambda: landmarks.totals("mien_frames_total", "outcome") == {"stale": 1, "faces": 1}, "the counters"
    )
    assert chain.dead_letters() == []
