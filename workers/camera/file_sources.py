"""Pictures from files: single ones, folders and videos. Nothing is lost silently."""

import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path

import cv2

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg, JpegLimits, ready_jpeg
from models.faces.pictures import PictureRefused, read_picture
from streams.errors import BadPicture, SourceNotFound
from workers.camera.opencv_video import grab, positive_fps, refuse_large

FILE_FPS = 10.0
"""For pictures that have no rate of their own."""


class PicturesSource:
    """Gives picture files in the given order. One that cannot be read is a BadPicture, not the end.

    With ``ready``, JPEG files within those limits come as they are, not decoded.
    """

    live = False
    fps = None
    at_s = None

    def __init__(
        self, paths: Sequence[Path], *, loop: bool, max_pixels: int, ready: JpegLimits | None = None
    ) -> None:
        self._paths = paths
        self._loop = loop
        self._max_pixels = max_pixels
        self._ready = ready
        self._next = 0
        self._good = 0  # in this round

    def read(self) -> Picture | Jpeg | None:
        if self._next == len(self._paths):
            # A round without a single good picture would repeat for ever, as fast as the disk.
            if not self._loop or self._good == 0:
                return None
            self._next = self._good = 0
        path = self._paths[self._next]
        self._next += 1
        try:
            frame = self._picture(path)
        except PictureRefused as error:
            raise BadPicture(str(error), reason=error.reason) from error
        except OSError as error:
            raise BadPicture(f"{path} cannot be read: {error.strerror}", reason="unreadable") from error
        self._good += 1
        return frame

    def _picture(self, path: Path) -> Picture | Jpeg:
        if self._ready and path.suffix.lower() in (".jpg", ".jpeg") and path.is_file():
            jpeg = ready_jpeg(path.read_bytes(), self._ready)
            if jpeg:
                return jpeg
        return read_picture(path, max_pixels=self._max_pixels)

    def close(self) -> None:
        self._next, self._loop = len(self._paths), False


class VideoSource:
    """A video file, from its first frame to its last. Frames that are missing are a BadPicture at the end."""

    live = False

    def __init__(self, path: Path, *, loop: bool, max_pixels: int) -> None:
        self._path = path
        self._loop = loop
        self._max_pixels = max_pixels
        self._capture, self._ahead = self._open()
        self.fps = positive_fps(self._capture)
        self._read = 0
        self._round_s = 0.0  # when this round began
        self.at_s: float | None = None

    def _open(self) -> tuple[cv2.VideoCapture, Picture | None]:
        """Opens the file and reads a first frame, which proves that this is a video.

        Raises:
            SourceNotFound: if it is none.
        """
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        refuse_large(capture, str(self._path), self._max_pixels)
        first = grab(capture)
        if first is None:
            capture.release()
            raise SourceNotFound(
                f"{self._path} is neither a picture nor a video with a frame in it, or its format is "
                "unknown. If it plays elsewhere, convert it to MP4 (H.264)"
            )
        return capture, first

    def read(self) -> Picture | None:
        frame, self._ahead = self._ahead, None
        if frame is None:
            frame = grab(self._capture)
        if frame is None:
            self._refuse_early_end()
            if not self._loop:
                return None
            self._capture.release()
            self._capture, frame = self._open()
            self._read = 0
            self._round_s = (self.at_s or 0.0) + 1 / (self.fps or FILE_FPS)
        self._read += 1
        self.at_s = self._round_s + self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return frame

    def _refuse_early_end(self) -> None:
        """Raises BadPicture, once, if there were fewer frames than the header promised.

        FFmpeg skips damage and ends a cut-off video like a whole one.
        """
        promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        read, self._read = self._read, max(self._read, promised)
        if promised - read > max(1, promised // 100):  # many formats only estimate
            raise BadPicture(
                f"{self._path} is damaged: only {read} of about {promised} frames can be read",
                reason="corrupt",
            )

    def close(self) -> None:
        self._loop = False
        self._ahead = None
        self._capture.release()


def is_picture(path: Path, max_pixels: int) -> bool:
    """Whether the file is a picture, even a corrupt one: reading it later tells what is wrong with it.

    Raises:
        SourceNotFound: for a file that cannot be read.
    """
    kind = mimetypes.guess_type(path.name)[0] or ""
    if kind.startswith("video/") or kind == "image/gif":
        return False
    try:
        read_picture(path, max_pixels=max_pixels)
    except PictureRefused as error:
        return error.reason != "not-a-picture"
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from error
    return True


def natural_order(path: Path) -> list[str | int]:
    """A key to sort by that takes numbers by value: ``2.jpg`` comes before ``10.jpg``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
