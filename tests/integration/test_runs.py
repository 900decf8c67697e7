"""A camera that is started again, and two that have one id: every frame counts once, and somebody says so."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import Chain, Process, eventually

from workers.local.chain import STAGES

FRAMES = 20
ID = "door"


def start_camera(chain: Chain, folder: Path, *options: str) -> Process:
    return chain.start("camera", "--id", ID, "--source", str(folder), "--lossless", *options)


def frames(chain: Chain) -> Counter[int]:
    """Run → number of its frames that have an event."""
    of_frames = {(event["run"], event["frame_seq"]) for event in chain.events()}
    return Counter(run for run, _ in of_frames)


def applied(chain: Chain) -> int:
    """Events that Redis has counted, of all subjects."""
    keys = chain.redis.keys("mien:{*}:state")
    return sum(int(chain.redis.hget(key, "events") or 0) for key in keys)


def test_a_file_sent_again_and_two_producers_of_one_id_lose_nothing(
    chain: Chain, pictures: Callable[[int], Path]
) -> None:
    folder = pictures(FRAMES)
    stages = dict(zip(STAGES, chain.start_stages(*STAGES), strict=True))
    for _ in range(2):
        assert start_camera(chain, folder, "--as-fast-as-possible").wait() == 0
    eventually(lambda: sorted(frames(chain).values()) == [FRAMES] * 2, lambda: f"two runs: {frames(chain)}")
    overlapping = stages["landmarks"].totals("mien_overlapping_frames_total", "camera")
    assert overlapping == {}

    both = [start_camera(chain, folder, "--fps", "5") for _ in range(2)]
    assert [camera.wait() for camera in both] == [0, 0]
    eventually(lambda: sorted(frames(chain).values()) == [FRAMES] * 4, lambda: f"four runs: {frames(chain)}")
    assert stages["landmarks"].totals("mien_overlapping_frames_total", "camera")[ID] > 0
    assert "two producers send under one camera id" in stages["landmarks"].err

    events = chain.events()
    ids = {event["event_id"] for event in events}
    assert len(ids) == len({(e["run"], e["frame_seq"], e["subject_id"]) for e in events})
    assert all(event["source"] == "file" for event in events)
    eventually(lambda: applied(chain) == len(ids), lambda: f"{applied(chain)} of {len(ids)} events in Redis")
    by_subject = Counter((event["subject_id"], event["run"]) for event in events)
    assert len(by_subject) == len({subject for subject, _ in by_subject})  # nobody is of two runs
