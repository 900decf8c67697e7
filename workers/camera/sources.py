"""Opens what `--source` names: a camera or stream, a video, a folder, a picture, or the demo.

The sources themselves are in ``live_sources``, ``file_sources`` and ``demo_source``. One is read from one
thread and knows nothing of Kafka or of time stamps: whoever reads takes the time after ``read`` has returned.
"""

import re
from pathlib import Path
from typing import Protocol

from models.faces.jpeg_passthrough import JpegLimits
from streams.errors import SourceNotFound
from streams.redact_url import redact_url
from workers.camera.file_sources import PicturesSource, VideoSource, is_picture, natural_order
from workers.camera.live_sources import OPEN_TIMEOUT_MS, READ_TIMEOUT_MS, open_url, open_webcam
from workers.camera.video_picture import Shot
from workers.camera.video_stream import Reading


class Source(Protocol):
    """Pictures, one at a time.

    live: the newest picture matters and there is always another one (cameras, streams, the demo);
        otherwise every picture matters and there is a last one (files).
    fps: the source's own frames a second; None if it has none or does not say. A live source delivers at
        this rate by itself: ``read`` waits for the next picture.
    codec: how a video's pictures are encoded, as FFmpeg names it; None of pictures that are no video.
    at_s: of a file, when its last picture is to be shown, since the first one; None where it has no times.
    """

    @property
    def live(self) -> bool: ...

    @property
    def fps(self) -> float | None: ...

    @property
    def codec(self) -> str | None: ...

    @property
    def at_s(self) -> float | None: ...

    def read(self) -> Shot | None:
        """The next picture; None after the last one.

        Raises:
            SourceLost: a live source stopped giving pictures: close it, wait, open it again.
            BadPicture: this one picture cannot be used; the next ``read`` goes on behind it.
        """

    def close(self) -> None:
        """Free the device, connection or file. Harmless when repeated."""


def open_source(
    spec: str,
    *,
    fps: float | None = None,
    loop: bool = False,
    seed: int = 0,
    max_pixels: int,
    ready: JpegLimits | None = None,
    keyframes: bool = False,
    hardware: str | None = None,
    open_timeout_ms: int = OPEN_TIMEOUT_MS,
    read_timeout_ms: int = READ_TIMEOUT_MS,
) -> Source:
    """Opens what ``spec`` names.

    spec: a webcam's index (``0``) or device (``/dev/video0``, or a link to it such as those in
        ``/dev/v4l/by-id``); an RTSP or HTTP address (or another of
        ``live_sources.SCHEMES``); a video file; a folder of pictures, taken in the order of their names with
        numbers by value (``2.jpg`` before ``10.jpg``), hidden files and sub-folders left out; one picture;
        ``demo:SCRIPT``.
    fps: asked of a webcam, made by the demo (default 10), and how often an address is asked that gives one
        picture a request (default 2). Other sources have their own.
    loop: begin again after the last picture of a file or folder. Without effect on live sources.
    seed: of the demo's small random movements.
    max_pixels: larger pictures are refused.
    ready: JPEGs within these limits come as they are, not decoded: files, and the pictures of an MJPEG video.
    keyframes, hardware: as in ``video_stream.Reading``.
    open_timeout_ms, read_timeout_ms: how long an address may stay silent.

    Raises:
        SourceNotFound: there is no such source, or it holds no picture.
        SourceLost: an address does not answer (now).
        BadPicture: a video or stream has pictures over ``max_pixels``.
    """
    if spec.startswith("demo:"):
        from workers.camera.demo_source import DEMO_FPS, DemoSource  # real cameras make up no pictures

        return DemoSource(spec.removeprefix("demo:"), fps=fps or DEMO_FPS, seed=seed)
    reading = Reading(max_pixels, ready, keyframes, hardware)
    if device := webcam_device(spec):
        return open_webcam(device, fps, reading)
    if "://" in spec:
        return open_url(spec, fps, reading, open_timeout_ms, read_timeout_ms)
    path = Path(spec)
    if not spec or not path.exists():
        from models.staged.expression_scripts import SCRIPTS

        raise SourceNotFound(
            f"source {redact_url(spec)!r} does not exist. Name a webcam (0), an address (rtsp://…, "
            "http://…), a video file, a folder of pictures, a picture, or "
            f"{', '.join(f'demo:{name}' for name in SCRIPTS)}"
        )
    if path.is_dir():
        paths = sorted((p for p in path.iterdir() if p.is_file() and p.name[0] != "."), key=natural_order)
        if not paths:
            raise SourceNotFound(
                f"folder {path} holds no files: put pictures into it, or name another folder"
            )
        return PicturesSource(paths, loop=loop, max_pixels=max_pixels, ready=ready)
    if is_picture(path, max_pixels):
        return PicturesSource([path], loop=loop, max_pixels=max_pixels, ready=ready)
    return VideoSource(path, loop=loop, reading=reading)


def webcam_device(spec: str) -> Path | None:
    """The V4L2 device that a number, a device's name or a link to one means; None for another source."""
    if spec.isdecimal():
        return Path(f"/dev/video{spec}")
    if "://" in spec:
        return None
    device = Path(spec).resolve()
    return device if re.fullmatch(r"/dev/video\d+", str(device)) else None
