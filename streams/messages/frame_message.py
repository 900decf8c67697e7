"""A frame on ``mien.frames``: the key is the camera, the value the JPEG alone, the rest is in headers.

Header   Format                                   Example
seq      decimal                                  1234
run      µs since the epoch, decimal              1764000000000000
captured-at  µs since the epoch, decimal          1764000000123456
size     width x height in px                     640x480
full-width   px, decimal; only where it was scaled down   1920
source   ``live`` or ``file``                     live
priority ``low``, ``normal`` or ``high``          normal
traceparent  W3C Trace Context                    00-<32 hex>-<16 hex>-01

``run`` is when this run of the camera began: its process, which numbers the frames. Run and seq together name
a frame: one that comes again has both again. A frame without it, of an older producer, is of run 0.

``captured-at`` is the time after the read that gave the picture; of a file (``source``) when the run began
plus the picture's own time in the file, so that it does not depend on when the file was read.

``full-width`` is the width of the camera's own picture, before `--width` made it this one.

``source`` decides whether an old frame may be dropped: a live camera's may, a file's never.
A frame without it counts as live.

``priority`` says whose frames go first where there are more than can be worked on. Without it: normal.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from streams.errors import BadMessage
from streams.telemetry import trace_context
from streams.telemetry.trace_context import TraceContext

Headers = list[tuple[str, bytes]]
Source = Literal["live", "file"]
Priority = Literal["low", "normal", "high"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""The least first."""

MAX_TIME_US = 253_402_300_799_999_999
"""The last µs of the year 9999: later times cannot be written as RFC 3339."""

CAMERA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
PROBE_CAMERA: Final = "mien-probe"
"""The camera of `mien probe`: no real one may have this id, and alerts, lists and counts leave it out."""
MAX_SEQ = 2**53 - 1  # Redis compares runs and frame numbers in Lua, whose numbers are doubles
MAX_WIDTH_PX: Final = 999_999
_SIZE = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")


class Frame(NamedTuple):
    """One picture of one camera."""

    camera_id: str
    seq: int
    captured_at_us: int
    size_px: tuple[int, int]
    """Width, height."""
    source: Source
    traceparent: str
    jpeg: bytes
    run: int = 0
    """When this run of the camera began, µs since the epoch; 0: not known."""
    full_width_px: int = 0
    """Of the camera's own picture, where it was scaled down; 0: it was not, or nobody told."""
    priority: Priority = "normal"


def check_camera_id(camera_id: str) -> str:
    """Returns the id if it is 1–63 of ``A-Za-z0-9._-``: it becomes a Kafka key, a Redis key and a label.

    Raises:
        BadMessage: if it is anything else.
    """
    if not CAMERA_ID.fullmatch(camera_id):
        raise BadMessage(f"Camera id {camera_id[:80]!r} is not 1 to 63 letters, digits, '.', '_' or '-'")
    return camera_id


def encode(frame: Frame) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers for Kafka."""
    width, height = frame.size_px
    headers: Headers = [
        ("seq", str(frame.seq).encode()),
        ("run", str(frame.run).encode()),
        ("captured-at", str(frame.captured_at_us).encode()),
        ("size", f"{width}x{height}".encode()),
        ("source", frame.source.encode()),
        ("priority", frame.priority.encode()),
        ("traceparent", frame.traceparent.encode()),
    ]
    if frame.full_width_px:
        headers.append(("full-width", str(frame.full_width_px).encode()))
    return frame.camera_id.encode(), frame.jpeg, headers


def decode(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Frame:
    """The frame that a Kafka message holds; the JPEG itself is not looked at.

    Raises:
        BadMessage: saying which header or key is missing or wrong.
    """
    texts = {name: (raw or b"").decode("utf-8", "replace") for name, raw in headers}
    size = _SIZE.fullmatch(_required(texts, "size"))
    if size is None:
        raise BadMessage(f"Frame header size={texts['size'][:40]!r} is not WIDTHxHEIGHT")
    if not value:
        raise BadMessage("Frame without a value: it should be the JPEG")
    source = texts.get("source", "live")
    if source not in ("live", "file"):
        raise BadMessage(f"Frame header source={source[:40]!r} is neither live nor file")
    named = texts.get("priority", "normal")
    priority = next((one for one in PRIORITIES if one == named), None)
    if priority is None:
        raise BadMessage(f"Frame header priority={named[:40]!r} is not {', '.join(PRIORITIES)}")
    traceparent = texts.get("traceparent", "")
    return Frame(
        camera_id=check_camera_id((key or b"").decode("utf-8", "replace")),
        seq=_integer(texts, "seq"),
        captured_at_us=_integer(texts, "captured-at", MAX_TIME_US),
        size_px=(int(size[1]), int(size[2])),
        source="live" if source == "live" else "file",
        traceparent=traceparent if trace_context.parse(traceparent) else str(TraceContext.new(sampled=False)),
        jpeg=value,
        run=_integer(texts, "run") if "run" in texts else 0,
        full_width_px=_integer(texts, "full-width", MAX_WIDTH_PX) if "full-width" in texts else 0,
        priority=priority,
    )


class FrameHeaders(msgspec.Struct, rename="kebab", frozen=True):
    """The headers of a frame, for the published schema; all values are text."""

    seq: str
    captured_at: str
    size: str
    run: str = "0"
    source: Source = "live"
    priority: Priority = "normal"
    traceparent: str = ""
    full_width: str = ""


def _required(texts: dict[str, str], name: str) -> str:
    try:
        return texts[name]
    except KeyError:
        raise BadMessage(f"Frame without the header {name!r}; it has {sorted(texts)[:8]}") from None


def _integer(texts: dict[str, str], name: str, maximum: int = MAX_SEQ) -> int:
    text = _required(texts, name)
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) > maximum:
        raise BadMessage(f"Frame header {name}={text[:40]!r} is not a whole number up to {maximum}")
    return int(text)
