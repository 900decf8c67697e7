"""Workers join and leave under backlog: nothing is worked on twice, nothing is lost, nobody gets a new id."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer
from harness import Chain, Process, assert_nothing_lost, eventually

from streams.messages import frame_message, landmarks_message
from streams.messages.frame_message import Frame
from workers.local.chain import STAGES, one_camera_a_partition

PARTITIONS = 4
FRAME_US = 100_000
AHEAD = 600
"""So many frames wait at least, while workers come and go."""
JOINS = 2


class Backlog:
    """Frames of films that were taken at their own pace, written faster than the workers read them."""

    def __init__(self, chain: Chain, pictures: list[Path]) -> None:
        self._chain = chain
        self._jpegs = [path.read_bytes() for path in pictures]
        self._producer = Producer({"bootstrap.servers": chain.bootstrap})
        self.cameras = list(one_camera_a_partition(PARTITIONS, "hall"))
        self.frames: set[tuple[str, int]] = set()

    def keep_up(self) -> None:
        """Writes more, if the workers come near the end."""
        wanted = len(self._chain.tail("landmarks").poll()) + AHEAD
        while len(self.frames) < wanted:
            seq = len(self.frames) // PARTITIONS
            for camera in self.cameras:
                self._write(camera, seq)
            self.frames |= {(camera, seq) for camera in self.cameras}
        assert self._producer.flush(60) == 0

    def _write(self, camera: str, seq: int) -> None:
        frame = Frame(
            camera_id=camera,
            seq=seq,
            captured_at_us=1_700_000_000_000_000 + seq * FRAME_US,
            size_px=(320, 240),
            source="file",
            traceparent="",
            jpeg=self._jpegs[seq % len(self._jpegs)],
        )
        key, value, headers = frame_message.encode(frame)
        self._producer.produce(self._chain.settings.topics.frames.name, value, key, headers=headers)


def done(worker: Process) -> int:
    return worker.totals("mien_frames_total", "camera").total()


def test_nothing_twice_nothing_lost_no_new_id_while_workers_join_and_leave_under_backlog(
    make_chain: Callable[..., Chain], pictures: Callable[[int], Path]
) -> None:
    chain = make_chain(partitions=PARTITIONS, frames_retention_ms=600_000)
    backlog = Backlog(chain, sorted(pictures(118).iterdir(), key=lambda path: int(path.stem)))

    def goes_on(worker: Process, frames: int = 40) -> None:
        """Returns when the worker has done so many more frames."""
        before = done(worker)

        def has() -> bool:
            backlog.keep_up()
            return done(worker) >= before + frames

        eventually(has, lambda: f"work goes on:\n{worker.err}")

    def faces() -> Counter[tuple[str, int]]:
        found = (landmarks_message.decode(m.value()) for m in chain.tail("landmarks").poll())
        return Counter((face.camera_id, face.frame_seq) for face in found)

    def events() -> Counter[tuple[str, int]]:
        return Counter((event["camera_id"], event["frame_seq"]) for event in chain.events())

    first, _, _ = chain.start_stages(*STAGES)
    goes_on(first)
    for _ in range(JOINS):
        joins = [chain.start(name) for name in STAGES]
        goes_on(joins[0])
        goes_on(first)
        for worker in joins:
            assert worker.end() == 0, worker.err
            assert "not committed" not in worker.err, worker.err
        goes_on(first)
    frames = backlog.frames

    for found in (faces, events):
        eventually(lambda found=found: frames <= found().keys(), lambda: f"all of {len(frames)} frames")
        assert {frame: count for frame, count in found().items() if count > 1} == {}
        assert found().keys() == frames
    assert len({event["subject_id"] for event in chain.events()}) == PARTITIONS
    assert_nothing_lost(chain)  # the state, whose stage may do things again, has counted each once
