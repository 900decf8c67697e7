"""Each subject's own neutral face in Redis: written and read by the classify workers.

Key: ``mien:{subject}:neutral``, MessagePack of :class:`NeutralFace`. It lies in the hash slot of the
subject's other keys (``subject_state``) and expires ``subject_ttl_s`` after it was last written or read.

It makes an answer better, but none needs it. So the timeouts are short, and whoever asks goes on without it.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.messages.frame_message import MAX_TIME_US
from streams.messages.landmarks_message import MAX_COORDINATE, pack_points
from streams.messages.unreadable import UNREADABLE
from streams.store.optional_store import QuickStore
from streams.store.subject_state import forgotten_key

SCHEMA = "mien.neutral-face/1"


class NeutralFace(msgspec.Struct, frozen=True, array_like=True, tag=SCHEMA):
    """A neutral face and how much speaks for it; ``models.emotion.neutral_face`` says what readings are."""

    landmark_set: str
    points: bytes
    """K×3 little-endian float32 in the canonical face frame."""
    weight: float
    """In seconds of a calm face. Releases before November 2026 wrote odds of neutral: of the same order."""
    readings: int
    read_at_us: int


def neutral_key(subject_id: str) -> str:
    """The Redis key of a subject's neutral face."""
    return f"mien:{{{subject_id}}}:neutral"


def pack(
    landmark_set: str, mean: NDArray[np.float32], weight: float, readings: int, read_at_us: int
) -> NeutralFace:
    """The record of a neutral face, from the mean of its readings [K, 3]."""
    return NeutralFace(landmark_set, pack_points(mean), weight, readings, read_at_us)


def unpack_points(face: NeutralFace, landmark_set: str, n_points: int) -> NDArray[np.float32] | None:
    """The mean as float32 [n_points, 3], read-only; None if it is of another landmark set or damaged."""
    if face.landmark_set != landmark_set or len(face.points) != n_points * 12:
        return None
    points = np.frombuffer(face.points, dtype="<f4").reshape(n_points, 3).astype(np.float32)
    points.setflags(write=False)
    return points if (np.abs(points) <= MAX_COORDINATE).all() else None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(NeutralFace)


class NeutralFaceStore(QuickStore):
    """Use :meth:`connect`; every method raises ServiceUnavailable if Redis does not answer soon."""

    async def read(self, subject_ids: Sequence[str]) -> dict[str, NeutralFace]:
        """The neutral faces of those subjects that have one.

        What is no :class:`NeutralFace`, but another release's or program's, is left out.
        """
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            for subject_id in subject_ids:
                pipe.getex(neutral_key(subject_id), ex=self._settings.subject_ttl_s)
            values = await self._values(pipe)
        faces = {
            subject_id: _decoded(value)
            for subject_id, value in zip(subject_ids, values, strict=True)
            if value
        }
        return {subject_id: face for subject_id, face in faces.items() if face}

    async def look(self, subject_id: str) -> NeutralFace | None:
        """The face of a subject, if it has one, for who only looks: it expires as if nobody had asked."""
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            pipe.get(neutral_key(subject_id))
            (value,) = await self._values(pipe)
        return _decoded(value) if value else None

    async def write(self, faces: Mapping[str, NeutralFace]) -> None:
        """Writes the face of each subject, but of those that were forgotten."""
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            for subject_id in faces:
                pipe.exists(forgotten_key(subject_id))
            forgotten = await pipe.execute()
            for (subject_id, face), gone in zip(faces.items(), forgotten, strict=True):
                if gone:
                    continue
                pipe.set(neutral_key(subject_id), _encoder.encode(face), ex=self._settings.subject_ttl_s)
            await pipe.execute()


def _decoded(value: bytes) -> NeutralFace | None:
    try:
        face = _decoder.decode(value)
    except UNREADABLE:
        return None
    plausible = 0 < face.weight < math.inf and face.readings > 0 and 0 <= face.read_at_us <= MAX_TIME_US
    return face if plausible else None
