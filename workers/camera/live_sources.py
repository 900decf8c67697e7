"""Pictures from what never ends: webcams, network streams, and the demo's scripted face."""

import time
from typing import Final

import cv2

from models.arrays import Picture
from models.staged.expression_scripts import find_script
from streams.errors import SourceLost, SourceNotFound
from streams.redact_url import redact_url
from workers.camera.opencv_video import grab, positive_fps, refuse_large

DEMO_FPS: Final = 10.0
DEMO_SIZE_PX: Final = (640, 480)

SCHEMES: Final = ("http", "https", "rtmp", "rtsp", "rtsps", "srt", "tcp", "udp")
OPEN_TIMEOUT_MS: Final = 10_000
READ_TIMEOUT_MS: Final = 5_000


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


def open_webcam(index: int, fps: float | None, max_pixels: int) -> CameraSource:
    """Opens /dev/videoINDEX.

    Raises:
        SourceNotFound: if it cannot be opened.
        BadPicture: if its pictures are larger than `max_pixels`.
    """
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


def open_url(url: str, max_pixels: int, open_timeout_ms: int, read_timeout_ms: int) -> CameraSource:
    """Opens a network stream.

    Raises:
        SourceNotFound: if the address is of a kind that is not known.
        SourceLost: if it does not answer (now).
        BadPicture: if its pictures are larger than `max_pixels`.
    """
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


class DemoSource:
    """A scripted face (``models.staged.animate``), delivered like a camera's pictures.

    The n-th ``read`` gives frame n of the animation, however late it is asked for.
    """

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
