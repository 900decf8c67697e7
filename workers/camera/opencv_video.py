"""What live and file sources need of OpenCV's VideoCapture: no noise on stderr, RGB, a limit of the size."""

import os

import cv2
import numpy as np

from models.arrays import Picture
from models.faces.pictures import MAX_SIDE_PX
from streams.errors import BadPicture

# OpenCV and its FFmpeg write to stderr by themselves, once per broken packet. Our errors say it instead.
cv2.setLogLevel(0)
os.putenv("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when the first video is opened


def grab(capture: cv2.VideoCapture) -> Picture | None:
    """The next frame, or None when there is none."""
    ok, bgr = capture.read()
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8) if ok else None


def positive_fps(capture: cv2.VideoCapture) -> float | None:
    """Frames a second, or None where FFmpeg does not know: it says 0 or its time base (90000) then."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps < 1000 else None


def refuse_large(capture: cv2.VideoCapture, name: str, max_pixels: int) -> None:
    """Closes the capture and raises BadPicture if its pictures have more than ``max_pixels``."""
    width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > max_pixels or max(width, height) > MAX_SIDE_PX:
        capture.release()
        raise BadPicture(
            f"{name} has pictures of {width}x{height} px; the limit is {max_pixels} px in all, "
            f"and {MAX_SIDE_PX} px a side",
            reason="too-large",
        )
