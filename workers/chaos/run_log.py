"""What a chaos run wrote down: all that the checker knows.

Times are seconds since the run began, as the watcher saw them.
"""

from typing import NamedTuple

import msgspec


class FrameId(NamedTuple):
    """A frame of a camera. Frames of one camera are ordered by run, then seq."""

    camera_id: str
    run: int
    seq: int


class Place(NamedTuple):
    """Where a record is in its topic."""

    partition: int
    offset: int


class FrameSeen(msgspec.Struct, frozen=True):
    """A record of mien.frames."""

    frame: FrameId
    place: Place
    at_s: float


class FaceSeen(msgspec.Struct, frozen=True):
    """A record of mien.landmarks or mien.emotions."""

    frame: FrameId
    subject_id: str
    place: Place
    at_s: float
    event_id: str = ""


class DeadLetter(msgspec.Struct, frozen=True):
    """A record of mien.dead-letters."""

    stage: str
    reason: str
    at_s: float


class Sent(msgspec.Struct, frozen=True):
    """What a camera says at its end: so many frames were taken by Kafka. One that was killed says nothing."""

    camera_id: str
    published: int


class Kept(msgspec.Struct, frozen=True):
    """A subject's state in Redis."""

    subject_id: str
    run: int
    frame_seq: int
    events: int


class OffsetSeen(msgspec.Struct, frozen=True):
    """What a group had committed in one partition."""

    group: str
    partition: int
    offset: int
    at_s: float


class ProcessSeen(msgspec.Struct, frozen=True):
    """What one process used."""

    name: str
    pid: int
    rss_mib: float
    fds: int
    at_s: float


class RoundLog(msgspec.Struct, frozen=True):
    """The faults of one round."""

    faults: list[str]
    began_s: float
    mended_s: float
    recovered_s: float | None
    """When a frame of every camera that was sent after ``mended_s`` was in Redis; None if never."""


class RunLog(msgspec.Struct):
    """Everything."""

    seed: int
    session_timeout_s: float
    rounds: list[RoundLog] = []
    frames: list[FrameSeen] = []
    landmarks: list[FaceSeen] = []
    emotions: list[FaceSeen] = []
    dead_letters: list[DeadLetter] = []
    sent: list[Sent] = []
    kept: list[Kept] = []
    offsets: list[OffsetSeen] = []
    processes: list[ProcessSeen] = []
    ended_by_themselves: list[str] = []
    """Workers that nobody ended, with their exit code: they were started again, as Kubernetes does."""
    left_out: list[str] = []
    """Faults that this machine cannot have, with the reason."""
