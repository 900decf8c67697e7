"""How many faces showed which emotion, by camera and moment: the last hour of it. Without Kafka or clocks.

Each camera has a ring of counters of a fixed size, so memory does not grow with the faces: 46 KB a camera.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt

from streams.messages.emotion_event import EMOTIONS, Emotion
from streams.messages.landmarks_message import CameraId
from workers.live_feed.live_feed import CAMERAS_MAX

BUCKET_S: Final = 2
"""Nothing finer is known."""
KEEP_S: Final = 3600
AHEAD_S: Final = 60.0
"""An event from so far ahead is of a clock that is off; it would push what is kept out."""
_SLOTS: Final = KEEP_S // BUCKET_S
_NO_ANSWER: Final = len(EMOTIONS)
_COUNT_MAX: Final = np.iinfo(np.uint16).max
_COLUMN: Final[dict[str | None, int]] = {
    **{emotion: column for column, emotion in enumerate(EMOTIONS)},
    None: _NO_ANSWER,
}


class ActivityBucket(msgspec.Struct, frozen=True):
    """What a camera's faces showed in a while that begins at `at`; a face counts once a frame."""

    at: datetime
    events: int
    emotion: Annotated[Emotion | None, msgspec.Meta(description="the most frequent; null: none was named")]
    emotions: Annotated[
        dict[Emotion, int], msgspec.Meta(description="events that named each; the others abstained")
    ]


class CameraActivity(msgspec.Struct, frozen=True):
    """When faces were seen by a camera."""

    camera_id: CameraId
    buckets: Annotated[list[ActivityBucket], msgspec.Meta(description="those with events, the oldest first")]


class _Ring:
    """Bucket n is in place n % _SLOTS, until one comes that is an hour newer."""

    def __init__(self) -> None:
        self.numbers: npt.NDArray[np.int64] = np.full(_SLOTS, -1, np.int64)
        self.counts: npt.NDArray[np.uint16] = np.zeros((_SLOTS, len(EMOTIONS) + 1), np.uint16)
        self.newest = -1


class ActivityBook:
    """Takes events in any order, each once."""

    def __init__(self) -> None:
        self._rings: dict[str, _Ring] = {}

    def take(self, camera_id: str, captured_s: float, emotion: Emotion | None, now_s: float) -> None:
        """Counts one event, unless it is older than an hour or from the future; times since the epoch."""
        if not now_s - KEEP_S <= captured_s <= now_s + AHEAD_S:
            return
        number = int(captured_s // BUCKET_S)
        ring = self._rings.get(camera_id) or self._new_ring(camera_id)
        place = number % _SLOTS
        if ring.numbers[place] < number:
            ring.numbers[place] = number
            ring.counts[place] = 0
        if ring.numbers[place] == number:
            column = _COLUMN[emotion]
            ring.counts[place, column] = min(int(ring.counts[place, column]) + 1, _COUNT_MAX)
            ring.newest = max(ring.newest, number)

    def cameras(self) -> list[str]:
        return sorted(self._rings)

    def of_camera(self, camera_id: str, since_s: float, until_s: float, bucket_s: int) -> CameraActivity:
        """What began between two times, in buckets of so many seconds: a multiple of `BUCKET_S`.

        Buckets begin at multiples of their length since the epoch.
        """
        ring = self._rings.get(camera_id)
        if ring is None:
            return CameraActivity(camera_id, [])
        began_s = ring.numbers * BUCKET_S
        places = np.flatnonzero((ring.numbers >= 0) & (began_s >= since_s) & (began_s <= until_s))
        starts, rows = np.unique(began_s[places] // bucket_s, return_inverse=True)
        counts = np.zeros((len(starts), len(EMOTIONS) + 1), np.int64)
        np.add.at(counts, rows, ring.counts[places])
        return CameraActivity(
            camera_id,
            [
                _bucket(start * bucket_s, row)
                for start, row in zip(starts.tolist(), counts.tolist(), strict=True)
            ],
        )

    def _new_ring(self, camera_id: str) -> _Ring:
        if len(self._rings) >= CAMERAS_MAX:
            del self._rings[min(self._rings, key=lambda name: self._rings[name].newest)]
        ring = self._rings[camera_id] = _Ring()
        return ring


def _bucket(at_s: int, counts: list[int]) -> ActivityBucket:
    named = {emotion: count for emotion, count in zip(EMOTIONS, counts, strict=False) if count}
    most = max(named.items(), key=lambda one: one[1])[0] if named else None
    return ActivityBucket(datetime.fromtimestamp(at_s, UTC), sum(counts), most, named)
