"""Pictures from what never ends: webcams and network streams."""

from typing import Final

import cv2

from models.arrays import Picture
from streams.errors import SourceLost, SourceNotFound
from streams.redact_url import redact_url
from workers.camera.opencv_video import grab, positive_fps, refuse_large

SCHEMES: Final = ("http", "https", "rtmp", "rtsp", "rtsps", "srt", "tcp", "udp")
OPEN_TIMEOUT_MS: Final = 10_000
READ_TIMEOUT_MS: Final = 5_000


class CameraSource:
    """A webcam or a network stream."""

    live = True
    at_s = None

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
