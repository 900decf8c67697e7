"""What came of late, of each camera, in memory: what streams are fed from. Without Kafka, clocks or clients.

Each camera has a ring of its own, so that a busy one pushes nothing of a quiet one out. Records have numbers
in the order in which they came, over all cameras; whoever has seen some of them asks for what came since.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

Kind = Literal["emotions", "points", "cameras", "alerts", "verdicts"]

CAMERAS_MAX: Final = 1_000
"""Who may write events can make ids up without end."""
OVERHEAD_BYTES: Final = 300
"""Of a record, beside its bytes; measured with sys.getsizeof."""


class Record(NamedTuple):
    """One message of a topic, ready to be sent."""

    number: int
    kind: Kind
    partition: int
    offset: int
    camera_id: str
    came_s: float
    """When Kafka got it, in seconds since the epoch."""
    sse: bytes
    """As a server-sent event."""
    emotion: str | None = None
    confidence: float = 0.0


class _Ring:
    def __init__(self) -> None:
        self.records: deque[Record] = deque()
        self.bytes = 0
        self.count = 0
        """How many there were until now, also those that are gone."""
        self.last_event_s: float | None = None


class Seen:
    """How much of each camera a client has taken."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}


class LiveFeed:
    """Bounded in bytes a camera, in seconds, and in cameras."""

    def __init__(self, *, ring_bytes: int, keep_s: float) -> None:
        self._ring_bytes = ring_bytes
        self._keep_s = keep_s
        self._rings: dict[str, _Ring] = {}
        self._number = 0
        self.positions: dict[tuple[str, int], int] = {}
        """(kind, partition) → the offset to come."""
        self._kept_from: dict[tuple[str, int], int] = {}
        """(kind, partition) → the first offset from which on all is here."""

    def begin(self, kind: Kind, partition: int, offset: int) -> None:
        """Says from where on a partition is read; what is before it is not here."""
        self.positions[kind, partition] = offset
        self._kept_from[kind, partition] = offset

    def pass_over(self, kind: Kind, partition: int, offset: int, *, too_old: bool = False) -> None:
        """A message that is nothing to be shown, or that is too old to be kept."""
        self.positions[kind, partition] = offset + 1
        if too_old:
            self._kept_from[kind, partition] = offset + 1

    def add(
        self,
        kind: Kind,
        partition: int,
        offset: int,
        camera_id: str,
        sse: bytes,
        came_s: float,
        *,
        emotion: str | None = None,
        confidence: float = 0.0,
    ) -> None:
        """Takes one message, the next one of its partition."""
        self._number += 1
        record = Record(self._number, kind, partition, offset, camera_id, came_s, sse, emotion, confidence)
        self.positions[kind, partition] = offset + 1
        ring = self._rings.get(camera_id) or self._new_ring(camera_id)
        ring.records.append(record)
        ring.count += 1
        ring.bytes += len(sse) + OVERHEAD_BYTES
        if kind == "emotions":
            ring.last_event_s = came_s
        gone = []
        while len(ring.records) > 1 and (
            ring.bytes > self._ring_bytes or ring.records[0].came_s < came_s - self._keep_s
        ):
            gone.append(ring.records.popleft())
            ring.bytes -= len(gone[-1].sse) + OVERHEAD_BYTES
        self._forget(gone)

    def _new_ring(self, camera_id: str) -> _Ring:
        if len(self._rings) >= CAMERAS_MAX:
            quietest = min(self._rings, key=lambda name: self._rings[name].records[-1].number)
            self._forget(self._rings.pop(quietest).records)
        ring = self._rings[camera_id] = _Ring()
        return ring

    def _forget(self, records: Iterable[Record]) -> None:
        for record in records:
            place = record.kind, record.partition
            self._kept_from[place] = max(self._kept_from.get(place, 0), record.offset + 1)

    def now(self) -> Seen:
        """For a client that begins with what comes."""
        seen = Seen()
        seen.counts = {camera: ring.count for camera, ring in self._rings.items()}
        return seen

    def since(
        self, positions: Mapping[tuple[str, int], int], may_see: Callable[[str], bool]
    ) -> tuple[list[Record], int]:
        """What came since a client was somewhere, and how many messages are not here any more, at most.

        Of kinds that its position does not name, nothing.
        """
        found = [
            record
            for camera, ring in self._rings.items()
            if may_see(camera)
            for record in ring.records
            if record.offset >= positions.get((record.kind, record.partition), record.offset + 1)
        ]
        lost = sum(max(0, self._kept_from.get(place, offset) - offset) for place, offset in positions.items())
        return sorted(found), lost

    def take(self, seen: Seen, may_see: Callable[[str], bool]) -> tuple[list[Record], int]:
        """What came since the client took last, in order, and how many are not here any more."""
        found: list[Record] = []
        lost = 0
        for camera, ring in self._rings.items():
            new = ring.count - seen.counts.get(camera, 0)
            if new <= 0:
                continue
            seen.counts[camera] = ring.count
            if may_see(camera):
                here = min(new, len(ring.records))
                lost += new - here
                found += [ring.records[place] for place in range(len(ring.records) - here, len(ring.records))]
        return sorted(found), lost

    def last_event_s(self) -> dict[str, float]:
        """Camera → when its last emotion event came, of those that came of late."""
        found = {camera: ring.last_event_s for camera, ring in self._rings.items()}
        return {camera: last_s for camera, last_s in found.items() if last_s is not None}
