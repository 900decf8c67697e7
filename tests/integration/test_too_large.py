"""Topics that take less than they should, on real Kafka: only what is too large by itself is lost."""

import json
from pathlib import Path

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from harness import Chain, eventually, the_line


def limit(chain: Chain, topic: str, max_message_bytes: int) -> None:
    entry = ConfigEntry(
        "max.message.bytes", str(max_message_bytes), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(
        ConfigResource.Type.TOPIC, f"{chain.prefix}.{topic}", incremental_configs=[entry]
    )
    chain.admin.incremental_alter_configs([resource])[resource].result(30)


def padded(jpeg: bytes, n_bytes: int) -> bytes:
    """The same picture, made so large by comments before its end."""
    comments, left = b"", n_bytes - len(jpeg)
    while left:
        size = min(left, 65_537) if not 0 < left - 65_537 < 4 else left - 4
        comments += b"\xff\xfe" + (size - 2).to_bytes(2, "big") + bytes(size - 4)
        left -= size
    return jpeg[:2] + comments + jpeg[2:]


@pytest.fixture
def folder(distinct_pictures: list[Path], tmp_path: Path) -> Path:
    """64 ready JPEGs of 131,000 bytes, of which eight fill a MiB just so that their headers do not fit."""
    made = tmp_path / "film"
    made.mkdir()
    for index in range(64):
        jpeg = distinct_pictures[index % len(distinct_pictures)].read_bytes()
        (made / f"{index:02}.jpg").write_bytes(padded(jpeg, 131_000))
    return made


def send(chain: Chain, folder: Path) -> tuple[int, dict[str, int], str]:
    chain.start_stages("landmarks")  # a lossless camera waits for it
    status, out, err = chain.run(
        "camera", "--camera", "door", "--source", str(folder), "--lossless", "--as-fast-as-possible", "--json"
    )
    return status, json.loads(out), err


def test_a_batch_that_is_refused_is_sent_in_smaller_ones(chain: Chain, folder: Path) -> None:
    limit(chain, "frames", 1_048_588)
    status, outcomes, err = send(chain, folder)

    assert (status, outcomes) == (0, {"published": 64}), err
    assert chain.frames() == {"door": set(range(64))}


def test_only_the_frame_that_is_too_large_by_itself_is_lost_and_named(chain: Chain, folder: Path) -> None:
    limit(chain, "frames", 1_048_588)
    large = folder / "07.jpg"
    large.write_bytes(padded(large.read_bytes(), 1_100_000))
    status, outcomes, err = send(chain, folder)

    assert (status, outcomes) == (65, {"published": 63, "too-large": 1}), err
    assert chain.frames() == {"door": set(range(64)) - {7}}
    assert "could not publish 1 (too-large: 1)" in the_line(err)
    (line,) = [line for line in err.splitlines() if "frame refused by Kafka" in line]
    assert "seq=7" in line


def test_a_dead_letter_that_does_not_fit_goes_without_its_value_and_the_stage_goes_on(
    chain: Chain, distinct_pictures: list[Path]
) -> None:
    limit(chain, "dead-letters", 1024 * 1024)
    chain.start_stages("landmarks")
    headers = {"seq": "1", "captured-at": "1764000000000000", "size": "320x240", "source": "file"}
    bad = b"This is no JPEG." * (2 * 1024 * 1024 // 16)
    chain.send("frames", b"door", bad, headers)
    chain.send("frames", b"door", distinct_pictures[0].read_bytes(), headers | {"seq": "2"})
    eventually(chain.tail("landmarks").poll, "the face of the frame behind it")
    (letter,) = chain.dead_letters()

    assert (letter.key(), letter.value()) == (b"door", None)
    told = dict(letter.headers())
    assert told["dead-letter-reason"] == b"not-a-jpeg"
    assert told["dead-letter-left-out"] == b"value"
    assert told["dead-letter-value-bytes"] == str(len(bad)).encode()
