"""Workers join and leave under backlog: nothing is worked on twice, nothing is lost, nobody gets a new id."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import Chain, Process, eventually

from streams.messages import landmarks_message
from workers.local.chain import one_camera_a_partition

PARTITIONS = 4
PICTURES = 118  # there and back: the face does not jump when it starts again
JOINS = 2


def done(worker: Process) -> int:
    return worker.totals("mien_frames_total", "camera").total()


def goes_on(worker: Process, frames: int = 40) -> None:
    """Returns when the worker has done so many more frames."""
    before = done(worker)
    eventually(lambda: done(worker) >= before + frames, lambda: f"work goes on:\n{worker.err}")


def test_nothing_twice_nothing_lost_no_new_id_while_workers_join_and_leave_under_backlog(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    chain = make_chain(partitions=PARTITIONS)
    first, _ = chain.start_stages("landmarks", "classify")
    options = ["--source", str(pictures(PICTURES)), "--lossless", "--as-fast-as-possible", "--repeat"]
    cameras = [
        chain.start("camera", "--id", camera, *options)
        for camera in one_camera_a_partition(PARTITIONS, "hall")
    ]
    goes_on(first)
    for _ in range(JOINS):
        joins = [chain.start("landmarks"), chain.start("classify")]
        eventually(lambda w=joins[0]: w.totals("mien_frames_total", "camera"), "frames for the second worker")
        goes_on(joins[0])
        goes_on(first)
        for worker in joins:
            assert worker.end() == 0, worker.err
            assert "not committed" not in worker.err, worker.err
        goes_on(first)
    for camera in cameras:
        assert camera.end() == 0, camera.err

    frames = {(camera, seq) for camera, seqs in chain.frames().items() for seq in seqs}
    assert len(frames) > 500

    def faces() -> Counter[tuple[str, int]]:
        found = (landmarks_message.decode(m.value()) for m in chain.tail("landmarks").poll())
        return Counter((face.camera_id, face.frame_seq) for face in found)

    def events() -> Counter[tuple[str, int]]:
        return Counter((event["camera_id"], event["frame_seq"]) for event in chain.events())

    for found in (faces, events):
        eventually(lambda found=found: frames <= found().keys(), lambda: f"all of {len(frames)} frames")
        assert {frame: count for frame, count in found().items() if count > 1} == {}
        assert found().keys() == frames
    ids = {(event["camera_id"], event["subject_id"]) for event in chain.events()}
    assert len(ids) == PARTITIONS, ids
