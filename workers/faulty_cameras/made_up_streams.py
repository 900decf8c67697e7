"""What a made-up camera sends, encoded beforehand: one piece of bytes for each picture."""

import io
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame

from models.arrays import Picture
from models.faces.pictures import encode_jpeg
from models.staged import camera_scenes

PICTURES: Final = 600
"""More than a camera remembers, so that a recording of them is not taken for one that hangs."""
BOUNDARY: Final = "frame"


def pictures(size_px: tuple[int, int], number: int, count: int = PICTURES) -> list[Picture]:
    """A made-up place with the noise of a sensor: no two pictures are the same."""
    rng = np.random.default_rng(number)
    place = np.asarray(
        cv2.resize(camera_scenes.place(number), size_px, interpolation=cv2.INTER_AREA), np.float32
    )
    return [np.repeat(camera_scenes.as_seen(place, rng)[:, :, None], 3, axis=2) for _ in range(count)]


def jpegs(shown: Sequence[Picture]) -> list[bytes]:
    return [encode_jpeg(picture, 70) for picture in shown]


def mjpeg(jpegs_: Sequence[bytes]) -> list[bytes]:
    """Parts of ``multipart/x-mixed-replace``."""
    return [
        f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
        + jpeg
        + b"\r\n"
        for jpeg in jpegs_
    ]


def transport_stream(shown: Sequence[Picture], fps: int) -> list[bytes]:
    """H.264 in MPEG-TS, a key picture each two seconds; the first piece begins with one."""
    buffer, ends = io.BytesIO(), [0]
    with av.open(buffer, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        for _ in _encoded(container, shown, fps):
            ends.append(buffer.tell())
    whole = buffer.getvalue()
    return [whole[begin:end] for begin, end in pairwise(ends) if end > begin]


def write_video(path: Path, shown: Sequence[Picture], fps: int) -> None:
    """A file of H.264."""
    with av.open(str(path), "w") as container:
        deque(_encoded(container, shown, fps), maxlen=0)


def _encoded(container: OutputContainer, shown: Sequence[Picture], fps: int) -> Iterator[None]:
    """Encodes the pictures, and stops after each."""
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(2 * fps)}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.height, stream.width = shown[0].shape[:2]
    for picture in shown:
        container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        yield
    container.mux(stream.encode(None))
