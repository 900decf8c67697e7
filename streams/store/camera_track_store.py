"""Where a camera's faces were last, in Redis: what a landmarks worker hands over to the next one.

Key: ``mien:{camera}:tracks``, MessagePack of :class:`CameraTracks`; it expires ``hand_over_ttl_s`` after it
was last written. It holds no picture and no landmarks, only boxes, speeds and ids.

It keeps ids when partitions move, but no frame needs it. So the timeouts are short, and whoever asks goes on
without it.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from streams.messages.frame_message import MAX_TIME_US
from streams.messages.landmarks_message import SubjectId
from streams.messages.unreadable import UNREADABLE
from streams.store.optional_store import QuickStore

SCHEMA = "mien.camera-tracks/1"

_MAX: Final = 1e7
"""In px and px/s: far beyond any picture and movement, and no trouble for whoever calculates with it."""


class TrackRecord(msgspec.Struct, frozen=True, array_like=True):
    """One subject as last seen, in px of the picture; ``faces.tracking.Track`` says what the fields are."""

    subject_id: SubjectId
    roi: tuple[float, float, float, float]
    """Centre x, centre y, size in px, rotation in rad."""
    box_xyxy_px: tuple[float, float, float, float]
    velocity: tuple[float, float, float]
    """px/s, px/s, and of the logarithm of the size per s."""
    seen_us: int
    moved_us: int = 0


class CameraTracks(msgspec.Struct, frozen=True, array_like=True, tag=SCHEMA):
    """All subjects of one run of a camera that may come back, as of one frame."""

    captured_at_us: int
    tracks: tuple[TrackRecord, ...]
    run: int = 0
    seq: int = -1
    """The frame's number. A release that knew no runs did not write it: its tracks are of run 0."""


def tracks_key(camera_id: str) -> str:
    """The Redis key of a camera's tracks."""
    return f"mien:{{{camera_id}}}:tracks"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CameraTracks)


class CameraTracksStore(QuickStore):
    """Use :meth:`connect`; every method raises ServiceUnavailable if Redis does not answer soon."""

    async def read(self, camera_id: str) -> CameraTracks | None:
        """What the last worker left of a camera; None if nothing, or only what another release wrote."""
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            pipe.get(tracks_key(camera_id))
            (value,) = await self._values(pipe)
        return _decoded(value) if value is not None else None

    async def write(self, cameras: Mapping[str, CameraTracks]) -> None:
        """Writes the tracks of each camera, in one round trip."""
        ttl_s = self._settings.hand_over_ttl_s
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            for camera_id, record in cameras.items():
                pipe.set(tracks_key(camera_id), _encoder.encode(record), ex=ttl_s)
            await pipe.execute()


def _decoded(value: bytes) -> CameraTracks | None:
    try:
        record = _decoder.decode(value)
    except UNREADABLE:
        return None
    return record if is_plausible(record) else None


def is_plausible(record: CameraTracks) -> bool:
    """Whether one can calculate with all its numbers."""
    return all(map(_is_plausible, record.tracks))


def _is_plausible(track: TrackRecord) -> bool:
    x0, y0, x1, y1 = track.box_xyxy_px
    return (
        all(abs(number) <= _MAX for number in (*track.roi, *track.box_xyxy_px, *track.velocity))
        and track.roi[2] > 0
        and x1 > x0
        and y1 > y0
        and 0 <= track.seen_us <= MAX_TIME_US
        and 0 <= track.moved_us <= MAX_TIME_US
    )
