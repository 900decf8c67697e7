"""Pictures from files: single ones, folders and videos. Nothing is lost silently."""

import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path

from av.error import FFmpegError

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg, JpegLimits, ready_jpeg
from models.faces.pictures import PictureRefused, read_picture
from streams.errors import BadPicture, SourceNotFound
from workers.camera.video_picture import VideoPicture
from workers.camera.video_stream import Reading, VideoStream

FILE_FPS = 10.0
"""For pictures that have no rate of their own."""


class PicturesSource:
    """Gives picture files in the given order. One that cannot be read is a BadPicture, not the end.

    With ``ready``, JPEG files within those limits come as they are, not decoded.
    """

    live = False
    fps = None
    at_s = None
    codec = None

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
    """A video file, from its first frame to its last. Frames that are missing are a BadPicture at the end.

    at_s: when the last frame is to be shown, since the first one: it never goes back, neither where the file
        begins again nor where two files were put together.
    """

    live = False

    def __init__(self, path: Path, *, loop: bool, reading: Reading) -> None:
        self._path = path
        self._loop = loop
        self._reading = reading
        self._ahead: VideoPicture | Jpeg | None
        self._stream, self._ahead = self._open()
        self.fps = self._stream.fps
        self.codec: str | None = self._stream.codec
        self.at_s: float | None = None
        self._read = 0
        self._shift_s = 0.0  # from the file's times to ours
        self._last_s: float | None = None  # by the file's times

    def _open(self) -> tuple[VideoStream, VideoPicture | Jpeg]:
        """Opens the file and reads a first frame, which proves that this is a video.

        Raises:
            SourceNotFound: if it is none.
        """
        try:
            # "file:": a name with a colon is no protocol.
            stream = VideoStream(f"file:{self._path}", str(self._path), self._reading)
        except FFmpegError as error:
            raise self._no_video() from error
        first: VideoPicture | Jpeg | None = None
        while True:
            try:
                first = stream.read()
            except FFmpegError:
                pass
            except BadPicture:  # it may begin in the middle; what is missing is told at the end
                continue
            if first is None:
                stream.close()
                raise self._no_video()
            return stream, first

    def _no_video(self) -> SourceNotFound:
        return SourceNotFound(
            f"{self._path} is neither a picture nor a video with a frame in it, or its format is "
            "unknown. If it plays elsewhere, convert it to MP4 (H.264)"
        )

    def read(self) -> VideoPicture | Jpeg | None:
        frame = self._next()
        if frame is None:
            self._refuse_early_end()
            if not self._loop:
                return None
            self._stream.close()
            self._stream, frame = self._open()
            self._read = 1
        self._set_time()
        return frame

    def _next(self) -> VideoPicture | Jpeg | None:
        frame, self._ahead = self._ahead, None
        if frame is None:
            try:
                frame = self._stream.read()
            except FFmpegError:  # the rest of the file cannot be read
                return None
            except BadPicture:
                self._read += 1
                raise
        if frame is not None:
            self._read += 1
        return frame

    def _set_time(self) -> None:
        own_s = self._stream.at_s
        if own_s is None:
            self.at_s = None
            return
        if self._last_s is not None and own_s < self._last_s:
            self._shift_s += self._last_s + 1 / (self.fps or FILE_FPS) - own_s
        self._last_s = own_s
        self.at_s = self._shift_s + own_s

    def _refuse_early_end(self) -> None:
        """Raises BadPicture, once, if there was less than the header promised.

        FFmpeg ends a cut-off video like a whole one.
        """
        promised, read = self._stream.promised, self._read
        self._read = max(read, promised)
        if promised - read > max(1, promised // 100):  # many formats only estimate
            raise BadPicture(
                f"{self._path} is damaged: only {read} of about {promised} frames can be read",
                reason="corrupt",
            )

    def close(self) -> None:
        self._loop = False
        self._ahead = None
        self._stream.close()


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
