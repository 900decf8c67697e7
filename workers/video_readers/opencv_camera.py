"""OpenCV's way from a video to JPEGs, as Mien read cameras before: what the row `camera` compares with."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.arrays import Picture
from models.faces.pictures import encode_jpeg, fit_width

SENT_WIDTH_PX: Final = 1280
JPEG_QUALITY: Final = 85
"""As in mien_camera, which is not imported here: its memory is not OpenCV's."""


class OpenCvCamera:
    """Reads a video file for ever, every frame of it through RGB."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def jpeg(self) -> bytes:
        """The next frame as a JPEG of at most SENT_WIDTH_PX."""
        rgb: Picture = np.asarray(cv2.cvtColor(self._next(), cv2.COLOR_BGR2RGB), np.uint8)
        return encode_jpeg(fit_width(rgb, SENT_WIDTH_PX), JPEG_QUALITY)

    def skip(self) -> None:
        """Reads a frame that is not wanted; as `mien camera` did, with its colours."""
        cv2.cvtColor(self._next(), cv2.COLOR_BGR2RGB)

    def _next(self) -> "cv2.typing.MatLike":
        read, bgr = self._capture.read()
        if not read:
            self._capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
            read, bgr = self._capture.read()
        if not read:
            raise OSError(f"OpenCV reads no frame of {self._path}")
        return bgr
