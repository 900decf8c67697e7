"""What one frame costs each process, as measured on one machine: ``measured.json`` beside this file.

`mien capacity --measure` writes it. All figures of the guide follow from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from streams.errors import SettingsInvalid, SourceNotFound
from streams.messages.unreadable import UNREADABLE

MEASURED: Final = Path(__file__).with_name("measured.json")
FACES: Final = (0, 1, 4)


class FrameCost(msgspec.Struct, frozen=True):
    """Of one frame with so many faces in it."""

    cpu_ms: dict[str, float]
    """CPU time by process: camera, kafka, landmarks, classify, state, redis."""
    jpeg_bytes: float
    landmarks_bytes: float
    """All faces together, as of `events_bytes`."""
    events_bytes: float


class LiveCost(msgspec.Struct, frozen=True):
    """CPU time of `mien live` for a thousand messages, of which a face is two: its points and its event."""

    read_ms: float
    sent_to_each_viewer_ms: float


class ServiceTimes(msgspec.Struct, frozen=True):
    """Of frames of one size, by the number of faces."""

    machine: str
    measured_at: str
    frame: str
    """Size and kind of the frames."""
    by_faces: dict[int, FrameCost]
    hop_ms: float
    """From a message's sending until its reader has it, and nothing waits before it."""
    live: LiveCost | None = None
    """None: not measured."""

    def of(self, faces: float) -> FrameCost:
        """Between two numbers of faces that were measured on a straight line, beyond the last one too."""
        known = sorted(self.by_faces)
        upper = next((n for n in known[1:] if n >= faces), known[-1])
        lower = known[known.index(upper) - 1]
        share = (faces - lower) / (upper - lower)
        low, high = self.by_faces[lower], self.by_faces[upper]
        return FrameCost(
            _between(low.cpu_ms, high.cpu_ms, share),
            low.jpeg_bytes + share * (high.jpeg_bytes - low.jpeg_bytes),
            low.landmarks_bytes + share * (high.landmarks_bytes - low.landmarks_bytes),
            low.events_bytes + share * (high.events_bytes - low.events_bytes),
        )


def _between(low: Mapping[str, float], high: Mapping[str, float], share: float) -> dict[str, float]:
    return {name: max(0.0, low[name] + share * (high[name] - low[name])) for name in low}


def load(path: Path = MEASURED) -> ServiceTimes:
    """Those that a file has; those that ship were measured last on our machine.

    Raises:
        SourceNotFound: if there is no such file.
        SettingsInvalid: if it holds anything else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ServiceTimes)
    except OSError as exc:
        raise SourceNotFound(f"{path} cannot be read: {exc.strerror}") from exc
    except UNREADABLE as exc:
        raise SettingsInvalid(f"{path} is not what `mien capacity --measure` writes: {exc}") from exc


def dump(times: ServiceTimes) -> bytes:
    """The text of such a file."""
    return msgspec.json.format(msgspec.json.encode(times), indent=1) + b"\n"
