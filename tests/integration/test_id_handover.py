"""Landmarks workers come and go in mid-stream, and every face keeps its subject id."""

import signal
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Chain, eventually

from streams.messages import landmarks_message
from workers.camera.camera import NAME as CAMERA

FPS = 5
FRAMES = 100


def subjects(chain: Chain) -> dict[int, str]:
    """Frame → subject; fails if a frame was given two."""
    found: dict[int, set[str]] = defaultdict(set)
    for message in chain.tail("landmarks").poll():
        face = landmarks_message.decode(message.value())
        found[face.frame_seq].add(face.subject_id)
    assert all(len(ids) == 1 for ids in found.values()), found
    return {seq: next(iter(ids)) for seq, ids in sorted(found.items())}


@pytest.mark.parametrize(
    ("ends", "changes"),
    [(signal.SIGTERM, {}), (signal.SIGKILL, {}), (signal.SIGKILL, {"redis_url": "redis://127.0.0.1:1/0"})],
    ids=["stopped", "killed", "killed, without Redis"],
)
def test_the_next_worker_goes_on_with_the_ids(
    make_chain: Callable[..., Chain],
    pictures: Callable[[int], Path],
    ends: signal.Signals,
    changes: dict[str, str],
) -> None:
    chain = make_chain(partitions=2)
    first, second = (chain.start("landmarks", **changes) for _ in range(2))
    for worker in (first, second):
        worker.wait_ready()
    options = ["--source", str(pictures(FRAMES)), "--lossless", "--fps", str(FPS)]
    camera = chain.start(CAMERA, "--id", "hall", *options)
    at_work = eventually(
        lambda: next((p for p in (first, second) if p.totals("mien_faces_total", "camera")), None),
        "faces from one of the two workers",
    )
    other = second if at_work is first else first
    eventually(lambda: len(subjects(chain)) >= 3 * FPS, "some seconds of faces")
    assert not other.totals("mien_faces_total", "camera")

    at_work.end(ends)
    eventually(
        lambda: other.totals("mien_faces_total", "camera"), lambda: f"faces from the other:\n{other.err}"
    )
    assert camera.wait() == 0, camera.err
    eventually(lambda: len(subjects(chain)) == FRAMES, lambda: f"all frames; {len(subjects(chain))} came")

    assert len(set(subjects(chain).values())) == 1
    assert other.totals("mien_resumed_tracks_total", "camera") == {"hall": 1}


def test_without_hand_over_the_ids_are_others(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    """So the test above sees the hand-over at work, and not an id that would have been the same anyway."""
    chain = make_chain(partitions=1, hand_over=False)
    first = chain.start("landmarks").wait_ready()
    options = ["--source", str(pictures(20)), "--lossless", "--fps", str(FPS)]
    for number in range(2):
        camera = chain.start(CAMERA, "--id", "hall", "--first-seq", str(100 * number), *options)
        assert camera.wait() == 0, camera.err
        eventually(lambda n=number: len(subjects(chain)) == 20 * (n + 1), "all frames")
        if not number:
            assert first.end() == 0
            first = chain.start("landmarks").wait_ready()
    assert len(set(subjects(chain).values())) == 2
    assert not chain.redis.keys("*")
