"""What is read of ``mien.cameras``: gaps that compaction left, records read twice, and what is no truth."""

from typing import NamedTuple

from streams.messages import camera_truth
from streams.messages.camera_truth import HEARTBEAT_S, CameraState, CameraTruth
from streams.messages.emotion_event import time_of
from streams.settings import Settings
from workers.alerts.truth_reader import TruthReader

START_US = 1_764_000_000_000_000


class Record(NamedTuple):
    partition: int
    offset: int
    value: bytes


def record(offset: int, minutes: int, state: CameraState = "ok", camera: str = "a") -> Record:
    at = time_of(START_US + minutes * 60_000_000)
    return Record(0, offset, camera_truth.encode(CameraTruth(camera, 1, at, state, at, {}))[1])


def state(reader: TruthReader, minutes: float, camera: str = "a") -> str:
    return reader.timeline.at(camera, START_US + round(minutes * 60e6))


def test_silence_is_lost_but_not_where_offsets_are_missing() -> None:
    assert HEARTBEAT_S < 60
    for second, expected in ((1, "lost"), (7, "unknown")):
        reader = TruthReader(Settings.model_construct())
        reader.take(record(0, 0))
        reader.take(record(second, 10))
        assert state(reader, 5) == expected
        assert state(reader, 10.5) == "ok"


def test_a_gap_in_the_partition_counts_for_each_of_its_cameras() -> None:
    reader = TruthReader(Settings.model_construct())
    reader.take(record(0, 0, camera="a"))
    reader.take(record(1, 0, camera="b"))
    reader.take(record(9, 10, camera="a"))
    reader.take(record(10, 10, camera="b"))
    reader.take(record(11, 20, camera="b"))

    assert state(reader, 5, "b") == "unknown"
    assert state(reader, 15, "b") == "lost"


def test_what_was_read_changes_nothing_when_it_comes_again_nor_does_junk() -> None:
    reader = TruthReader(Settings.model_construct())
    reader.take(record(0, 0))
    reader.take(record(1, 1, "dark"))
    reader.take(Record(0, 2, b"junk"))
    reader.take(record(0, 0))

    assert state(reader, 1.5) == "dark"
