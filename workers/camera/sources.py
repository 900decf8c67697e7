"""Where pictures come from: cameras, streams, videos, folders, single pictures and the demo.

``open_source`` takes what ``mien camera --source`` takes. A source is read from one thread and knows
nothing of Kafka or of time stamps: whoever reads takes the time after ``read`` has returned.
"""

import re
import time
from pathlib import Path
from typing import Final, Protocol

import cv2

from models.arrays import Picture
from models.faces.jpeg_files import Jpeg, JpegLimits
from models.staged.expression_scripts import SCRIPTS, find_script
from streams.errors import SourceLost, SourceNotFound
from workers.camera.file_sources import PicturesSource, VideoSource, is_picture, natural_order
from workers.camera.opencv_video import grab, positive_fps, refuse_large

DEMO_FPS: Final = 10.0
DEMO_SIZE_PX: Final = (640, 480)

SCHEMES: Final = ("http", "https", "rtmp", "rtsp", "rtsps", "srt", "tcp", "udp")
_OPEN_TIMEOUT_MS: Final = 10_000
_READ_TIMEOUT_MS: Final = 5_000


class Source(Protocol):
    """Pictures, one at a time.

    live: the newest picture matters and there is always another one (cameras, streams, the demo);
        otherwise every picture matters and there is a last one (files).
    fps: the source's own frames a second; None if it has none or does not say. A live source delivers at
        this rate by itself: ``read`` waits for the next picture.
    """

    @property
    def live(self) -> bool: ...

    @property
    def fps(self) -> float | None: ...

    def read(self) -> Picture | Jpeg | None:
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
    open_timeout_ms: int = _OPEN_TIMEOUT_MS,
    read_timeout_ms: int = _READ_TIMEOUT_MS,
) -> Source:
    """Open what ``spec`` names.

    spec: a webcam's index (``0``) or device (``/dev/video0``); an RTSP or HTTP address (or another of
        ``SCHEMES``); a video file; a folder of pictures, taken in the order of their names with numbers by
        value (``2.jpg`` before ``10.jpg``), hidden files and sub-folders left out; one picture;
        ``demo:SCRIPT``.
    fps: asked of a webcam and made by the demo (default 10). Other sources have their own.
    loop: begin again after the last picture of a file or folder. Without effect on live sources.
    seed: of the demo's small random movements.
    max_pixels: larger pictures are refused.
    ready: JPEG files within these limits come as they are, not decoded.
    open_timeout_ms, read_timeout_ms: how long an address may stay silent.

    Raises:
        SourceNotFound: there is no such source, or it holds no picture.
        SourceLost: an address does not answer (now).
        BadPicture: a video or stream has pictures over ``max_pixels``.
    """
    if spec.startswith("demo:"):
        return DemoSource(spec.removeprefix("demo:"), fps=fps or DEMO_FPS, seed=seed)
    if webcam := re.fullmatch(r"(?:/dev/video)?(\d+)", spec):
        return _open_webcam(int(webcam[1]), fps, max_pixels)
    if "://" in spec:
        return _open_url(spec, max_pixels, open_timeout_ms, read_timeout_ms)
    path = Path(spec)
    if not spec or not path.exists():
        raise SourceNotFound(
            f"source {spec!r} does not exist. Name a webcam (0), an address (rtsp://…, http://…), a video "
            f"file, a folder of pictures, a picture, or {', '.join(f'demo:{name}' for name in SCRIPTS)}"
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
    return VideoSource(path, loop=loop, max_pixels=max_pixels)


class CameraSource:
    """A webcam or a network stream."""

    live = True

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture = capture
        self._name = name
        self.fps = positive_fps(capture)

    def read(self) -> Picture | None:
        frame = grab(self._capture)
        if frame is None:
            raise SourceLost(f"{self._name} stopped giving pictures")
        return frame

    def close(self) -> None:
        self._capture.release()


class DemoSource:
    """A scripted face (`staged.animate`), delivered like a camera's pictures: the n-th read is frame n."""

    live = True

    def __init__(self, script: str, *, fps: float, seed: int) -> None:
        from models.staged.animate import (
            Animation,  # takes a second to import, and real cameras never need it
        )

        try:
            self._animation = Animation(find_script(script), fps, DEMO_SIZE_PX, seed)
        except ValueError as error:
            raise SourceNotFound(str(error)) from error
        self.fps = fps
        self._index = 0
        self._due_s = time.monotonic()

    def read(self) -> Picture | None:
        now_s = time.monotonic()
        time.sleep(max(0.0, self._due_s - now_s))
        # A reader that was late does not get the missed frames in a burst.
        self._due_s = max(self._due_s, now_s) + 1 / self.fps
        frame = self._animation.frame(self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        pass


_SECRET_PARAMETER: Final = re.compile(r"(?i)([?&][^=&]*(?:pass|pwd|token|key|secret|auth)[^=&]*=)[^&#]*")


def redact_url(url: str) -> str:
    """The address without its secrets, for messages and logs; password and telling parameters become ``***``.

    Everything up to the *last* ``@`` counts as credentials: passwords with unescaped signs are common.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    credentials, at, address = rest.rpartition("@")
    if at:
        user, colon, _password = credentials.partition(":")
        credentials = f"{user}:***" if colon else "***"
    return scheme + mark + credentials + at + _SECRET_PARAMETER.sub(r"\1***", address)


def _open_webcam(index: int, fps: float | None, max_pixels: int) -> CameraSource:
    name = f"webcam {index}"
    capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        raise SourceNotFound(
            f"{name} cannot be opened: is it plugged in, not used by another program, and may this user "
            f"read /dev/video{index} (group video)?"
        )
    if fps is not None:
        capture.set(cv2.CAP_PROP_FPS, fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old pictures are of no use
    refuse_large(capture, name, max_pixels)
    return CameraSource(capture, name)


def _open_url(url: str, max_pixels: int, open_timeout_ms: int, read_timeout_ms: int) -> CameraSource:
    name = redact_url(url)
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise SourceNotFound(f"{name}: addresses start with one of {', '.join(f'{s}://' for s in SCHEMES)}")
    capture = cv2.VideoCapture(
        url,
        cv2.CAP_FFMPEG,
        [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, open_timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_timeout_ms],
    )
    if not capture.isOpened():
        raise SourceLost(
            f"{name} does not answer with a video stream: check the address, the credentials and that the "
            "camera is on and reachable from here"
        )
    refuse_large(capture, name, max_pixels)
    return CameraSource(capture, name)
