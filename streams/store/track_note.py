"""Where the faces of one partition's cameras were, as text that is committed with the partition's offset.

So it is there when Redis is not, and it is of the very frame that the next worker begins after: what is
worked on again gets the ids that it had. Kafka keeps it until the next commit, or as long as the group's
offsets. It holds what ``camera_track_store`` holds: no picture and no landmarks.
"""

import base64
from collections.abc import Mapping
from typing import Final

import msgspec

from streams.messages.unreadable import UNREADABLE
from streams.store.camera_track_store import CameraTracks, is_plausible

NOTE_MAX: Final = 4096
"""Characters: Kafka's default of ``offset.metadata.max.bytes``. Room for some 16 cameras with a face each."""
_BYTES_MAX: Final = NOTE_MAX // 5 * 4

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[str, CameraTracks]])


def write(cameras: Mapping[str, CameraTracks]) -> str:
    """Makes text of the tracks by camera id, at most `NOTE_MAX` characters: the first ones that fit."""
    entries: list[tuple[str, CameraTracks]] = []
    size_bytes = 3  # of the list's own head, at most
    for camera_id, record in cameras.items():
        size_bytes += len(_encoder.encode((camera_id, record)))
        if size_bytes > _BYTES_MAX:
            break
        entries.append((camera_id, record))
    return base64.b85encode(_encoder.encode(entries)).decode() if entries else ""


def read(note: str) -> dict[str, CameraTracks]:
    """The tracks by camera id; none, if the text is not ours: whoever may commit can commit any."""
    try:
        entries = _decoder.decode(base64.b85decode(note)) if note else []
    except (ValueError, *UNREADABLE):
        return {}
    return {camera_id: record for camera_id, record in entries if is_plausible(record)}
