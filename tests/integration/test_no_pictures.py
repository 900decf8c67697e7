"""MIEN_FRAMES=none: no picture leaves the camera's process, and all else is as it was."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harness import Chain, eventually, kept
from picture_search import files, has_jpeg, places_with_jpegs, records, redis_values

from streams.local.kafka_server import KafkaServer
from streams.messages import landmarks_message
from streams.messages.landmarks_message import Landmarks

COUNT = 24
CAMERA = ["camera", "--camera", "private", "--lossless", "--as-fast-as-possible", "--json"]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all processes put their temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def source(pictures: Callable[[int], Path]) -> Path:
    """Good pictures, and one that is found to be broken when it is decoded."""
    folder = pictures(COUNT)
    good = (folder / "0.jpg").read_bytes()
    (folder / "99.jpg").write_bytes(good[:2000] + b"\xff\xd9")
    return folder


def faces(chain: Chain) -> dict[int, Landmarks]:
    """Of one camera with one face: number of the frame → its message."""
    found = [landmarks_message.decode(message.value()) for message in chain.tail("landmarks").poll()]
    assert len({face.frame_seq for face in found}) == len(found)
    return {face.frame_seq: face for face in found}


def run_chain(chain: Chain, source: Path, *stages: str, frames: str) -> dict[str, int]:
    """Sends all pictures and waits until Redis has the last one's event; the camera's summary."""
    chain.start_stages(*stages)
    _status, out, err = chain.run(*CAMERA, "--source", str(source), frames=frames)
    summary = json.loads(out)
    assert summary["published"] in (COUNT, COUNT + 1), err
    (subject,) = eventually(lambda: {face.subject_id for face in faces(chain).values()}, "a face")
    eventually(lambda: kept(chain, subject)[1] == COUNT, lambda: f"all events: {kept(chain, subject)}")
    return dict(summary)


def where(chain: Chain, kafka: KafkaServer, temporary: Path) -> dict[str, list[str]]:
    """The places that hold a JPEG; every kind of place must hold something at all."""
    logs = [path for path in kafka.data_dir.iterdir() if path.name.startswith((chain.prefix, "__"))]
    looked_at = {
        "topics": list(records(chain)),
        "redis": list(redis_values(chain.redis)),
        "disks": list(files(*logs, temporary)),
    }
    assert all(looked_at.values())
    return {kind: places_with_jpegs(places) for kind, places in looked_at.items()}


def test_no_picture_is_in_any_topic_in_redis_or_on_a_disk(
    make_chain: Callable[..., Chain], kafka: KafkaServer, source: Path, temporary: Path
) -> None:
    private, public = make_chain(), make_chain()
    summary = run_chain(private, source, "classify", "state", frames="none")
    run_chain(public, source, "landmarks", "classify", "state", frames="publish")

    assert summary == {"published": COUNT, "corrupt": 1}
    assert where(private, kafka, temporary) == {"topics": [], "redis": [], "disks": []}
    # The same search, where frames are published: so it can find them.
    found = where(public, kafka, temporary)
    assert found["topics"] == [f"{public.prefix}.dead-letters", f"{public.prefix}.frames"]
    assert any(name.startswith(f"{public.prefix}.frames") for name in found["disks"])
    assert found["redis"] == []

    # The faces are those that the landmarks stage finds; when it searches, the time of reading decides.
    one, other = faces(private), faces(public)
    assert one.keys() == other.keys()
    for seq, face in one.items():
        points, same = (landmarks_message.unpack_points(f, 128) for f in (face, other[seq]))
        assert np.abs(points - same).max() < 0.05  # inter-ocular distances
        assert face.landmark_set == other[seq].landmark_set


@pytest.mark.parametrize("around", [b"", b"\x00text", b"\xff\xd8\xff\xe0 by chance "])
def test_a_jpeg_is_found_among_other_bytes(distinct_pictures: list[Path], around: bytes) -> None:
    jpeg = distinct_pictures[0].read_bytes()

    assert has_jpeg(around + jpeg + around)
    assert not has_jpeg(around + jpeg[4:] + around)
