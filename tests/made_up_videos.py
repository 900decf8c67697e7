"""Videos that tests make themselves, through the FFmpeg of PyAV."""

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from models.arrays import Picture

CODECS = {"mjpeg": "yuvj420p", "libx264": "yuv420p", "libx265": "yuv420p"}


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    *,
    codec: str = "libx264",
    times_s: Sequence[float] | None = None,
    from_s: float = 0.0,
    fps: int = 25,
    turned_deg: int = 0,
    key_every: int = 10,
) -> Path:
    """Writes a video of the kind that the suffix says.

    times_s: when each picture is to be shown; one after the other at ``fps`` without it, from ``from_s`` on.
    turned_deg: what the file says that it must be turned by, counter-clockwise, to be upright: as phones do.
    """
    times = times_s or (from_s + n / fps for n in itertools.count())
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.pix_fmt = CODECS[codec]
        # An AVI has a place for every unit of its time, with a frame in it or not.
        stream.codec_context.time_base = Fraction(1, fps if path.suffix == ".avi" else 1000)
        stream.options = {"g": str(key_every), "bf": "0", "x265-params": "log-level=none"}
        if codec != "libx265":
            del stream.options["x265-params"]
        for number, (picture, at_s) in enumerate(zip(pictures, times, strict=False)):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
                if turned_deg:
                    stream.set_display_rotation(turned_deg)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def shades(n: int, width: int = 64, height: int = 48) -> list[Picture]:
    """Grey pictures, each lighter than the one before."""
    return [np.full((height, width, 3), 20 + 200 * i // n, np.uint8) for i in range(n)]
